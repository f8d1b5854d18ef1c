"""A search in one call, and going on with it: what `evobnn.search` and `evobnn.resume` are.

run = evobnn.search("mnist5k", generations=3, seed=1, jobs=2)
run.front()
run = evobnn.resume(run, generations=10)
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evobnn import analysis
from evobnn.data.arrays import Arrays
from evobnn.data.dataset import DatasetSpec
from evobnn.errors import RunError, message
from evobnn.evaluation import Additions, EvaluationFunction, Objective
from evobnn.evolution import STRATEGIES, Strategy
from evobnn.experiment import Experiment, to_text
from evobnn.experiment.needs import settings_with
from evobnn.experiment.presets import DEFAULT_PRESET, laid_over
from evobnn.experiment.settings import EvaluationSettings
from evobnn.experiment.text import from_table
from evobnn.runs.callbacks import Callback
from evobnn.runs.latency import read_times
from evobnn.runs.named import ROOT, last_start, settings_of
from evobnn.runs.progress import Progress
from evobnn.runs.run import Run, load_run
from evobnn.runs.search import Session
from evobnn.runs.setup import Options, create, make_bench, open_experiment, settled
from evobnn.snapshot import Generation
from evobnn.spaces import Space

Stop = Callable[[Sequence[Generation]], bool]


def search(
    what: str | Experiment | Space = DEFAULT_PRESET,
    evaluate: Callable[..., Any] | EvaluationFunction | None = None,
    *,
    generations: int | None = None,
    seed: int | None = None,
    objectives: Sequence[str | Objective] | None = None,
    constraints: Mapping[str, float] = {},
    strategy: str | Strategy | None = None,
    name: str = "",
    version: str = "1",
    dataset: str | DatasetSpec | Arrays | None = None,
    settings: Mapping[str, Any] = {},
    out: str | Path | None = None,
    jobs: int = 0,
    device: str = "cpu",
    data_dir: str | Path | None = None,
    budget: float | None = None,
    additions: Additions | None = None,
    stop: Stop = lambda generations: False,
    callbacks: Sequence[Callback] = (),
    report: Callable[[Progress], None] = lambda progress: None,
) -> Run:
    """Search, and return the run as its folder holds it.

    Called again with the same experiment it goes on with the run that is there, or returns it if it is finished. It
    needs no `if __name__ == "__main__"`.

    Arguments:
        what: a preset, a TOML file, an `Experiment`, or a `Space` to be searched with the default preset's settings.
        evaluate: what evaluates genomes in place of a training: `evaluate(genome)` or `evaluate(genome, seed)`, which
            returns a mapping from objective to number. See `EvaluationFunction`. Of the objectives, those that are
            counted (such as ops and bits) may be left to evobnn.
        generations: the total to reach; generation 0 is the start population. None for the experiment's horizon.
        seed: root of all randomness; None for the experiment's.
        objectives: names, or objectives of your own, all minimised; None for the experiment's.
        constraints: bound by name, such as {"bits": 200_000}; see `Experiment`.
        strategy: a name, or one of your own with its settings; None for the experiment's.
        name: of `evaluate` in the run; its own if it is left out.
        version: of `evaluate`; another wherever it begins to return something else.
        dataset: a name, the data set of `Arrays`, or these themselves, as large as they are.
        settings: others by path, such as {"recipe.epochs": 3, "network.width": 8}.
        out: folder of the run; None for `populations/NAME-SEED`, which is printed.
        jobs: worker processes; 0 for as many as this machine feeds.
        device: torch device of the trainings.
        data_dir: folder with the published files of the data set.
        budget: seconds after which to stop at a generation's end.
        additions: operations, forms and whatever else is your own, see `Additions`.
        stop: asked before every further generation, with all that are committed, whether the search is to end.
        callbacks: told of every generation and result, and may end the search; see `Callback`.
        report: called with a `Progress` after every result.

    Raises:
        EvobnnError: a name, setting, file or device that is not right, or a folder that holds another run.

    >>> def device(genome):
    ...     length = len(str(genome))
    ...     return {"error": 1 / length, "mJ": float(length)}
    >>> named = {"objectives": ("error", "mJ"), "out": "runs/search"}
    >>> run = evobnn.search("digits", device, generations=1, jobs=1, **named)
    >>> len(run.generations)
    2
    """
    own = _own(what, evaluate, name, version, objectives, strategy, additions or Additions())
    chosen = {**settings_with(own), **_named(what, objectives, strategy), **settings, **_bounded(constraints)}
    experiment = _experiment(DEFAULT_PRESET if isinstance(what, Space) else what, seed, dataset, chosen)
    options = Options(
        jobs=jobs,
        device=device,
        data_dir=None if data_dir is None else Path(data_dir),
        generations=generations,
        budget=budget,
        additions=own,
    )
    folder = ROOT / f"{experiment.preset}-{experiment.seed}" if out is None else Path(out)
    if (folder / "experiment.toml").is_file():
        there = open_experiment(folder)
        if there != experiment and there != settled(experiment, make_bench(experiment, options, read_times(folder))):
            do = "Name another folder with out=, or another seed; evobnn.resume goes on with what is there."
            raise RunError(message(f"a folder for this search in {folder}", "the run of another experiment", do))
    else:
        create(experiment, options, ROOT, folder)
    if out is None:
        print(f"run {folder}")
    Session(folder, options, report, stop=stop, callbacks=callbacks).proceed()
    return load_run(folder)


def resume(
    run: str | Path | analysis.Run,
    *,
    generations: int | None = None,
    jobs: int = 0,
    budget: float | None = None,
    evaluate: Callable[..., Any] | EvaluationFunction | None = None,
    additions: Additions | None = None,
    stop: Stop = lambda generations: False,
    callbacks: Sequence[Callback] = (),
    report: Callable[[Progress], None] = lambda progress: None,
) -> Run:
    """Go on with a run, on the device and data of its last start, and return it; arguments as those of `search`. What
    is your own is brought along again; a plain function is taken for the one that the run names.

    Raises:
        EvobnnError: no such run, or one of other data, versions or additions.

    >>> def device(genome):
    ...     length = len(str(genome))
    ...     return {"error": 1 / length, "mJ": float(length)}
    >>> named = {"objectives": ("error", "mJ"), "out": "runs/resume"}
    >>> run = evobnn.search("digits", device, generations=0, jobs=1, **named)
    >>> run = evobnn.resume(run, generations=1, jobs=1, evaluate=device)
    >>> len(run.generations)
    2
    """
    folder = run.path if isinstance(run, analysis.Run) else Path(run)
    before = last_start(folder)
    there = before.get("data_dir")
    own = additions or Additions()
    if evaluate is not None:
        own += Additions(evaluation=_function(evaluate, open_experiment(folder).evaluation))
    options = Options(
        jobs=jobs,
        device=str(before.get("device", "cpu")),
        data_dir=Path(there) if there else None,
        generations=generations,
        budget=budget,
        additions=own,
        brought=tuple(before.get("with", ())),
    )
    Session(folder, options, report, stop=stop, callbacks=callbacks).proceed()
    return load_run(folder)


def _own(
    what: str | Experiment | Space,
    evaluate: Callable[..., Any] | EvaluationFunction | None,
    name: str,
    version: str,
    objectives: Sequence[str | Objective] | None,
    strategy: str | Strategy | None,
    additions: Additions,
) -> Additions:
    """Return the additions with what else was handed over as a value."""
    if evaluate is not None and not isinstance(evaluate, EvaluationFunction):
        evaluate = EvaluationFunction(evaluate, name, version)
    measured = {one.name: one for one in objectives or () if isinstance(one, Objective)}
    known = isinstance(strategy, Strategy) and type(strategy) not in STRATEGIES.values()
    return additions + Additions(
        objectives=measured,
        strategies={_name_of(strategy): type(strategy)} if known and isinstance(strategy, Strategy) else {},
        spaces={what.name: what} if isinstance(what, Space) else {},
        evaluation=evaluate,
    )


def _named(
    what: str | Experiment | Space,
    objectives: Sequence[str | Objective] | None,
    strategy: str | Strategy | None,
) -> dict[str, Any]:
    """Return as settings by path what was handed over by name or value."""
    found: dict[str, Any] = {}
    if isinstance(what, Space):
        found |= {"space.name": what.name}
    if objectives is not None:
        found["objectives"] = [one.name if isinstance(one, Objective) else one for one in objectives]
    if isinstance(strategy, Strategy):
        found["strategy"] = {"name": _name_of(strategy), **dataclasses.asdict(strategy)}
    elif strategy is not None:
        found["strategy.name"] = strategy
    return found


def _name_of(strategy: Strategy) -> str:
    """Return the name of a built-in strategy, or that of the class of another."""
    names = [name for name, kind in STRATEGIES.items() if type(strategy) is kind]
    return names[0] if names else type(strategy).__name__.lower()


def _function(evaluate: Callable[..., Any] | EvaluationFunction, named: EvaluationSettings) -> EvaluationFunction:
    """Return an evaluation function; a plain one goes by the name and version that a run has."""
    if isinstance(evaluate, EvaluationFunction):
        return evaluate
    return EvaluationFunction(evaluate, named.name, named.version or "1")


def _bounded(constraints: Mapping[str, float]) -> dict[str, float]:
    """Return constraints as settings by path."""
    return {f"constraints.{name}": bound for name, bound in constraints.items()}


def _experiment(
    what: str | Experiment,
    seed: int | None,
    dataset: str | DatasetSpec | Arrays | None,
    settings: Mapping[str, Any],
) -> Experiment:
    """Return the experiment that is meant; the data set comes first, for what `auto` stands for depends on it."""
    own: dict[str, Any] = {}
    if isinstance(dataset, Arrays):
        dataset = dataset.dataset()
    if isinstance(dataset, DatasetSpec):
        own["dataset"] = {name: value for name, value in dataclasses.asdict(dataset).items() if value != ""}
    elif dataset is not None:
        own["dataset.name"] = dataset
    own |= settings
    if seed is not None:
        own["seed"] = seed
    if not isinstance(what, Experiment):
        return from_table(laid_over(settings_of(what), own), what)
    return from_table(laid_over(tomllib.loads(to_text(what)), own), what.preset) if own else what


__all__ = ["resume", "search"]
