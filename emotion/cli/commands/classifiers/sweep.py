"""The command `emotion sweep`: train a classifier with many settings, and find the best ones."""

from __future__ import annotations

from contextlib import closing, nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from emotion.cli.click_extensions import POSITIVE, Interrupted, StudioCommand, json_option, with_options
from emotion.cli.commands.classifiers.training import (
    PlanOptions,
    adapt_plan,
    add_plan_options,
    load_plan_data,
    make_plan,
)
from emotion.cli.output import print_result
from emotion.cli.progress import run_job
from emotion.formatting import format_percent

if TYPE_CHECKING:
    from emotion.training.sweep.engines.engine import TrialEngine
    from emotion.training.sweep.records import SweepRecord, SweepRequest

_DEFAULT_TRIALS: Final = 24
_MAX_TRIALS: Final = 100_000  # that sweep.json holds


@dataclass(frozen=True)
class SweepOptions:
    """The options of `emotion sweep`. `plan`: of the trainings; the space varies some of its settings."""

    out: Path
    space: Path | None
    trials: int
    engine: str
    address: str | None
    workers: int
    config: Path | None
    queue: bool
    as_json: bool
    plan: PlanOptions

    @classmethod
    def from_values(cls, **values: Any) -> SweepOptions:
        """Group the values of the command."""
        plan = PlanOptions(**{field.name: values.pop(field.name) for field in fields(PlanOptions)})
        return cls(**values, plan=plan)


@click.command(cls=StudioCommand)
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="The folder of the sweep.")
@click.option(
    "--space",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="JSON or TOML: the settings to vary (default: learning rate, augmentation, width, dropout and others).",
)
@click.option(
    "--trials",
    type=click.IntRange(1, _MAX_TRIALS),
    default=_DEFAULT_TRIALS,
    help="Number of trials, besides the default settings.",
)
@click.option(
    "--engine", type=click.Choice(["local", "ray"]), default="local", help="Processes of this machine, or Ray."
)
@click.option(
    "--address", metavar="ADDRESS", help="Ray: auto, HOST:PORT or ray://HOST:PORT (default: a cluster of this machine)."
)
@click.option("--workers", type=POSITIVE, default=1, help="How many are trained at a time; with Ray one core each.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="config.json of a run: all settings that no option gives (default: those of the network).",
)
@add_plan_options
@click.option("--queue", is_flag=True, help="Wait until no other training beside DIR is running.")
@json_option
@with_options(SweepOptions.from_values)
def sweep(options: SweepOptions) -> None:
    """Train a classifier with many settings and stop poor ones early, or go on with the sweep in DIR.

    Each trial is a run folder in DIR. Trial 0 has the settings as they are given; the others vary those of the space.
    All are compared on the validation split.
    """
    from emotion.jobs.result_folder import claim_result_folder
    from emotion.jobs.result_manifest import SWEEP
    from emotion.training.manager import wait_for_slot
    from emotion.training.sweep.run import SweepRun, open_sweep

    if options.address is not None and options.engine == "local":
        raise click.UsageError("--address is for --engine ray; give both or none.")
    claim_result_folder(options.out, SWEEP, inputs=options.plan.inputs)
    record = None
    with run_job(options.out) as reporter:
        opened = open_sweep(options.out, _make_request(options))
        opened.write(options.out)  # so that the folder is known as a sweep while it waits
        with wait_for_slot(options.out, reporter) if options.queue else nullcontext(True) as has_slot:
            if has_slot:
                with closing(_make_engine(options)) as engine:
                    record = SweepRun(options.out, opened, engine, options.workers).run(reporter)
    if record is None:
        raise Interrupted("Stopped before the sweep began. Run the same command again to go on.")
    print_result(_summarize(record, options.out), lambda: _format_summary(record, options.out), as_json=options.as_json)


def _make_engine(options: SweepOptions) -> TrialEngine:
    from emotion.training.sweep.engines.local_engine import LocalEngine

    if options.engine == "local":
        return LocalEngine()
    from emotion.training.sweep.engines.ray_engine import RayEngine

    return RayEngine(options.address)


def _make_request(options: SweepOptions) -> SweepRequest:
    from emotion.training.sweep.records import SweepRequest, read_sweep
    from emotion.training.sweep.space import read_space, suggest_space

    existing = read_sweep(options.out)
    if options.plan.data is None and options.config is None:
        if existing is None:
            raise click.UsageError("Missing option '--data' or '--config'.")
        return existing.request.model_copy(update={"num_trials": options.trials})
    plan = make_plan(options.config, options.plan)
    plan = adapt_plan(plan, load_plan_data(plan), options.plan, has_config=options.config is not None)
    space = read_space(options.space, plan) if options.space else suggest_space(plan)
    return SweepRequest.from_plan(plan, space, options.trials)


def _summarize(record: SweepRecord, folder: Path) -> dict[str, Any]:
    best, baseline = record.best_trial, record.baseline
    return {
        "folder": str(folder),
        "trials": record.num_finished,
        "baseline_accuracy": baseline.best_accuracy if baseline else None,
        "best": None if best is None else {**best.model_dump(mode="json"), "run": str(folder / best.folder_name)},
        "importance": record.importance.model_dump(mode="json") if record.importance else None,
    }


def _format_summary(record: SweepRecord, folder: Path) -> str:
    from emotion.training.sweep.tables import format_setting

    best, baseline = record.best_trial, record.baseline
    counts = {state: sum(t.state == state for t in record.trials) for state in ("complete", "pruned", "failed")}
    states = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    lines = [f"{folder}: {len(record.trials)} runs ({states})"]
    if baseline is not None and baseline.best_accuracy is not None:
        lines.append(f"default settings     {format_percent(baseline.best_accuracy)} of the validation split")
    if best is not None and best.best_accuracy is not None:
        values = ", ".join(f"{name} {format_setting(value)}" for name, value in best.settings.items())
        lines.append(
            f"best, {best.folder_name:<14} {format_percent(best.best_accuracy)}: {values or 'default settings'}"
        )
    if record.importance is not None:
        shares = sorted(record.importance.shares.items(), key=lambda pair: -pair[1])
        lines.append("importance           " + ", ".join(f"{name} {format_percent(share)}" for name, share in shares))
    return "\n".join(lines)
