"""Which commands there are, their arguments and help. Nothing heavy is imported before a command runs, nor
before the names that it was given are known to be there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from evobnn import __version__
from evobnn.cli.examples import example
from evobnn.experiment.presets import DEFAULT_PRESET

app = typer.Typer(
    name="evobnn",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Evolves binary (1-bit) neural networks: cell topology and activation functions in one genome.",
    epilog="Exit codes: 0 done, 1 problems found or a bug, 2 bad input, 130 stopped. A run is a folder; "
    "below populations/ its name is enough.",
)


def _known(what: str) -> Callable[[str | None], str | None]:
    """Return the callback that refuses a name which is not there: of a `source`, `recipe` or `table`, see `named`."""

    def check(value: str | None) -> str | None:
        from evobnn.cli import named

        if value is not None:
            getattr(named, f"check_{what}")(value)
        return value

    return check


RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or its name below populations/.")]
Subject = Annotated[str, typer.Argument(metavar="RUN:ID | GENOME", help="One of a run, or a genome's text in quotes.")]
Generations = Annotated[
    int | None, typer.Option(help="Total number of generations to reach; generation 0 is the start population.")
]
Budget = Annotated[str | None, typer.Option(help="Stop at a generation's end after this time: 90s, 10m, 2h.")]
Jobs = Annotated[int | None, typer.Option(help="Worker processes. (default: as many as this machine feeds)")]
Backend = Annotated[str | None, typer.Option(help="Of joblib: loky, or dask or ray on a cluster. (default: loky)")]
Device = Annotated[str | None, typer.Option(help="Torch device, such as cpu or cuda:0. (default: cpu)")]
DataDir = Annotated[Path | None, typer.Option(help="Folder with the published files of the data set.")]
Timeout = Annotated[str | None, typer.Option(help="Give one training up after this time; ends repeatability.")]
Patience = Annotated[
    int | None, typer.Option(metavar="N", help="Stop where N generations in a row bring no more hypervolume.")
]
Target = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=NUMBER", help="Stop at hypervolume=0.8 or more, error=0.1 or less. Repeatable: all."),
]
Preset = Annotated[
    str,
    typer.Option(
        callback=_known("source"), help="Preset or TOML file whose space and network a genome's text is read in."
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"evobnn {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Evolves binary (1-bit) neural networks: cell topology and activation functions in one genome."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command(epilog=example("evolve"))
def evolve(
    what: Annotated[
        str | None,
        typer.Argument(
            callback=_known("source"),
            metavar="[PRESET | FILE.toml]",
            help=f"What to search. (default: {DEFAULT_PRESET})",
        ),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Data set; without a preset, the one of this name.")] = None,
    data_dir: DataDir = None,
    population: Annotated[int | None, typer.Option(help="Individuals of a generation.")] = None,
    generations: Generations = None,
    budget: Budget = None,
    jobs: Jobs = None,
    backend: Backend = None,
    device: Device = None,
    seed: Annotated[int | None, typer.Option(help="Root of all randomness.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run. (default: populations/PRESET-NUMBER)")] = None,
    seed_from: Annotated[
        list[str] | None,
        typer.Option(metavar="RUN", help="Start from a saved run; RUN:cells or RUN:expressions for half. Repeatable."),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change any setting of the preset. Repeatable."),
    ] = None,
    timeout: Timeout = None,
    recorded: Annotated[
        str | None,
        typer.Option("--table", metavar="TABLE", help="Look evaluations up in a table of recorded trainings."),
    ] = None,
    at_most: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=NUMBER", help="Bound ops, bits, … or error: bits=200k, ops=1.5M. Repeatable."),
    ] = None,
    patience: Patience = None,
    target: Target = None,
) -> None:
    """Start a new search and show its front."""
    from evobnn.cli.options import options as common

    shorthand = {"dataset.name": dataset, "strategy.population": population, "seed": seed}
    settings = [f"{path}={value}" for path, value in shorthand.items() if value is not None]
    options = common(
        generations=generations, budget=budget, jobs=jobs, backend=backend, device=device, data_dir=data_dir,
        timeout=timeout,
    )  # fmt: skip
    from evobnn.experiment.constraints import parse_bounds

    bounds = parse_bounds(at_most or [])
    from evobnn.cli import search
    from evobnn.runs import chosen

    experiment = chosen.experiment(what, dataset, [*settings, *(assignments or [])], recorded, bounds)
    search.evolve(experiment, options, out, seed_from or [], search.ends(experiment, patience, target or []))


@app.command(epilog=example("resume"))
def resume(
    run: RunArgument,
    generations: Generations = None,
    budget: Budget = None,
    jobs: Jobs = None,
    backend: Backend = None,
    device: Device = None,
    data_dir: DataDir = None,
    timeout: Timeout = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again what ended in an error in the unfinished generation.")
    ] = False,
    patience: Patience = None,
    target: Target = None,
) -> None:
    """Go on with a run: after a stop, a crash, or to a higher --generations. Options are those of its last start."""
    from evobnn.cli.options import options as common
    from evobnn.runs import named as runs

    folder = runs.find(run)
    options = common(
        runs.last_start(folder), generations=generations, budget=budget, jobs=jobs, backend=backend, device=device,
        data_dir=data_dir, timeout=timeout, retry_failed=retry_failed,
    )  # fmt: skip
    from evobnn.cli import search

    search.resume(folder, options, patience, target or [])


@app.command(epilog=example("front"))
def front(
    run: RunArgument,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV, floats in full.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As a list of objects.")] = False,
) -> None:
    """Show the front of a run: fresh scores beside those of the search."""
    from evobnn.runs import named as runs

    folder = runs.find(run)
    from evobnn.cli import fronts

    fronts.show(folder, as_csv=as_csv, as_json=as_json)


@app.command(epilog=example("show"))
def show(
    what: Subject,
    preset: Preset = DEFAULT_PRESET,
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one object.")] = False,
    picture: Annotated[Path | None, typer.Option(help="Also draw cells and expressions into this PNG file.")] = None,
) -> None:
    """Show one genome: its cells, its expressions with their surrogate gradients, what each layer costs."""
    from evobnn.cli import portrait
    from evobnn.runs import subject

    portrait.show(subject.find(what, preset, data_dir), as_json=as_json, picture=picture)


@app.command(epilog=example("summary"))
def summary(
    what: Subject,
    preset: Preset = DEFAULT_PRESET,
    cells: Annotated[int | None, typer.Option(help="Cells (blocks). (default: the run's or preset's)")] = None,
    channels: Annotated[int | None, typer.Option(help="Width of the first cells. (default: the same)")] = None,
    depth: Annotated[int | None, typer.Option(help="Fold layers by their paths; 2 gives one row per cell.")] = None,
    published: Annotated[
        bool, typer.Option("--published", help="Count also what the published code allocates or runs in vain.")
    ] = False,
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one object.")] = False,
) -> None:
    """Show what each layer of a network keeps and multiplies: weights by bit width, memory, MACs, totals."""
    from evobnn.cli import summary
    from evobnn.runs import subject

    found = subject.find(what, preset, data_dir)
    summary.show(found, cells=cells, channels=channels, depth=depth, published=published, as_json=as_json)


@app.command(epilog=example("evaluate"))
def evaluate(
    what: Subject,
    preset: Preset = DEFAULT_PRESET,
    repeat: Annotated[int, typer.Option(min=0, help="Which of the genome's evaluations; decides the seed.")] = 0,
    data_dir: DataDir = None,
    device: Device = None,
) -> None:
    """Train one genome in this process and compare with what is recorded; a failing network shows its traceback."""
    from evobnn.cli import evaluation
    from evobnn.runs import subject

    evaluation.show(subject.find(what, preset, data_dir), repeat, device)


@app.command(epilog=example("train"))
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
            callback=_known("source"),
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
            callback=_known("recipe"), metavar="NAME | FILE.toml", help="See 'evobnn recipes'. (default: brief)"
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
) -> None:
    """Train one network to its end, and read the test images once; goes on where it was stopped."""
    from evobnn.cli import train

    asked = train.Asked(
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
    train.train(what, asked, device, data_dir)


@app.command(epilog=example("predict"))
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
) -> None:
    """Tell the class of image files by a trained network, and that class's share of the softmax.

    Images are read as those of its data set: its grey values, its channels, its size.
    """
    from evobnn.cli import predict

    predict.show(folder, images, seed=seed, kernels=kernels, device=device, data_dir=data_dir, as_json=as_json)


TO = "c: model.h, model.c, check.c in C99; bits: packed tensors; onnx, qonnx, openvino: by extras. With commas."


@app.command(epilog=example("export"))
def export(
    folder: Annotated[
        str, typer.Argument(metavar="TRAINING[:SEED]", help="Training folder, or its name below populations/.")
    ],
    to: Annotated[str, typer.Option(help=TO)],
    out: Annotated[Path | None, typer.Option(help="A new folder. (default: the training's name and seed)")] = None,
    compiler: Annotated[str | None, typer.Option(help="Of C. (default: $CC, cc, gcc or clang)")] = None,
    data_dir: DataDir = None,
) -> None:
    """Write a trained network as real 1-bit code that needs no PyTorch.

    The files are run and compared with PyTorch before they get their name.
    """
    from evobnn.cli import export as command

    command.show(folder, to, out, compiler, data_dir)


@app.command(epilog=example("check"))
def check(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN | TRAINING | TABLE | STUDY",
            help="Folder of one, or its name below populations/; a table's name is enough.",
        ),
    ],
) -> None:
    """Verify everything in a folder that can be verified; exit code 1 where something is wrong.

    While a search writes a run, that is said, and what the search has finished is verified.
    """
    from evobnn.runs import named as runs

    if not runs.is_one(what) and runs.is_there(what):
        from evobnn.cli import checkedfolders

        if (found := checkedfolders.find(what)) is not None:
            raise typer.Exit(0 if checkedfolders.show(found) else 1)
    folder = runs.find(what)
    from evobnn.cli import checks

    if not checks.show(folder):
        raise typer.Exit(1)


@app.command(epilog=example("presets"))
def presets(
    name: Annotated[str | None, typer.Argument(help="Print all settings of this one as TOML.")] = None,
) -> None:
    """List the presets, or print one."""
    from evobnn.cli import named

    if name is None:
        named.list_presets()
    else:
        named.show_preset(name)


@app.command(epilog=example("recipes"))
def recipes(
    name: Annotated[str | None, typer.Argument(help="Print the file of this one.")] = None,
) -> None:
    """List the recipes of `evobnn train`, or print one."""
    from evobnn.cli import named

    if name is None:
        named.list_recipes()
    else:
        named.show_recipe(name)


@app.command(epilog=example("tabulate"))
def tabulate(
    name: Annotated[
        str | None,
        typer.Argument(callback=_known("table"), metavar="[TABLE]", help="Which table; without one, they are listed."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Its folder. (default: populations/tables/TABLE)")] = None,
    budget: Annotated[str | None, typer.Option(help="Stop after about this time: 90s, 10m, 2h.")] = None,
    jobs: Jobs = None,
    backend: Backend = None,
    device: Device = None,
    data_dir: DataDir = None,
) -> None:
    """Train every network of a small space with several seeds; goes on where it was stopped."""
    from evobnn.cli import named
    from evobnn.cli.options import options as common

    if name is None:
        named.list_tables()
        return
    options = common(
        generations=None, budget=budget, jobs=jobs, backend=backend, device=device, data_dir=data_dir, timeout=None
    )
    from evobnn.cli import tables

    tables.make(name, options, out)


@app.command(epilog=example("table"))
def table(
    name: Annotated[str, typer.Argument(metavar="TABLE", help="Its name, see 'evobnn tabulate', or a path.")],
    best: Annotated[int, typer.Option(min=1, help="How many of the best to show.")] = 15,
    baseline: Annotated[
        str | None, typer.Option(metavar="GENOME", help="With whom each is compared. (default: the sine of BiPer)")
    ] = None,
    other: Annotated[str | None, typer.Option("--with", metavar="TABLE", help="Also rank correlation with it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one object.")] = False,
) -> None:
    """Show the best of a table, which of them cannot be told apart from a baseline, and from each other.

    Nothing is compared where no rows were trained more often than the others.
    """
    from evobnn.cli import tables

    tables.show(name, best, baseline, other, as_json=as_json)


@app.command(epilog=example("compare"))
def compare(
    what: Annotated[
        str | None,
        typer.Argument(
            callback=_known("source"),
            metavar="[PRESET | FILE.toml]",
            help=f"What all arms share. (default: {DEFAULT_PRESET}, or what the table holds)",
        ),
    ] = None,
    recorded: Annotated[
        str | None,
        typer.Option("--table", metavar="TABLE", help="Look evaluations up in a table: milliseconds a search."),
    ] = None,
    space: Annotated[str | None, typer.Option(help="Space to search.")] = None,
    strategies: Annotated[
        str,
        typer.Option(
            metavar="A,B,…",
            help="Strategies, -halving behind one that is to halve; also gaaf-published, and gaaf-archive beside it.",
        ),
    ] = "",
    pressures: Annotated[
        str, typer.Option(metavar="A,B,…", help="Pressures: each strategy without any, and with each.")
    ] = "",
    arms: Annotated[
        str,
        typer.Option(metavar="A,B,…", help="joint, topology, expressions, topology-then-expressions, random."),
    ] = "",
    own: Annotated[
        list[str] | None,
        typer.Option(
            "--arm",
            metavar="'NAME SECTION.KEY=VALUE …'",
            help="An arm with settings of its own, budget=0.5 among them for half of it. Repeatable.",
        ),
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Paired searches of each arm. (default: 5; on a table 200)")] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="Of every search: trained epochs, '300 trainings' or '300 evaluations', which count alike however "
            "early they are stopped. (default: to the preset's horizon)"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder; goes on with what is there. (default: populations/compare-PRESET-NUMBER)"),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change any setting for all arms. Repeatable."),
    ] = None,
    jobs: Jobs = None,
    backend: Backend = None,
    device: Device = None,
    data_dir: DataDir = None,
) -> None:
    """Compare searches at equal cost, seed by seed; the first arm is the reference."""
    from evobnn.cli.options import options as common

    options = common(
        generations=None, budget=None, jobs=jobs, backend=backend, device=device, data_dir=data_dir, timeout=None
    )
    from evobnn.cli import compare

    asked = compare.Asked(
        what, recorded, space, strategies, pressures, arms, own or [], seeds, budget, assignments or []
    )
    compare.show(asked, options, out)


@app.command(epilog=example("fidelity"))
def fidelity(
    what: Annotated[
        str | None,
        typer.Argument(
            callback=_known("source"),
            metavar="[PRESET | FILE.toml]",
            help=f"Whose protocol to judge. (default: {DEFAULT_PRESET})",
        ),
    ] = None,
    heritable: Annotated[
        bool, typer.Option("--heritability", help="How much of the error's variance is the genome's.")
    ] = False,
    weights: Annotated[
        bool, typer.Option("--weights", help="Whether real or binary weights rank better what trains long.")
    ] = False,
    brief: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="Epochs of the brief trainings; 3x3 is 3 epochs, up to 3 times."),
    ] = None,
    widths: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Widths of the briefly trained networks. (default: its own)")
    ] = None,
    genomes: Annotated[
        int | None, typer.Option(help="Random genomes. (default: 60; 30 of each sample with the other questions)")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Long trainings of each genome. (default: 2; with the other questions 3)")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Of the long training. (default: 4 times the preset's; 12 with --weights)")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for report and trainings; goes on with what is there.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Data set; without a preset, the one of this name.")] = None,
    data_dir: DataDir = None,
    jobs: Jobs = None,
    backend: Backend = None,
    device: Device = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change any setting of the preset. Repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As an object, or a list of them.")] = False,
) -> None:
    """Judge a protocol: do brief trainings rank genomes as long ones do? Or another question."""
    from evobnn.cli.options import options as common

    options = common(
        generations=None, budget=None, jobs=jobs, backend=backend, device=device, data_dir=data_dir, timeout=None
    )
    from evobnn.cli import studies

    studies.show(
        what, dataset, assignments or [], options, studies.Brief(brief, widths, out), heritable=heritable,
        weights=weights, genomes=genomes, seeds=seeds, epochs=epochs, as_json=as_json,
    )  # fmt: skip


@app.command(epilog=example("doctor"))
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="As one object.")] = False,
) -> None:
    """Show what this machine has, and which precision, kernels and number of jobs evobnn chooses on it and why."""
    from evobnn.cli import doctor

    doctor.show(as_json=as_json)
