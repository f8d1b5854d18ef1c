"""From an experiment to what runs it: options of this process, the bench, the search, the folder."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from evobnn._checks import check_at_least
from evobnn.analysis import Axis, hypervolume, nondominated
from evobnn.data import DatasetSpec, PreparedData, prepare
from evobnn.data.sources import SOURCES
from evobnn.errors import ExperimentError, RunError, message
from evobnn.evaluation import (
    LATENCY,
    SCORES,
    Additions,
    Bench,
    LayerTimes,
    Protocol,
    check_device,
    check_jobs_fit,
)
from evobnn.evaluation.additive import Counts
from evobnn.evaluation.room import room_for
from evobnn.evolution import Search
from evobnn.evolution.constraints import Constraints
from evobnn.evolution.halving import check_halving
from evobnn.evolution.learnt import ERROR
from evobnn.evolution.naming import Naming
from evobnn.experiment.augmented import augmented
from evobnn.experiment.needs import check_function, check_needs, check_strategy
from evobnn.experiment.settings import Experiment
from evobnn.experiment.sides import check_sides
from evobnn.experiment.text import load, to_text
from evobnn.genome import Genome
from evobnn.machine.workers import Workers
from evobnn.nn.fast import compiling
from evobnn.runs.latency import checked_timer, measured, wants_times, with_times, write_times
from evobnn.runs.on_table import (
    check_noise,
    counts_in,
    infeasible_in,
    least_in,
    load_table,
    table_bench,
    told_by,
)
from evobnn.snapshot import new_folder, write_text
from evobnn.supernet.build import check_room


@dataclass(frozen=True)
class Options:
    """How this process works; nothing here decides a result but where it says so.

    Attributes:
        jobs: worker processes; 0 for as many as this machine can feed.
        backend: of joblib: `loky`, or `dask` or `ray` on a cluster.
        device: torch device of the trainings.
        data_dir: folder with the published files of the data set.
        generations: total to reach; None for the experiment's horizon.
        budget: seconds after which to stop at a generation's end; None for no such limit.
        timeout: seconds after which one training is given up (status `timeout`); 0 for never. A run that met it is not
            repeatable.
        retry_failed: evaluate again what ended in `error` or `timeout` in the unfinished generation.
        additions: what the user brings along. It decides results, but a text file cannot hold it: it is brought along
            again whenever the run is opened.
        brought: where the additions come from, as `module:object`, for people who open the run later.

    >>> evobnn.Options(jobs=2, generations=20).backend
    'loky'
    """

    jobs: int = 0
    backend: str = "loky"
    device: str = "cpu"
    data_dir: Path | None = None
    generations: int | None = None
    budget: float | None = None
    timeout: float = 0.0
    retry_failed: bool = False
    additions: Additions = field(default_factory=Additions)
    brought: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_at_least("jobs", self.jobs, 0)
        if self.generations is not None:
            check_at_least("generations", self.generations, 0)
        for name in ("budget", "timeout"):
            value = getattr(self, name)
            if value is not None and (not math.isfinite(value) or value < 0):
                raise ExperimentError(message(f"{name} in seconds, 0 or more", repr(value), "Write for example 10m."))


def wants_loops(experiment: Experiment, options: Options) -> bool:
    """Tell whether trainings run loops that are compiled when they are first used; see `evobnn.nn.fast.compiling`."""
    trains = not (experiment.table or experiment.evaluation.name)
    return trains and experiment.recipe.kernels == "fused" and options.device == "cpu"


def make_bench(experiment: Experiment, options: Options, times: LayerTimes | None = None) -> Bench:
    """Return where evaluations of the experiment happen: data prepared, space built, everything checked.

    Where networks are measured by `latency`, the layers of all of them are timed here, unless `times` are given.

    Raises:
        EvobnnError: a device, file or setting that is not right, before anything is trained or written.
    """
    check_needs(experiment, options.additions, options.brought)
    timer = checked_timer(options.additions.timer) if times is None and wants_times(experiment) else None
    if experiment.table:
        table = load_table(experiment.table)
        check_noise(experiment, table, options.additions.strategies)
        return table_bench(experiment, table)
    check_device(options.device)
    if experiment.evaluation.name and options.timeout:
        do = "Leave --timeout out; a function can watch the clock itself."
        raise ExperimentError(message("no timeout with an evaluation function", f"{options.timeout:g} s", do))
    bench = assembled(experiment, images_of(experiment, options.data_dir), options, times)
    if not experiment.evaluation.name:
        check_jobs_fit(bench.protocol, bench.prepared)
    return bench if timer is None else with_times(bench, timer, measured(bench, timer))


def search_bench(experiment: Experiment, options: Options) -> Bench:
    """Return the bench of a search that begins, see `make_bench`; its images must leave it operations to choose from.

    Raises:
        EvobnnError: as `make_bench`, or images too small for any operation.
    """
    bench = make_bench(experiment, options)
    check_sides(bench.space, experiment.network, bench.prepared.shape)
    return bench


def check_trained(experiment: Experiment) -> None:
    """Raise ExperimentError where scores are inherited, for studies that ask about trainings, or count them."""
    if experiment.score != SCORES[0]:
        raise ExperimentError(message("score = trained in a study", f"score = {experiment.score}", "Leave it out."))


def assembled(
    experiment: Experiment, prepared: PreparedData, options: Options, times: LayerTimes | None = None
) -> Bench:
    """Return the bench of an experiment on these images: protocol, in which no augmentation is `auto`, and space;
    `make_bench` also checks that recipe and images go together, and measures layers where no `times` are given.
    """
    check_needs(experiment, options.additions, options.brought)
    additions, size = options.additions, min(prepared.shape[1:])
    recipe = augmented(experiment.recipe, prepared.name, size)
    protocol = Protocol(
        experiment.dataset,
        experiment.network,
        recipe,
        experiment.max_macs,
        prepared.fingerprint,
        additions.of_trainings,
        evaluation=experiment.evaluation.said,
        score=experiment.score,
        shared=experiment.shared,
    )
    space = experiment.space.build(
        experiment.network, size, additions.operation_specs, additions.form_specs, additions.spaces
    )
    bench = Bench(space, protocol, prepared, experiment.objectives, options.device, options.timeout)
    return with_times(bench, additions.timer, times)


def images_of(experiment: Experiment, data_dir: Path | None) -> PreparedData:
    """Return the images of an experiment, prepared; no more than their shape where a function evaluates, if the data
    set tells it.
    """
    told = told_images(experiment.dataset) if experiment.evaluation.name else None
    return told or prepare(experiment.dataset, data_dir)


def told_images(spec: DatasetSpec) -> PreparedData | None:
    """Return images that a data set has by its name alone, for what needs their shape and not them; None where only
    they can tell.
    """
    source = SOURCES.get(spec.name)
    if source is None or source.shape is None:
        return None
    channels, *sides = source.shape
    height, width = (spec.size or side for side in sides)
    return PreparedData("", "", spec.name, (channels, height, width), source.classes, 0, 0)


def with_recipe(experiment: Experiment, bench: Bench) -> Experiment:
    """Return the experiment with the recipe that its bench trains with: with what `auto` stands for on these images."""
    return replace(experiment, recipe=bench.protocol.recipe)


def settled(experiment: Experiment, bench: Bench) -> Experiment:
    """Return the experiment of a run: with what every `auto` stands for."""
    screen, choose = "model" if experiment.screens else "none", "model" if experiment.chooses else "score"
    return replace(with_recipe(experiment, bench), screen=screen, choose=choose)


def jobs_for(bench: Bench, options: Options) -> int:
    """Return how many workers to start: as many as were asked for, or as there is room for."""
    return options.jobs or room_for(bench).jobs


def make_search(experiment: Experiment, bench: Bench, own: Mapping[str, Any] = {}) -> Search:
    """Return the search of an experiment before its first generation: given genomes first, then the anchors; `own`
    holds strategies by name beside the built-in ones.
    """
    bounds = bench.axes()
    axes = tuple(Axis(name, *bound) for name, bound in bounds.items())

    def indicators(points: Sequence[tuple[float, ...]]) -> dict[str, float]:
        front: dict[str, float] = {"front": int(nondominated(points).sum()) if points else 0}
        return {**front, "hypervolume": hypervolume(points, axes) if points else 0.0} if axes else front

    counted, counts = counts_of(experiment, bench)
    start = experiment.start
    starters = [bench.space.parse(text) for text in start.genomes]
    return Search(
        bench.space,
        experiment.make_strategy(own),
        experiment.objectives,
        experiment.seed,
        repeats=experiment.repeats,
        feasible=infeasible_by(experiment, bench),
        indicators=indicators,
        starters=[*starters, *(bench.anchors() if start.anchors else ())],
        pressures=experiment.make_pressures(),
        bounds=bounds,
        horizon=experiment.horizon,
        halving=experiment.halving,
        branch=experiment.recipe.decay,
        constraints=constraints_of(experiment, bench),
        counted=counted,
        counts=counts,
        naming=naming_of(experiment, bench),
    )


def counts_of(experiment: Experiment, bench: Bench) -> tuple[tuple[str, ...], Callable[[Genome], Mapping[str, float]]]:
    """Return the objectives that are known before an evaluation, and what counts them; a user's function may say
    otherwise, and a latency takes too long for thousands of genomes.
    """
    if experiment.evaluation.name:
        return (), lambda genome: {}
    names = tuple(name for name in bench.counted if name != LATENCY)
    if experiment.table:
        table = load_table(experiment.table)
        names = tuple(name for name in names if name in told_by(table))
        return names, counts_in(table, bench, names)
    return names, Counts(bench, names)


def infeasible_by(experiment: Experiment, bench: Bench) -> Callable[[Genome], str]:
    """Return why a genome would not be trained, bounds apart: as the bench finds it, or as the table knows it; then, if
    the experiment refuses these, a sign that is constant before training.
    """
    known = infeasible_in(load_table(experiment.table), bench) if experiment.table else bench.infeasible
    if experiment.refuse == "constant":
        return known
    return lambda genome: known(genome) or bench.starts_constant(genome)


def constraints_of(experiment: Experiment, bench: Bench) -> Constraints:
    """Return the bounds of an experiment, with what counts a genome: its bench, or its table."""
    names = tuple(experiment.counted_bounds)
    if not names:
        return Constraints(experiment.constraints)
    return Constraints(experiment.constraints, _counting(experiment, bench, names), bench.cheapest(names))


def naming_of(experiment: Experiment, bench: Bench) -> Naming | None:
    """Return by what model an experiment names, or None where it names by scores."""
    if not experiment.chooses:
        return None
    others = tuple(name for name in experiment.objectives if name != ERROR)
    return Naming(experiment.objectives, _counting(experiment, bench, others))


def _counting(experiment: Experiment, bench: Bench, names: tuple[str, ...]) -> Callable[[Genome], Mapping[str, float]]:
    """Return what counts a genome, by these names: the bench, or the experiment's table."""
    if experiment.table:
        return counts_in(load_table(experiment.table), bench, names)
    return partial(bench.counts, names=names)


def check_bounds(experiment: Experiment, bench: Bench, own: Mapping[str, Any] = {}) -> None:
    """Raise EvobnnError for bounds that nothing of the space meets, or nothing that a search would come upon: below the
    cheapest network, or met by no anchor and none of thousands of random genomes.
    """
    constraints_of(experiment, bench)  # names that a table lacks
    for name, bound in experiment.counted_bounds.items():
        if experiment.table:
            table = load_table(experiment.table)
            least, where = least_in(table, name), f"the table {table.name}"
        else:
            least = min(bench.counts(genome, [name])[name] for genome in bench.cheapest([name]))
            where = f"the space {bench.space.name}"
        if least > bound:
            expected = f"a bound on {name} of at least {least:,.10g}, the least in {where}"
            raise ExperimentError(message(expected, f"{bound:,.10g}", "Allow as much, or take smaller networks."))
    if experiment.counted_bounds:
        make_search(experiment, bench, own).ask()


def create(experiment: Experiment, options: Options, root: Path, out: Path | None = None) -> Path:
    """Make the folder of a new run and write its experiment; everything that can be wrong is found before.

    Raises:
        EvobnnError: as `search_bench`, or a folder that exists or cannot be written.

    >>> from pathlib import Path
    >>> folder = evobnn.create(evobnn.preset("digits"), evobnn.Options(jobs=1), Path("runs"))
    >>> [path.name for path in folder.iterdir()]
    ['experiment.toml']
    """
    if wants_loops(experiment, options):
        compiling.begin()  # while data are prepared
    check_strategy(experiment, options.additions, options.brought)
    check_function(experiment, options.additions, options.brought)
    bench = search_bench(experiment, options)
    for text in experiment.start.genomes:
        bench.space.check(bench.space.parse(text))
    own = options.additions.strategies
    strategy = experiment.make_strategy(own)
    strategy.check(bench.space, experiment.objectives)
    if experiment.halving:
        check_halving(strategy)
    for pressure in experiment.make_pressures().values():
        pressure.check(bench.space, experiment.objectives, strategy.batch)
    check_bounds(experiment, bench, own)
    if bench.protocol.inherits:
        check_room(bench, bench.protocol.shared.expressions)
    if options.additions.evaluation is not None and options.jobs != 1:
        options.additions.evaluation.pickled()
    Workers(max(1, options.jobs), options.backend).close()
    folder = new_folder(root, experiment.preset, out)
    write_times(folder, bench)
    write_text(folder / "experiment.toml", to_text(settled(experiment, bench)))
    return folder


def open_experiment(folder: Path) -> Experiment:
    """Return the experiment of a run folder; raise RunError where the folder is none."""
    path = folder / "experiment.toml"
    if not path.is_file():
        raise RunError(message(f"a run folder with {path.name}", f"{folder}", "Name a folder below populations/."))
    return load(path)
