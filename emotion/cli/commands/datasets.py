"""The commands `emotion dataset`: build data sets from images, and list them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from emotion.cli.click_extensions import FRACTION, Interrupted, StudioGroup, json_option, with_options
from emotion.cli.output import print_progress, print_result
from emotion.cli.progress import show_progress

if TYPE_CHECKING:
    from emotion.datasets.building.config import BuildMode
    from emotion.datasets.building.jobs import BuildRequest


@dataclass(frozen=True)
class BuildOptions:
    """The options of `emotion dataset build`."""

    source: Path | None
    name: str | None
    config: Path | None
    out: Path | None
    size: int
    split_ratios: str
    seed: int
    multi_face: Literal["largest", "none"]
    min_face: int
    pre_cropped: bool
    detector: str
    detection_threshold: float
    overwrite: bool
    extend: bool
    keep_job_folder: bool
    as_json: bool


@click.group(cls=StudioGroup)
def dataset() -> None:
    """Build data sets of faces and list them."""


@dataset.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the data sets of the workspace and of EMOTION_DATA."""
    from emotion.datasets.catalog import list_datasets

    listing = list_datasets()
    for error in listing.errors:
        print_progress(error)
    rows = [
        {"path": str(info.path), "num_faces": info.num_faces, "labels": list(info.labels)} for info in listing.datasets
    ]
    text = "\n".join(f"{row['num_faces']:>8,} faces  {len(row['labels']):>2} labels  {row['path']}" for row in rows)
    print_result(rows, text, as_json=as_json)


@dataset.command("build")
@click.argument("source", type=click.Path(path_type=Path), required=False)
@click.option("--name", help="Name of the data set.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="JSON file with SOURCE, the name and all settings, as the app writes it; replaces those options.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Parent folder (default: data/sets of the workspace).")
@click.option("--size", type=int, default=48, help="Side of the face crops in pixels.")
@click.option("--split-ratios", default="80/10/10", help="Percentages of train/validation/test.")
@click.option("--seed", type=int, default=1, help="Seed of the split.")
@click.option(
    "--multi-face",
    type=click.Choice(("largest", "none")),
    default="largest",
    help="Which face of an image with several is used.",
)
@click.option("--min-face", type=int, default=32, metavar="PIXELS", help="Side of the smallest face.")
@click.option("--pre-cropped", is_flag=True, help="The images are face crops already: skip the detection.")
@click.option("--detector", default="", help="glance, yunet or haar (default: the best one available).")
@click.option("--detection-threshold", type=FRACTION, default=0.6, help="Minimum score of a face, 0 to 1.")
@click.option("--overwrite", is_flag=True, help="Replace the data set of that name.")
@click.option("--extend", is_flag=True, help="Add the faces to the data set of that name; its faces keep their split.")
@click.option("--keep-job-folder", is_flag=True, hidden=True)  # the page that started the job removes its folder
@json_option
@with_options(BuildOptions)
def build(options: BuildOptions) -> None:
    """Build a data set from images sorted by label: detect, crop and split the faces.

    SOURCE is a folder or ZIP that holds one folder of images per label.
    """
    from emotion.datasets.building.builder import build_dataset
    from emotion.datasets.building.jobs import get_job_folder
    from emotion.jobs.reporter import job_context
    from emotion.jobs.result_folder import check_result_folder, claim_result_folder
    from emotion.jobs.result_manifest import DATASET, DATASET_BUILD

    request = _make_request(options)
    target = request.parent / request.name
    job_folder = get_job_folder(request.name, request.parent, mode=request.mode)
    check_result_folder(target, DATASET, inputs=[request.source])
    claim_result_folder(job_folder, DATASET_BUILD)
    owns_folder = False
    try:
        with job_context(job_folder) as report, show_progress(job_folder, request.name):
            owns_folder = not options.keep_job_folder
            metadata = build_dataset(request.source, target, request.config, job_folder, report, mode=request.mode)
            if metadata is not None and request.source.parent == job_folder:
                request.source.unlink()  # an upload
    finally:
        if owns_folder:
            shutil.rmtree(job_folder, ignore_errors=True)
    if metadata is None:
        raise Interrupted("Stopped: no data set was built.")
    print_result(metadata, _format_summary(metadata, target), as_json=options.as_json)


def _make_request(options: BuildOptions) -> BuildRequest:
    from emotion.datasets.building.config import DatasetBuildConfig
    from emotion.datasets.building.jobs import BuildRequest
    from emotion.datasets.metadata import DATASETS_FOLDER
    from emotion.datasets.splitting import parse_split_ratios

    if options.config is not None:
        return BuildRequest.read(options.config)
    if options.source is None or options.name is None:
        raise click.UsageError("Give SOURCE and --name, or --config.")
    config = DatasetBuildConfig(
        options.size,
        parse_split_ratios(options.split_ratios),
        options.seed,
        options.multi_face,
        options.min_face,
        options.pre_cropped,
        options.detector,
        options.detection_threshold,
    )
    mode: BuildMode = "extend" if options.extend else "replace" if options.overwrite else "new"
    return BuildRequest(options.source, options.name, options.out or DATASETS_FOLDER, config, mode)


def _format_summary(metadata: Mapping[str, Any], folder: Path) -> str:
    lines = [f"{metadata['faces']} faces of {metadata['photos']} photos are in {folder}."]
    lines += [
        f"  {split:<10} {sum(counts.values()):>6}  " + ", ".join(f"{label} {n}" for label, n in counts.items())
        for split, counts in metadata["counts"].items()
    ]
    rejected = ", ".join(f"{n} {reason}" for reason, n in metadata["rejected"].items())
    return "\n".join([*lines, *([f"Left out: {rejected}; see rejected.csv."] if rejected else [])])
