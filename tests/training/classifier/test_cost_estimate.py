"""The estimated duration and memory of a training."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from emotion.training.classifier import cost_estimate
from emotion.training.classifier.config import TrainingPlan
from emotion.training.classifier.cost_estimate import estimate_cost, measure_gflops
from emotion.training.classifier.networks.zoo import list_architectures

NAMES = [card.name for card in list_architectures()]


@pytest.mark.parametrize("name", NAMES)
def test_an_estimate_grows_with_the_rows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = TrainingPlan.from_defaults(name)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0), raising=False)
    few, many = estimate_cost(plan, 1000), estimate_cost(plan, 30_000)
    assert 0 < few.seconds_per_epoch < many.seconds_per_epoch
    assert many.seconds_per_epoch == pytest.approx(30 * few.seconds_per_epoch)
    assert 5e8 < few.memory_bytes < many.memory_bytes
    assert not few.is_measured


@pytest.mark.parametrize("slow_repetitions", [0, 1, 60])
def test_the_speed_is_that_of_the_best_repetition(slow_repetitions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    now, count = [0.0], [0]

    def multiply(a: object, b: object) -> None:
        count[0] += 1
        now[0] += 0.2 if count[0] <= slow_repetitions else 0.0001  # a busy machine, then a core for itself

    monkeypatch.setattr(cost_estimate, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(np, "matmul", multiply)
    assert measure_gflops.__wrapped__() == pytest.approx(2 * 96**3 / 0.0001 / 1e9)


def test_an_estimate_counts_the_labels() -> None:
    plan = TrainingPlan.from_defaults("mlp")
    assert estimate_cost(plan, 100).num_parameters == 1_313_287
    assert estimate_cost(replace(plan, label_set="four"), 100).num_parameters == 1_313_287 - 3 * 257
    assert estimate_cost(replace(plan, label_set="own"), 100, num_classes=9).num_parameters == 1_313_287 + 2 * 257


def test_an_estimate_grows_with_the_square_of_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0), raising=False)
    plan = TrainingPlan.from_defaults("cnn-4conv")
    narrow, wide = estimate_cost(plan, 100), estimate_cost(replace(plan, width_factor=2.0), 100)
    assert wide.num_parameters == 4 * narrow.num_parameters
    assert wide.seconds_per_epoch == pytest.approx(4 * narrow.seconds_per_epoch)


def test_an_estimate_uses_earlier_runs(tmp_path: Path) -> None:
    plan = TrainingPlan.from_defaults("mlp")
    assert not estimate_cost(plan, 1000, runs_folder=tmp_path / "nowhere").is_measured
    for name, network, rows, text in (
        ("a", "mlp", 1000, "epoch,seconds\n1,90\n2,10\n3,12\n4,11\n"),
        ("b", "mlp", 1000, "epoch,seconds\n1,90\n"),  # the first one is no measure
        ("c", "cnn-4conv", 1000, "epoch,seconds\n1,90\n2,70\n"),
        ("d", "mlp", None, "epoch,seconds\n1,90\n2,70\n"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps({"network": network, "rows": rows}))
        (tmp_path / name / "history.csv").write_text(text)
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "config.json").write_text("{")
    found = estimate_cost(plan, 2000, runs_folder=tmp_path)
    assert found.is_measured
    assert found.seconds_per_epoch == pytest.approx(22)
    assert not estimate_cost(plan, 20_000, runs_folder=tmp_path).is_measured  # its epochs are of another kind


@pytest.mark.parametrize(
    ("network", "of_run", "of_plan", "seconds"),
    [
        ("cnn-4conv", {"width_factor": 2.0}, {}, 10),
        ("cnn-4conv", {}, {"width_factor": 2.0}, 160),
        ("seresnet", {"teachers": ["0" * 64]}, {"teachers": ("teacher",)}, 40),
        ("seresnet", {"teachers": ["0" * 64]}, {}, None),
        ("seresnet", {}, {"teachers": ("teacher",)}, None),
    ],
)
def test_an_estimate_knows_width_and_teachers_of_an_earlier_run(
    tmp_path: Path, network: str, of_run: dict[str, Any], of_plan: dict[str, Any], seconds: float | None
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text(json.dumps({"network": network, "rows": 1000, **of_run}))
    (run / "history.csv").write_text("epoch,seconds\n1,90\n2,40\n")
    plan = replace(TrainingPlan.from_defaults(network), **of_plan)
    found = estimate_cost(plan, 1000, runs_folder=tmp_path)
    assert found.is_measured == (seconds is not None)
    assert seconds is None or found.seconds_per_epoch == pytest.approx(seconds)


def test_an_estimate_counts_start_and_finish_of_an_earlier_run(tmp_path: Path) -> None:
    plan = TrainingPlan.from_defaults("mlp")
    assert estimate_cost(plan, 1000).overhead_seconds > 0
    for name, seconds in (("quick", 30), ("queued", 500)):
        run = tmp_path / name
        run.mkdir()
        (run / "config.json").write_text(json.dumps({"network": "mlp", "rows": 1000}))
        (run / "history.csv").write_text("epoch,seconds\n1,9\n2,2\n3,2\n")
        state = {"status": "done", "pid": 1, "process_started_at": 1000.0, "error": None}
        (run / "state.json").write_text(json.dumps(state))
        os.utime(run / "state.json", (1000 + seconds, 1000 + seconds))
    found = estimate_cost(plan, 1000, runs_folder=tmp_path)
    assert found.overhead_seconds == pytest.approx(30 - 3 * 2)
    assert found.total_seconds(10) == pytest.approx(24 + 10 * 2)


def test_a_busy_machine_takes_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, cores = TrainingPlan.from_defaults("mlp"), os.cpu_count() or 1
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0), raising=False)
    idle = estimate_cost(plan, 1000)
    monkeypatch.setattr(os, "getloadavg", lambda: (3.0 * cores, 0.0, 0.0), raising=False)
    busy = estimate_cost(plan, 1000)
    assert busy.seconds_per_epoch == pytest.approx(4 * idle.seconds_per_epoch)
    assert busy.overhead_seconds > 3 * idle.overhead_seconds


def test_a_frozen_network_trains_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0), raising=False)
    plan = TrainingPlan.from_defaults("seresnet")
    frozen = replace(plan, init_from="models/classifier", trained_heads=("fer2013",))
    assert estimate_cost(frozen, 1000).seconds_per_epoch == pytest.approx(
        estimate_cost(plan, 1000).seconds_per_epoch / 3
    )


@pytest.mark.parametrize(("network", "factor"), [("seresnet", 0.52), ("cnn-4conv", 1.0)])
def test_native_networks_train_faster_in_bfloat16(network: str, factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0), raising=False)
    plan, seconds = TrainingPlan.from_defaults(network), []
    for is_fast in (False, True):
        monkeypatch.setattr(cost_estimate, "computes_bfloat16", lambda is_fast=is_fast: is_fast)
        seconds.append(cost_estimate.estimate_cost(plan, 10_000).seconds_per_epoch)
    assert seconds[1] / seconds[0] == pytest.approx(factor)


def test_a_system_without_a_list_of_processors_is_taken_for_a_slow_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cost_estimate.computes_bfloat16.cache_clear()
    monkeypatch.setattr(cost_estimate, "_CPU_FILE", tmp_path / "cpuinfo")
    assert not cost_estimate.computes_bfloat16()
    cost_estimate.computes_bfloat16.cache_clear()
    (tmp_path / "cpuinfo").write_text("flags : avx2 amx_bf16 amx_tile")
    assert cost_estimate.computes_bfloat16()
    cost_estimate.computes_bfloat16.cache_clear()
