"""How long networks take on one machine: a table of the times of layers, summed over the layers of a network.

What a network's layers are, and how they are measured, a `Timer` knows; it is handed over from above, with
`Additions`. The table is plain data: it stands in the run folder, and its fingerprint in the protocol.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import nn

from evobnn import _seals
from evobnn.errors import ExperimentError, message

LATENCY = "latency"
"""The objective's name."""
FORMAT = 1

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class LayerTimes:
    """Milliseconds of layers for one image on one thread.

    Attributes:
        processor: on which they were measured.
        compiler: with which, as it calls itself, and its options.
        code: digest of the code that was measured.
        milliseconds: by layer, `kind options inputs > output`.

    >>> LayerTimes("a processor", "cc", "1", {"add f32 2x4x4 > f32 2x4x4": 0.25}).of(["add f32 2x4x4 > f32 2x4x4"] * 2)
    0.5
    """

    processor: str
    compiler: str
    code: str
    milliseconds: Mapping[str, float] = field(default_factory=dict)

    def of(self, layers: Iterable[str]) -> float:
        """Return the milliseconds of these layers one after another.

        Raises:
            ExperimentError: the table lacks one of them.
        """
        named = list(layers)
        for name in named:
            if name not in self.milliseconds:
                do = "Report this with the genome: layers of all genomes are measured before a search begins."
                raise ExperimentError(message("a time for every layer", f"none for '{name}'", do))
        return math.fsum(self.milliseconds[name] for name in named)

    def only(self, layers: Iterable[str]) -> LayerTimes:
        """Return the table of these layers alone, in the order of their names."""
        kept = {name: self.milliseconds[name] for name in sorted(set(layers))}
        return LayerTimes(self.processor, self.compiler, self.code, kept)

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits over all of it."""
        return hashlib.sha256(self.to_text().encode()).hexdigest()[:16]

    def to_text(self) -> str:
        """Return it as JSON that ends with its digest."""
        said = {
            "format": FORMAT,
            "processor": self.processor,
            "compiler": self.compiler,
            "code": self.code,
            "milliseconds": dict(sorted(self.milliseconds.items())),
        }
        return _seals.seal(json.dumps(said, indent=1, allow_nan=False) + "\n")

    @classmethod
    def from_text(cls, text: str) -> LayerTimes:
        """Return the table of a text; raise ValueError for one that was changed, or is of another version."""
        _seals.verify(text.encode())
        said = json.loads(text)
        if said["format"] != FORMAT:
            raise ValueError(f"version {said['format']}, where {FORMAT} is known")
        times = {str(name): float(value) for name, value in said["milliseconds"].items()}
        return cls(said["processor"], said["compiler"], said["code"], times)


class Timer:
    """What knows the layers of networks and measures them; `evobnn.latency()` brings that of the C along.

    It travels to workers, so a subclass is a class at the top of a module.
    """

    @property
    def processor(self) -> str:
        """The name of this machine's processor."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise an EvobnnError where nothing can be measured here."""

    def layers(self, network: nn.Module, shape: Shape) -> Sequence[str]:
        """Return the layers of a new network on images (C, H, W), each with all that its time depends on. It depends
        on no weight.
        """
        raise NotImplementedError

    def measured(self, networks: Iterable[nn.Module], shape: Shape) -> LayerTimes:
        """Return the times of all layers of these networks, and of those that other expressions make of them."""
        raise NotImplementedError


@dataclass(frozen=True)
class Latency:
    """The latency of networks: which layers they have, and how long each takes."""

    timer: Timer
    times: LayerTimes

    def of(self, network: nn.Module, shape: Shape) -> float:
        """Return the milliseconds of a new network for one image (C, H, W)."""
        return self.times.of(self.timer.layers(network, shape))
