"""C in the making: constants, descriptions of layers, and where maps lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from evobnn.deploy.c.arena import Arena, bytes_of
from evobnn.deploy.c.expressions import function
from evobnn.deploy.c.text import constant
from evobnn.deploy.graph import Graph
from evobnn.deploy.ops import Array, Elementwise


@dataclass
class Writer:
    """C in the making: constants, functions and descriptions of layers, and which parts of the runtime they call."""

    graph: Graph
    real: Arena
    bits: Arena
    rows: set[str]
    text: list[str] = field(default_factory=list)
    runtime: list[str] = field(default_factory=list)
    flash: int = 0
    window: int = 1
    count: int = 0

    def keep(self, values: Array) -> str:
        """Write an array of constants and return its name."""
        name = f"c{self.count}"
        self.count += 1
        self.flash += values.nbytes
        self.text.append(constant(name, values))
        return name

    def call(self, *parts: str) -> None:
        """Ask for parts of the runtime."""
        self.runtime += [part for part in parts if part not in self.runtime]

    def layer(self, kind: str, *fields: object) -> str:
        """Write the description of a layer and return its name."""
        name = f"l{self.count}"
        self.count += 1
        self.text.append(f"static const {kind} {name} = {{{', '.join(map(str, fields))}}};\n")
        return name

    def function(self, chain: Sequence[Elementwise], *, sign: bool) -> str:
        """Write a function of one number, see `evobnn.deploy.c.expressions`, and return its name."""
        name = f"f{self.count}"
        self.count += 1
        self.text.append(function(name, chain, self.keep, sign=sign))
        return name

    def whole(self, name: str) -> str:
        """Return where a map begins."""
        if name == self.graph.input.name:
            return "image"
        if name == self.graph.output:
            return "logits"
        at = self.graph.values[name]
        return f"maps + {self.real.places[name]}" if at.dtype != "bit" else f"signs + {self.bits.places[name]}"

    def row(self, name: str) -> str:
        """Return where row y of a map begins."""
        if name in self.rows:
            return self.whole(name)
        value = self.graph.values[name]
        wide = bytes_of(value) if value.dtype == "bit" else value.shape[0]
        step = wide * value.shape[2]
        return f"{self.whole(name)} + {step} * y" if value.shape[1] > 1 else self.whole(name)
