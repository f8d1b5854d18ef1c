"""Training one network to its end, asking it, and taking it out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evobnn.cli.commands.arguments import DataDir, Device, With, known
from evobnn.experiment.presets import DEFAULT_PRESET


def train(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN:ID | GENOME | FOLDER", help="What to train to its end, or the folder of a stopped training."
        ),
    ],
    preset: Annotated[
        str | None,
        typer.Option(
            callback=known("source"),
            help=f"Preset or TOML file in which a genome's text is read. (default: {DEFAULT_PRESET})",
        ),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Data set, taken whole. (default: the one of the run or preset, as it is cut)")
    ] = None,
    data_dir: DataDir = None,
    size: Annotated[int | None, typer.Option(help="Height and width of the images in pixels; 0 as published.")] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            callback=known("recipe"), metavar="NAME | FILE.toml", help="See 'evobnn recipes'. (default: brief)"
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="SECTION.KEY=VALUE", help="Change a setting of recipe, network or dataset. Repeatable."
        ),
    ] = None,
    cells: Annotated[int | None, typer.Option(help="Cells of the network. (default: the run's or preset's)")] = None,
    channels: Annotated[int | None, typer.Option(help="Width of its first cells. (default: the same)")] = None,
    epochs: Annotated[int | None, typer.Option(help="Of all stages together. (default: the recipe's)")] = None,
    seeds: Annotated[int | None, typer.Option(help="Trainings, one after the other. (default: 1)")] = None,
    device: Device = None,
    threads: Annotated[int | None, typer.Option(help="Torch threads. (default: this machine's cores)")] = None,
    all_images: Annotated[
        bool, typer.Option("--all-images", help="Learn from the validation images too; then nothing is validated.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Its folder. (default: populations/train-PRESET-NUMBER)")] = None,
    brought: With = None,
) -> None:
    """Train one network to its end, and read the test images once; goes on where it was stopped."""
    from evobnn.cli import train
    from evobnn.experiment.asked import Asked

    asked = Asked(
        preset,
        dataset,
        size,
        recipe,
        tuple(assignments or ()),
        cells,
        channels,
        epochs,
        seeds,
        threads,
        all_images,
        out,
    )
    train.train(what, asked, device, data_dir, brought or [])


def predict(
    folder: Annotated[str, typer.Argument(metavar="TRAINING", help="Training folder, or its name below populations/.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Image files: PNG, JPEG, TIFF and others.")],
    seed: Annotated[int | None, typer.Option(help="Whose weights. (default: of the first that was trained)")] = None,
    kernels: Annotated[
        str, typer.Option(help="torch: readable modules in float32; recorded: as it was trained.")
    ] = "torch",
    device: Device = None,
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="As a list of objects.")] = False,
    brought: With = None,
) -> None:
    """Tell the class of image files by a trained network, and that class's share of the softmax.

    Images are read as those of its data set: its grey values, its channels, its size.
    """
    from evobnn.cli import predict

    predict.show(
        folder, images, seed=seed, kernels=kernels, device=device, data_dir=data_dir, brought=brought or [],
        as_json=as_json,
    )  # fmt: skip


def export(
    folder: Annotated[
        str | None,
        typer.Argument(metavar="[TRAINING[:SEED]]", help="Training folder, or its name below populations/."),
    ] = None,
    to: Annotated[
        str,
        typer.Option(help="c: in C99; bits: packed tensors; by extras: onnx, qonnx, openvino. With commas."),
    ] = "c,bits",
    out: Annotated[Path | None, typer.Option(help="A new folder. (default: the training's name and seed)")] = None,
    untrained: Annotated[
        str | None,
        typer.Option(metavar="RUN:ID", help="In place of TRAINING: with random weights, for timing only."),
    ] = None,
    compiler: Annotated[str | None, typer.Option(help="Of C. (default: $CC, cc, gcc or clang)")] = None,
    data_dir: DataDir = None,
    brought: With = None,
) -> None:
    """Write a trained network as real 1-bit code that needs no PyTorch.

    The files are run and compared with PyTorch before they get their name.
    """
    from evobnn.cli import export

    export.show(folder, untrained, to, out, compiler, data_dir, brought or [])
