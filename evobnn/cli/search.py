"""`evobnn evolve` and `evobnn resume`: from arguments to an experiment, from there to a session, and its front."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import typer

from evobnn._checks import check_at_least, check_name
from evobnn.analysis.frames import run_of
from evobnn.cli import augmented, fronts
from evobnn.cli.console import note
from evobnn.cli.loops import compile_first
from evobnn.cli.progress import ProgressLine
from evobnn.cli.words import STOPPED, counted, first_names
from evobnn.data.sources import SOURCES
from evobnn.errors import EvobnnError, closest, message
from evobnn.experiment import Experiment
from evobnn.experiment.constraints import parse_bounds
from evobnn.genome import Genome
from evobnn.pareto import told
from evobnn.runs import Options, Session, create, starters
from evobnn.runs import named as runs
from evobnn.runs.callbacks import HYPERVOLUME, Callback, StopAt, StopAtPlateau
from evobnn.runs.reseed import PARTS, PUBLISHED, check_published, split
from evobnn.runs.setup import constraints_of, infeasible_by, open_experiment, search_bench, wants_loops
from evobnn.snapshot import generation_path, read_generations

FEW = 10000
"""Images up to which the last line of a search takes the recipe `small`, and above it `standard`."""


def ends(experiment: Experiment, patience: int | None, targets: Sequence[str]) -> list[Callback]:
    """Return what `--patience` and `--target` say of when to stop; raise EvobnnError where that makes no sense."""
    found: list[Callback] = []
    if patience is not None:
        found.append(StopAtPlateau(check_at_least("--patience", patience, 1)))
    wanted = parse_bounds(targets, "--target", "Write for example hypervolume=0.8 or error=0.1.")
    for name in wanted:
        check_name("target", name, [HYPERVOLUME, *experiment.objectives])
    return [*found, StopAt(**wanted)] if wanted else found


def evolve(
    experiment: Experiment,
    options: Options,
    out: Path | None,
    seed_from: Sequence[str],
    callbacks: Sequence[Callback] = (),
) -> None:
    """Make the folder of a new run, search, and show the front."""
    if seed_from:
        experiment = _started(experiment, options, [_source(text) for text in seed_from])
    folder = create(experiment, options, runs.ROOT, out)
    _proceed(Session(folder, options, callbacks=callbacks))


def resume(folder: Path, options: Options, patience: int | None = None, targets: Sequence[str] = ()) -> None:
    """Go on with a run and show the front."""
    callbacks = ends(open_experiment(folder), patience, targets)
    if options.generations is None:
        options = dataclasses.replace(options, generations=_unfinished(folder))
    _proceed(Session(folder, options, callbacks=callbacks))


def _unfinished(folder: Path) -> int | None:
    """Return the total that the last start was to reach if it did not, so that a stopped run ends where it was to."""
    total = runs.last_start(folder).get("generations")
    if not isinstance(total, int):
        return None
    if not generation_path(folder, total).is_file():  # what is damaged before it makes the run no longer
        return total
    return total if len(read_generations(folder)[0]) - 1 < total else None


def _started(experiment: Experiment, options: Options, sources: Sequence[str]) -> Experiment:
    bench, count = search_bench(experiment, options), experiment.make_strategy(options.additions.strategies).first
    infeasible, constraints = infeasible_by(experiment, bench), constraints_of(experiment, bench)

    def refused(genome: Genome) -> str:
        return infeasible(genome) or constraints.refused(genome)

    genomes = starters(bench.space, sources, count, experiment.seed, note, refused)
    return dataclasses.replace(experiment, start=dataclasses.replace(experiment.start, genomes=genomes))


def _source(text: str) -> str:
    """Return a source of `starters` with the run's folder found, or the name of a published population looked up; each
    as a whole, or with `:cells` or `:expressions` behind it.
    """
    origin, part = split(text)
    first, _, name = origin.partition(":")
    if first == PUBLISHED:
        check_published(name)
        return text
    if part:
        return f"{runs.find(origin, relaxed=True)}:{part}"
    head, colon, tail = text.rpartition(":")
    if not colon or runs.is_run(Path(text)):
        return str(runs.find(text, relaxed=True))
    near = closest(tail, PARTS)
    if closest(head, [PUBLISHED]):
        near, head = tail, PUBLISHED
    do = f"Did you mean '{head}:{near}'?" if near else "Leave the part out for whole genomes."
    raise EvobnnError(message(f"RUN, {' or '.join(f'RUN:{name}' for name in PARTS)}", f"'{text}'", do))


def _proceed(session: Session) -> None:
    folder = session.folder
    _print_start(session)
    try:
        compile_first(wants_loops(session.experiment, session.options))
        with ProgressLine() as line:
            session.report, session.say = line.report, line.say
            session.proceed()
    except KeyboardInterrupt as stop:
        reached = f"generation {len(session.generations) - 1}" if session.generations else "no whole generation"
        again = f"evobnn resume {folder}{_again(session)}"
        note(f"stopped after {reached}; everything that had finished is saved. Go on with:\n  {again}")
        raise typer.Exit(STOPPED) from stop
    number = len(session.generations) - 1
    if number > session.total:
        note(f"the run has reached generation {number} already; --generations is the total to reach.")
    print()
    run = fronts.show(folder, run=run_of(folder, session.generations))
    _print_end(session, number, fronts.winner(run))


def _modelled(settings: Experiment) -> str:
    """Return what a model of scores does in a search, as the end of a line."""
    does = [word for word, on in (("screens", settings.screens), ("names", settings.chooses)) if on]
    return f"; a model {' and '.join(does)}" if does else ""


def _print_start(session: Session) -> None:
    """Print what is about to happen, in five or six lines, and why so many jobs where nobody said how many."""
    settings, prepared, options = session.experiment, session.bench.prepared, session.options
    network, recipe, batch = (
        settings.network,
        settings.recipe,
        settings.make_strategy(options.additions.strategies).batch,
    )
    shape = "x".join(map(str, prepared.shape))
    what = "block" if network.macro == "resnet" else "cell"
    stack = f"{counted(network.cells, what)} of width {network.width}, {counted(network.reductions, 'reduction')}"
    print(f"run    {session.folder}, seed {settings.seed}")
    images = f"{prepared.train_count:,} images to train, {prepared.validation_count:,} to validate"
    trains = not settings.evaluation.name
    print(f"data   {prepared.name}, {shape}, {prepared.classes} classes{f': {images}' if trains else ''}")
    if names := first_names(prepared.class_names):
        print(f"       classes {names}")
    print(f"space  {session.bench.space.name}; {stack}, skip {network.skip}, padding {network.padding}")
    print(
        f"search {settings.strategy['name']}, {batch} a generation, to generation {session.total}"
        + _modelled(settings)
        + f"; scored by a shared network of {counted(settings.shared.epochs, 'epoch')}"
        * session.bench.protocol.inherits
        + (f"; {counted(recipe.epochs, 'epoch')} a training{augmented.behind([recipe.augmentation])}" * trains)
    )
    if settings.constraints:
        print(f"bounds at most {told(settings.constraints)}")
    if (latency := session.bench.latency) is not None:
        print(f"times  {counted(len(latency.times.milliseconds), 'layer')} on {latency.times.processor}")
    work = f"{counted(session.evaluator.jobs, 'job')} ({options.backend}) on {options.device}"
    if settings.table:
        work = f"none: looked up in {settings.table}"
    elif settings.evaluation.name:
        work += f", by the function {settings.evaluation.said}"
    else:
        work += f", {recipe.precision}"
    print(f"work   {work}", flush=True)
    if session.evaluator.room is not None and not settings.table:
        print(
            f"jobs   {session.evaluator.jobs}: {session.evaluator.alone or session.evaluator.room.reason}", flush=True
        )


def _again(session: Session) -> str:
    """Return the options by which what is the user's own is brought along once more."""
    return "".join(f" --with {one}" for one in session.options.brought)


def _print_end(session: Session, number: int, winner: int | None) -> None:
    """Print what the workers held, where the files are and what to try next; last how its winner is trained."""
    folder, most = session.folder, session.evaluator.peak_memory
    print()
    if most:
        held = f"at most {most / 2**20:.0f} MiB" + (" each" if session.evaluator.jobs > 1 else "")
        print(f"memory {counted(session.evaluator.jobs, 'worker')}, {held}")
    print(f"files  {folder}/: front.csv, front.png, log.jsonl, one generation-*.jsonl each")
    brought = _again(session)
    commands = {
        f"evobnn show {folder}:ID": "one of them, cells and costs",
        f"evobnn resume {folder} --generations {number + 10}{brought}": "go on",
        f"evobnn evolve --seed-from {folder}": "start another search from it",
    }
    width = max(map(len, commands))
    for place, (command, purpose) in enumerate(commands.items()):
        print(f"{'' if place else 'next':<6} {command:<{width}}  {purpose}")
    if winner is not None and not (session.experiment.table or session.experiment.evaluation.name):
        print(f"best   {_training(session, winner)}")


def _training(session: Session, winner: int) -> str:
    """Return the command that trains a member on the whole data set, at the size at which it was searched."""
    spec, prepared = session.experiment.dataset, session.bench.prepared
    count, whole = prepared.train_count + prepared.validation_count, ""
    if spec.train_limit or spec.validation_limit:
        whole = f" --dataset {spec.name}" + (f" --size {spec.size}" if spec.size else "")
        count = SOURCES[spec.name].count or count
    recipe = "small" if count <= FEW else "standard"
    return f"evobnn train {session.folder}:{winner}{whole} --all-images --recipe {recipe}"
