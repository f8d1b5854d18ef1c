"""What one image costs a network that has left PyTorch: the C, folded or not, with vectors or without, batch 1.

Networks of BNAS's cells with random weights and a(x) = sin(x) + x on colour images; CPU time of one thread. The
variants run one after the other, round after round; a ratio divides the milliseconds of PyTorch's readable modules by
those of the C in that round.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from figures import Spread, heading, write

from evobnn.decode import Surround, decode
from evobnn.deploy import fold_sites, lower
from evobnn.deploy.c import Described, source
from evobnn.spaces import Template
from evobnn.spaces.joint import joint

GENOME = (
    "normal[2 = conv3(0) + max3(1); 3 = conv3(1) + conv3(2); 4 = avg3(0) + conv3(1); 5 = dil3(1) + zero(0)] "
    "reduction[2 = conv3(0) + max3(1); 3 = conv3(1) + zero(2); 4 = conv3(1) + zero(0); 5 = conv3(0) + max3(2)] "
    "@net = add(sin(x), x)"
)
DRIVER = """
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "model.h"

int main(int count, char **given)
{
    static uint8_t image[EVOBNN_CHANNELS * EVOBNN_HEIGHT * EVOBNN_WIDTH];
    float logits[EVOBNN_CLASSES];
    const int times = count > 1 ? atoi(given[1]) : 1;
    unsigned n;
    clock_t begun;
    for (n = 0; n < sizeof image; n++) image[n] = (uint8_t)(n * 37);
    evobnn_run(image, logits);
    begun = clock();
    for (n = 0; n < (unsigned)times; n++) evobnn_run(image, logits);
    printf("%.9g", 1e3 * (double)(clock() - begun) / CLOCKS_PER_SEC / times);
    return 0;
}
"""
VARIANTS = {
    "vectors": (True, ("-O3", "-march=native")),
    "portable": (True, ("-O3", "-DEVOBNN_PORTABLE")),
    "vectors, not folded": (False, ("-O3", "-march=native")),
}
"""Whether sites are folded, and how the C is compiled."""


def programs(width: int, side: int, compiler: str, place: Path) -> tuple[Callable[[], Any], dict[str, Path]]:
    """Return one pass of a network in PyTorch, and its compiled programs by variant."""
    template = Template(
        cells=3, width=width, reductions=1, skip="free", padding="minus_one", scale="mean", stem=1, head=1
    )
    space, shape = joint(template, side), (3, side, side)
    torch.manual_seed(1)
    network = decode(space, space.parse(GENOME), Surround(template, shape, 10)).eval()
    lowered = lower(network, shape, np.full(3, 120.0), np.full(3, 60.0))
    found = {}
    for number, (name, (folded, flags)) in enumerate(VARIANTS.items()):
        (folder := place / f"{width}-{number}").mkdir()
        code = source(fold_sites(lowered)[0] if folded else lowered.graph, Described([str(n) for n in range(10)]))
        for file, text in (("model.h", code.header), ("model.c", code.code), ("driver.c", DRIVER)):
            (folder / file).write_text(text)
        files = [str(folder / file) for file in ("model.c", "driver.c")]
        command = [compiler, "-std=gnu99", *flags, "-o", str(folder / "program"), *files, "-lm"]
        subprocess.run(command, check=True)
        found[name] = folder / "program"
    image = torch.zeros(1, *shape)

    def once() -> Any:
        with torch.no_grad():
            return network(image)

    return once, found


def milliseconds(once: Callable[[], Any], times: int) -> float:
    """Return the CPU milliseconds of one pass in PyTorch."""
    once()
    begun = time.process_time()
    for _ in range(times):
        once()
    return 1e3 * (time.process_time() - begun) / times


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64], help="channels of the first cells")
    parser.add_argument("--side", type=int, default=32, help="pixels of a side")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--times", type=int, default=20, help="images a round")
    parser.add_argument("--compiler", default="cc")
    parser.add_argument("--json", type=Path, help="write all figures here")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(heading())
    rows: list[dict[str, Any]] = []
    for width in given.widths:
        with TemporaryDirectory() as place:
            once, compiled = programs(width, given.side, given.compiler, Path(place))
            rounds = []
            for _ in range(given.rounds):
                took = {"PyTorch": milliseconds(once, given.times)}
                for name, path in compiled.items():
                    said = subprocess.run([str(path), str(given.times)], capture_output=True, text=True, check=True)
                    took[name] = float(said.stdout)
                rounds.append(took)
        for name in rounds[0]:
            spent = Spread(tuple(took[name] for took in rounds))
            ratio = Spread(tuple(took["PyTorch"] / took[name] for took in rounds))
            print(f"{width:>4} channels  {name:<20} {spent} ms, {ratio} times as fast as PyTorch")
            rows.append({"width": width, "variant": name, "ms": spent.plain(), "ratio": ratio.plain()})
    write(given.json, vars(given), rows)


if __name__ == "__main__":
    main()
