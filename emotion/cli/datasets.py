"""The command that makes data sets of photos."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

Command = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_commands(command: Command) -> None:
    """Add `build_dataset`."""
    one = command(
        "prepare", _build_dataset, "Make a data set of photos sorted by label: find, cut and share out the faces."
    )
    one.add_argument(
        "source", type=Path, metavar="SOURCE", help="a folder or ZIP with a folder of photos for each label"
    )
    one.add_argument("--name", required=True, help="of the data set")
    one.add_argument("--out", type=Path, metavar="DIR", help="the folder it is made in (default: data/sets)")
    one.add_argument("--size", type=int, default=48, help="side of the faces in pixels (%(default)s)")
    one.add_argument("--split", default="80/10/10", help="training/validation/test (%(default)s)")
    one.add_argument("--seed", type=int, default=1, help="of the chance that shares out (%(default)s)")
    one.add_argument(
        "--several",
        choices=("largest", "none"),
        default="largest",
        help="of several faces on a photo take the largest or none (%(default)s)",
    )
    one.add_argument("--least", type=int, default=32, help="side of the smallest face in pixels (%(default)s)")
    one.add_argument("--whole", action="store_true", help="the photos are cut faces already: search none in them")
    one.add_argument("--detector", default="", help="glance, yunet or haar (default: the best one here)")
    one.add_argument("--detection", type=float, default=0.6, help="least score of a face, 0 to 1 (%(default)s)")
    one.add_argument("--overwrite", action="store_true", help="replace the data set of that name")
    one.add_argument("--json", action="store_true", help="print dataset.json")
    one.add_argument("--watched", action="store_true", help=argparse.SUPPRESS)  # a page clears up the job's folder


def _build_dataset(options: argparse.Namespace) -> int:
    from emotion.datasets.build_jobs import get_job_folder
    from emotion.datasets.builder import DATASETS_FOLDER, DatasetBuildConfig, build_dataset
    from emotion.datasets.splitting import parse_split_ratios
    from emotion.jobs.reporter import job_context
    from emotion.jobs.result_folder import check_result_folder, claim_result_folder
    from emotion.jobs.result_manifest import DATASET, DATASET_BUILD

    settings = DatasetBuildConfig(
        options.size,
        parse_split_ratios(options.split),
        options.seed,
        options.several,
        options.least,
        options.whole,
        options.detector,
        options.detection,
    )
    out = options.out or DATASETS_FOLDER
    folder, mine = get_job_folder(options.name, out, overwrite=options.overwrite), False
    check_result_folder(out / options.name, DATASET, inputs=[options.source])
    claim_result_folder(folder, DATASET_BUILD)
    try:
        with job_context(folder) as report:
            mine = not options.watched
            prepared = build_dataset(
                options.source, out / options.name, settings, folder, report, overwrite=options.overwrite
            )
            if prepared is not None and options.source.parent == folder:
                options.source.unlink()  # an upload
    finally:
        if mine:
            shutil.rmtree(folder, ignore_errors=True)
    if prepared is None:
        print("Stopped: no data set was made.")
        return 0
    print(json.dumps(prepared, indent=1) if options.json else _format_summary(prepared, out / options.name))
    return 0


def _format_summary(metadata: dict[str, Any], folder: Path) -> str:
    lines = [f"{metadata['faces']} faces of {metadata['photos']} photos are in {folder}."]
    lines += [
        f"  {place:<10} {sum(counts.values()):>6}  " + ", ".join(f"{label} {n}" for label, n in counts.items())
        for place, counts in metadata["counts"].items()
    ]
    left_out = ", ".join(f"{n} {reason}" for reason, n in metadata["rejected"].items())
    return "\n".join([*lines, *([f"Left out: {left_out}; see rejected.csv."] if left_out else [])])
