"""`evobnn bench`: how fast a network is here, and how long each kind of layer takes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evobnn.cli.brought import additions
from evobnn.cli.console import console, note, table
from evobnn.cli.words import counted
from evobnn.deploy.bench import ROUNDS, Measured, base_of, bench, whole_networks
from evobnn.deploy.compiled import compiler
from evobnn.deploy.latency import CTimer
from evobnn.deploy.layers import Layer, listed
from evobnn.deploy.layertimes import all_layers
from evobnn.deploy.timed import Timed, find
from evobnn.deploy.timing import busy
from evobnn.errors import RunError, message
from evobnn.evaluation import Additions, LayerTimes
from evobnn.runs import Options
from evobnn.runs.chosen import experiment as read_experiment
from evobnn.runs.setup import make_bench

ABOUT = (
    f"One thread. Medians by the clock and quartiles over {ROUNDS} rounds, in each of which every engine has its turn.",
    "The C and OpenVINO take the images of a batch one after another. The unfolded C computes the function of each "
    "site; a real twin has float weights and ReLU at its sites.",
)


@dataclass(frozen=True)
class Asked:
    """What the command line says beside what is to be timed."""

    layers: bool
    preset: str
    compiler: str | None
    seconds: float
    data_dir: Path | None
    brought: Sequence[str]
    as_json: bool


def show(what: str | None, asked: Asked) -> None:
    """Time a network, or with `--layers` alone the layers of a preset's space, and print it."""
    if what is None and not asked.layers:
        do = "Write for example evobnn bench train-digits-1, or --layers for the table of layer times."
        raise RunError(message("TRAINING, RUN:ID or --layers", "none of them", do))
    own = additions(asked.brought) + Additions(timer=CTimer(asked.compiler))
    compiler(asked.compiler)
    if asked.layers and own.timer is not None:
        own.timer.check()
    timed = None if what is None else find(what, asked.preset, asked.data_dir, own)
    if sentence := busy():
        note(sentence)
    if timed is None:
        _space(asked, own)
    else:
        _network(timed, asked)


def _network(timed: Timed, asked: Asked) -> None:
    if not timed.real:
        note("The data set is not there: timed on noise.")
    measured = bench(timed, compiler(asked.compiler), asked.seconds)
    layers = listed(timed.graph()) if asked.layers else ()
    times = CTimer(asked.compiler).times_of(all_layers(layers), timed.shape) if layers else None
    if asked.as_json:
        print(json.dumps(_plain(timed.title, measured, layers, times), indent=1))
        return
    shown = console()
    shown.print(timed.title)
    base = base_of(measured)
    rows = table("engine", "batch", "ms per image", "quartiles", "CPU", f"times {base or 'C'}", first=(0, 1, 2, 5))
    for one in measured:
        for timing in one.timings:
            low, middle, high = map(_milliseconds, timing.wall)
            ratio = "" if timing.ratio is None else "{1:.2f} ({0:.2f} to {2:.2f})".format(*timing.ratio)
            rows.add_row(one.engine, str(timing.batch), middle, f"{low} to {high}", _milliseconds(timing.cpu[1]), ratio)
    rows.show(shown)
    for one in measured:
        if one.absent:
            shown.print(f"{one.engine}: not run here, for {one.absent}.")
    for line in ABOUT:
        shown.print(line)
    if times is not None:
        rows = table("layer", "at", "µs", first=(0, 2))
        for layer in layers:
            rows.add_row(layer.name, layer.node.path or "image", f"{1000 * times.milliseconds[layer.name]:.3g}")
        rows.show(shown)
        total = times.of(layer.name for layer in layers)
        whole = next(one.timings[0].wall[1] for one in measured if one.engine == base)
        share = f"{100 * total / whole:.0f} % of the {_milliseconds(whole)} ms that it takes"
        shown.print(f"The layers sum up to {_milliseconds(total)} ms, {share}.")


def _space(asked: Asked, own: Additions) -> None:
    plain = ["recipe.kernels=torch", "recipe.precision=fp32"]
    experiment = read_experiment(asked.preset, None, ['objectives=["error","latency"]', *plain])
    place = make_bench(experiment, Options(jobs=1, data_dir=asked.data_dir, additions=own))
    assert place.latency is not None
    times, timer = place.latency.times, place.latency.timer
    assert isinstance(timer, CTimer)
    pairs = list(whole_networks(place, experiment, timer, asked.data_dir, asked.seconds))
    if asked.as_json:
        whole = [{"layers": total, "measured": got} for total, got in pairs]
        print(json.dumps({**dataclasses.asdict(times), "whole": whole}, indent=1))
        return
    shown = console()
    shown.print(f"{times.processor}, {times.compiler}")
    kinds: dict[str, list[float]] = {}
    for name, value in times.milliseconds.items():
        kinds.setdefault(name.partition(" ")[0], []).append(1000 * value)
    rows = table("kind", "layers", "µs from", "to", first=(0, 1))
    for kind, values in kinds.items():
        rows.add_row(kind, str(len(values)), f"{min(values):.3g}", f"{max(values):.3g}")
    rows.show(shown)
    count = counted(len(times.milliseconds), "layer")
    shown.print(f"{count} of the networks of {asked.preset}, kept in {timer.place(times)}.")
    low, middle, high = np.percentile([100 * total / got for total, got in pairs], (0, 50, 100))
    shown.print(
        f"The sums over layers of {len(pairs)} whole networks are {middle:.0f} % of the times that these take, from "
        f"{low:.0f} to {high:.0f} %."
    )


def _milliseconds(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def _plain(
    title: str, measured: Sequence[Measured], layers: Sequence[Layer], times: LayerTimes | None
) -> dict[str, Any]:
    engines = [
        {
            "engine": one.engine,
            **({"absent": one.absent} if one.absent else {}),
            "timings": [dataclasses.asdict(timing) for timing in one.timings],
        }
        for one in measured
    ]
    found = {"network": title, "base": base_of(measured), "engines": engines}
    if times is None:
        return found
    rows = [
        {"layer": layer.name, "at": layer.node.path, "milliseconds": times.milliseconds[layer.name]} for layer in layers
    ]
    return {**found, "layers": rows, "sum": times.of(layer.name for layer in layers)}
