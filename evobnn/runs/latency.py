"""The table of layer times of a run: measured before it begins, kept in its folder, read from there ever after."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from evobnn.errors import RunError, message
from evobnn.evaluation import LATENCY, Bench, Latency, LayerTimes, Timer
from evobnn.experiment import Experiment
from evobnn.experiment.needs import MissingError
from evobnn.snapshot import write_text
from evobnn.spaces.covering import covering

TIMES = "latency.json"


def wants_times(experiment: Experiment) -> bool:
    """Tell whether networks are measured by `latency`. A table of trainings does not know it, and an evaluation
    function says it itself.
    """
    asked = LATENCY in experiment.objectives or LATENCY in experiment.constraints
    return asked and not (experiment.table or experiment.evaluation.name)


def checked_timer(timer: Timer | None) -> Timer:
    """Return the timer; raise an EvobnnError where there is none, or it cannot measure here."""
    if timer is None:
        do = "Pass additions=evobnn.latency(); the command line brings it along by itself."
        raise MissingError(message(f"what measures layers, for {LATENCY}", "none", do))
    timer.check()
    return timer


def measured(bench: Bench, timer: Timer) -> LayerTimes:
    """Return the times of the layers of all networks of a bench's space."""
    networks = (bench.network(genome) for genome in covering(bench.space))
    return timer.measured(networks, bench.prepared.shape)


def with_times(bench: Bench, timer: Timer | None, times: LayerTimes | None) -> Bench:
    """Return a bench with a table of layer times, which becomes part of its protocol."""
    if times is None:
        return bench
    latency = None if timer is None else Latency(timer, times)
    return replace(bench, protocol=replace(bench.protocol, latency=times.fingerprint()), latency=latency)


def write_times(folder: Path, bench: Bench) -> None:
    """Keep the table of a bench in a run folder, if it has one."""
    if bench.latency is not None:
        write_text(folder / TIMES, bench.latency.times.to_text())


def read_times(folder: Path) -> LayerTimes | None:
    """Return the table of a run folder, or None where it has none.

    Raises:
        RunError: one that was changed, or is of another version.
    """
    path = folder / TIMES
    if not path.is_file():
        return None
    try:
        return LayerTimes.from_text(path.read_text(encoding="utf-8"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        do = "Put back the file as the run wrote it, or start a new run."
        raise RunError(message(f"the layer times of the run in {path}", str(error), do)) from error


def kept_times(folder: Path, experiment: Experiment) -> LayerTimes | None:
    """Return the table of a run that goes on; raise RunError where it is measured by one and lacks it."""
    if not wants_times(experiment):
        return None
    times = read_times(folder)
    if times is None:
        do = "Put back the file as the run wrote it, or start a new run."
        raise RunError(message(f"the layer times of the run in {folder / TIMES}", "no such file", do))
    return times


def elsewhere(bench: Bench) -> str:
    """Return that the times are those of another processor than this one's, if they are; else an empty text."""
    if bench.latency is None or bench.latency.times.processor == bench.latency.timer.processor:
        return ""
    return f"Latencies are those of the run's {bench.latency.times.processor}, not of the processor here."
