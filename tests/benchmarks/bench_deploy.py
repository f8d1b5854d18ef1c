"""What one image costs a whole network that has left PyTorch: the C beside onnxruntime and OpenVINO, batch 1.

GAAF's ResNet with three stages and a network of BNAS's cells, with random weights, on colour images, stem and head
included; one thread. The engines take turns, round after round: the C with AVX2 and no AVX-512, with all that this
processor has, scalar, and with the function of every site computed in place of its thresholds; onnxruntime and
OpenVINO on the real-valued twin (ReLU at the sites, graph optimisations on); OpenVINO with 1-bit convolutions. A ratio
divides what an engine took by what the C with AVX2 took in the same round: above 1 the C is faster. On a busy machine
those of processor time are the ones to read. OpenVINO's own gain stands below. Engines whose packages are not
installed are left out, and named.

With `--json FILE` each network is a line of FILE once it is measured, and is not measured again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from figures import Spread, heading, where
from torch import nn

from evobnn.decode import Surround, decode
from evobnn.deploy import compiled, engines
from evobnn.deploy.bench import in_turns
from evobnn.deploy.c.stages import stages
from evobnn.deploy.engines import ENGINES, AbsentError, Engine, Turn
from evobnn.deploy.timed import Timed
from evobnn.deploy.timing import NATIVE, time_stages
from evobnn.spaces import Template
from evobnn.spaces.gaaf import gaaf
from evobnn.spaces.joint import joint

FORM = "add(sin(x), x)"
CELLS = (
    "normal[2 = conv3(0) + max3(1); 3 = conv3(1) + conv3(2); 4 = avg3(0) + conv3(1); 5 = dil3(1) + zero(0)] "
    "reduction[2 = conv3(0) + max3(1); 3 = conv3(1) + zero(2); 4 = conv3(1) + zero(0); 5 = conv3(0) + max3(2)] "
)
AVX2 = ("-O3", "-mavx2", "-mpopcnt", "-mfma", "-mbmi2")
IMAGES = 8
"""From which norms and ranges are taken; the first one is timed."""
BASE = "C, AVX2"
NAMES = {
    "C, SIMD": "C, native",
    **{name: name for name in ENGINES if name not in ("C, SIMD", "torch")},
}
"""What evobnn's engines are called here. `torch` is left out: it takes longer than all others together."""


def network_of(macro: str, width: int, side: int) -> Timed:
    """Return a network with random weights and the statistics of a few images."""
    shape = (3, side, side)
    if macro == "resnet":
        template = Template(6, width, 2, "none", "zero", "none", 1, 1, macro="resnet")
        space, genome = gaaf(template, side), f"@net = {FORM}"
    else:
        template = Template(3, width, 1, "free", "minus_one", "mean", 1, 1)
        space, genome = joint(template, side), f"{CELLS} @net = {FORM}"
    torch.manual_seed(0)
    network = decode(space, space.parse(genome), Surround(template, shape, 10))
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, *shape), dtype=np.uint8)
    mean, deviation = np.full(3, 127.5, np.float32), np.full(3, 73.9, np.float32)
    with torch.no_grad():  # in training mode norms see what arrives
        for module in network.train().modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None
        network((torch.from_numpy(images).float() - 127.5) / 73.9)
    return Timed(f"{macro} {width} {side}", network.eval(), mean, deviation, images, False)


def prepared(timed: Timed, compiler: compiled.Compiler | None, place: Path) -> tuple[dict[str, Turn], dict[str, str]]:
    """Return the turns of all engines, and why the others have none."""
    made: dict[str, Engine] = {BASE: partial(engines.c_with, flags=AVX2)}
    made |= {called: ENGINES[name] for name, called in NAMES.items()}
    found, absent = dict[str, Turn](), dict[str, str]()
    for number, (name, engine) in enumerate(made.items()):
        (own := place / str(number)).mkdir()
        try:
            found[name] = engine(timed, own, compiler)
        except AbsentError as error:
            absent[name] = str(error)
    return found, absent


def measured(timed: Timed, compiler: compiled.Compiler | None, rounds: int, seconds: float) -> dict[str, Any]:
    """Return the milliseconds of each engine in each round."""
    with TemporaryDirectory() as place:
        turns, absent = prepared(timed, compiler, Path(place))
        spent = in_turns(turns, timed, 1, rounds * seconds, rounds)
    wall = {name: [1000 * median(one.wall) for one in parts] for name, parts in spent.items()}
    cpu = {name: [1000 * median(one.cpu) for one in parts] for name, parts in spent.items()}
    return {"network": timed.title, "milliseconds": wall, "cpu": cpu, "absent": absent}


def lines(row: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a network's table."""
    wall, cpu = row["milliseconds"], row["cpu"]
    for name, values in wall.items():
        times = "" if BASE not in wall or name == BASE else f"{ratio(wall, name)!s:>24}{ratio(cpu, name)!s:>24}"
        yield f"{row['network']:<15}{name:<24}{Spread(tuple(values))!s:>26}{times}"
    bit, twin = "OpenVINO, 1 bit", "OpenVINO, real twin"
    if bit in wall and twin in wall:
        gains = f"{ratio(wall, twin, bit)!s:>24}{ratio(cpu, twin, bit)!s:>24}"
        yield f"{row['network']:<15}{'OpenVINO, twin by 1 bit':<50}{gains}"


def ratio(took: dict[str, list[float]], name: str, base: str = BASE) -> Spread:
    """Return how many times as long as another one an engine took, round by round."""
    return Spread(tuple(one / other for one, other in zip(took[name], took[base], strict=True)))


def layers(timed: Timed, compiler: compiled.Compiler, seconds: float) -> None:
    """Print the microseconds of each stage of the C with AVX2."""
    graph = timed.graph()
    for stage, took in zip(stages(graph), time_stages(compiler, graph, timed.images[:1], AVX2, seconds), strict=True):
        kinds = ", ".join(type(node.op).__name__ for node in stage.nodes)
        print(f"{1000 * took:>10.1f} µs  {'x'.join(map(str, stage.nodes[0].output.shape)):<12}{kinds}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--macros", nargs="+", default=["resnet", "bnas"], choices=["resnet", "bnas"])
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64, 128], help="channels of the first stage")
    parser.add_argument("--sides", type=int, nargs="+", default=[16, 32], help="pixels of a side")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.08, help="of a turn; at least four images")
    parser.add_argument("--compiler", help="of C (default: $CC, cc, gcc or clang)")
    parser.add_argument("--layers", action="store_true", help="also the stages of the C")
    parser.add_argument("--json", type=Path, help="a line for each network; what is there is not measured again")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    compiler = compiled.compiler(given.compiler)
    print(heading())
    print(f"{compiler.version if compiler else 'no C compiler'}; native is {' '.join(NATIVE)}")
    heads = f"{f'ms, {given.rounds} rounds':>26}{f'times {BASE}':>24}{'by processor time':>24}"
    print(f"\n{'network':<15}{'engine':<24}{heads}")
    there = (
        json.loads(f"[{','.join(given.json.read_text().splitlines())}]") if given.json and given.json.exists() else []
    )
    known = {row["network"]: row for row in there}
    absent: dict[str, str] = {}
    for macro, side, width in product(given.macros, given.sides, given.widths):
        name = f"{macro} {width} {side}"
        timed = None if name in known and not given.layers else network_of(macro, width, side)
        row = known.get(name)
        if row is None:
            assert timed is not None
            row = measured(timed, compiler, given.rounds, given.seconds)
            if given.json:
                with given.json.open("a") as file:
                    file.write(json.dumps({**row, **where(), "seconds": given.seconds}) + "\n")
        print("\n".join(lines(row)), flush=True)
        absent |= row["absent"]
        if given.layers and compiler and timed:
            layers(timed, compiler, given.seconds)
    for name, why in absent.items():
        print(f"{name}: not run here, for {why}.")


if __name__ == "__main__":
    main()
