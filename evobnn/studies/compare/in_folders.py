"""Searches that train: an arm and a seed is a run folder, or one for each search of its phases, which resumes like any
other. Its front is re-scored on fresh seeds, and only those scores are quoted; they are not counted in the budget. Nor
is what a later phase trains once more, with the same seed and so the same outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from evobnn.errors import RunError, message
from evobnn.evaluation import Bench
from evobnn.experiment import to_text
from evobnn.experiment.settings import Experiment
from evobnn.pareto import Axis
from evobnn.runs import Progress, Session, create
from evobnn.runs.believed import believing
from evobnn.runs.setup import Options, make_bench
from evobnn.snapshot import Generation, latest_rescored, read_generations, read_rescored, rescored_path
from evobnn.studies.compare.account import EPOCHS, Account, Prices, Trace, prices_of
from evobnn.studies.compare.arms import Arm, assigned
from evobnn.studies.compare.phases import run_phases, shared_start


def arm_in_folder(
    experiment: Experiment,
    arm: Arm,
    seed: int,
    budget: int,
    folder: Path,
    options: Options,
    report: Callable[[Progress], None] = lambda progress: None,
    *,
    unit: str = EPOCHS,
    start_afresh: bool = False,
) -> Trace:
    """Run an arm with a seed, or go on with it, and return the account.

    Arguments:
        experiment: the base of all arms.
        arm: what to run.
        seed: root of all randomness.
        budget: of the search, in the unit; never exceeded.
        folder: of the run; where the arm has phases, that of their runs.
        options: how this process works.
        report: called with a session's progress.
        unit: of the budget, see `evobnn.studies.compare.account.Prices`.
        start_afresh: also score the front of generation 0 on fresh seeds.

    Raises:
        RunError: the folder holds another run.
        SearchError: nothing of the first generation ended well, or the strategy cannot honour the experiment.
    """
    base = replace(experiment, seed=seed)

    def bench(searched: Experiment) -> Bench:
        return make_bench(searched, options)

    whole, chosen, own = bench(base), assigned(base, arm), options.additions.strategies
    believe = believing(chosen, whole.space)
    account = Account(
        base.objectives, _axes(whole), prices_of(chosen, unit), constraints=base.constraints, believe=believe
    )
    fresh: dict[str, tuple[float, ...]] = {}
    start: dict[str, float] = {}

    def run(searched: Experiment, limit: float, part: str) -> None:
        place = folder / part if part else folder
        begin = start_afresh and not part
        generations = _searched(searched, place, limit, account, options, report, begin=begin)
        strategy = searched.make_strategy(own)
        for generation in generations:
            if account.spent + account.cost(generation.results, strategy) > limit:
                break
            account.take(generation.results, strategy)
            if begin and generation.number == 0:
                start.update(_scored(account, _fresh(rescored_path(place, 0), base.objectives)))
        fresh.update(_fresh(latest_rescored(place), base.objectives))

    begins = shared_start(base, whole, chosen.make_strategy(own).first)
    fixed = run_phases(arm, chosen, bench, begins, budget, account, run, own)
    return account.trace(fixed, start, _scored(account, fresh))


def _searched(
    experiment: Experiment, folder: Path, limit: float, account: Account, options: Options,
    report: Callable[[Progress], None], *, begin: bool,
) -> Sequence[Generation]:  # fmt: skip
    """Bring a run to its end and return its generations; with `begin` first to the end of generation 0, where its front
    is scored.
    """
    _made(experiment, folder, options)
    if begin and not rescored_path(folder, 0).is_file() and len(read_generations(folder)[0]) < 2:
        Session(folder, replace(options, generations=0), report).proceed()
    batch, room = experiment.make_strategy(options.additions.strategies).batch, limit - account.spent

    def used_up(generations: Sequence[Generation]) -> bool:
        """Tell whether the next generation may be too dear: with twins one costs more than its batch."""
        return _too_dear(account.prices, generations, room, batch)

    session = Session(folder, replace(options, generations=experiment.horizon), report, stop=used_up)
    session.proceed()
    return session.generations


def _too_dear(prices: Prices, generations: Sequence[Generation], budget: float, batch: int) -> bool:
    """Tell whether a further generation like the dearest so far would exceed the budget."""
    costs = [sum(map(prices.charged, one.results)) for one in generations]
    next_one = max([prices.planned(batch), *costs[1:]])
    return bool(costs) and sum(costs) + next_one > budget


def _made(experiment: Experiment, folder: Path, options: Options) -> None:
    """Make the folder of a run, or see that it is the one that is there."""
    path = folder / "experiment.toml"
    if not path.is_file():
        create(experiment, options, folder.parent, folder)
    elif path.read_text(encoding="utf-8") != to_text(experiment):
        do = "Name another folder with --out, or compare with the settings of this one."
        raise RunError(message(f"the run of this comparison in {folder}", "another experiment", do))


def _fresh(path: Path | None, objectives: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Return the fresh means of every objective by key; those of members that failed afresh are left out."""
    rows = read_rescored(path) if path is not None and path.is_file() else ()
    return {row.key: tuple(row.objectives[name] for name in objectives) for row in rows if row.objectives}


def _scored(account: Account, fresh: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return error and hypervolume of the account's front by fresh scores; nothing where there are none."""
    known = {who: fresh[who] for who in account.front() if who in fresh}
    return account.scored(known) if known else {}


def _axes(bench: Bench) -> tuple[Axis, ...]:
    return tuple(Axis(name, *bounds) for name, bounds in bench.axes().items())
