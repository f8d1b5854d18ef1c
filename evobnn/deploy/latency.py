"""`latency`: the timer of layers that the command line brings along, and its table for this machine, in the cache.

run = evobnn.search("digits", objectives=("error", "latency"), additions=evobnn.latency())
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path

from filelock import FileLock
from torch import nn

from evobnn.data.cache import cache_roots
from evobnn.data.notes import say
from evobnn.deploy import compiled
from evobnn.deploy.graph import Shape
from evobnn.deploy.layers import Layer, layers_of
from evobnn.deploy.layertimes import all_layers, measured_layers
from evobnn.deploy.lower import Rule
from evobnn.deploy.timing import SCALAR, busy, simd_flags
from evobnn.errors import NetworkError, message
from evobnn.evaluation import Additions, LayerTimes, Timer
from evobnn.machine import facts
from evobnn.snapshot import write_text


@dataclass(frozen=True)
class CTimer(Timer):
    """Measures layers as the C of `evobnn export` runs them, with SIMD where this processor has it.

    Attributes:
        compiler: of C; by default $CC, cc, gcc or clang.
        rules: how modules of your own leave, by class, see `evobnn.deploy.lower`.
        cache: folder of the tables; by default that of the prepared images.
        portable: without SIMD, as on a processor for which the C has none.
    """

    compiler: str | None = None
    rules: Mapping[type[nn.Module], Rule] = field(default_factory=dict)
    cache: Path | None = None
    portable: bool = False

    @property
    def processor(self) -> str:
        """The name of this machine's processor."""
        return facts.processor()

    def check(self) -> None:
        """Raise NetworkError where there is no C compiler."""
        self.found()

    def found(self) -> compiled.Compiler:
        """Return the compiler; raise NetworkError where there is none."""
        there = compiled.compiler(self.compiler)
        if there is None:
            named = os.environ.get("CC")
            got = f"none, for CC says '{named}'" if named else "none"
            do = "Install gcc or clang, or set CC to one."
            raise NetworkError(message("a C compiler, with which layers are timed for latency", got, do))
        return there

    def options(self, compiler: compiled.Compiler) -> tuple[str, ...]:
        """Return the options with which layers are compiled."""
        return SCALAR if self.portable else simd_flags(compiler) or SCALAR

    def layers(self, network: nn.Module, shape: Shape) -> Sequence[str]:
        """Return the names of a network's layers; see `evobnn.deploy.layers`."""
        return [layer.name for layer in layers_of(network, shape, self.rules)]

    def measured(self, networks: Iterable[nn.Module], shape: Shape) -> LayerTimes:
        """Return the times of all layers of these networks, from the cache or measured now."""
        wanted = all_layers(layer for network in networks for layer in layers_of(network, shape, self.rules))
        return self.times_of(wanted, shape).only(wanted)

    def times_of(self, wanted: Mapping[str, Layer], shape: Shape) -> LayerTimes:
        """Return this machine's table after what it lacks of these layers was measured.

        Raises:
            NetworkError: no C compiler, or no folder that can be written.
        """
        compiler = self.found()
        flags = self.options(compiler)
        named = f"{compiler.version}, {' '.join((*compiler.command[1:], *flags))}"
        empty = LayerTimes(self.processor, named, code_digest())
        path = self.place(empty)
        with FileLock(path.with_suffix(".lock")):
            table = _read(path, empty)
            missing = {name: layer for name, layer in wanted.items() if name not in table.milliseconds}
            if missing:
                say(f"{len(missing)} layers are timed, once on this machine, with {compiler.version}.")
                if sentence := busy():
                    say(sentence)
                times = measured_layers(compiler, flags, missing, shape)
                table = LayerTimes(table.processor, table.compiler, table.code, {**table.milliseconds, **times})
                write_text(path, table.to_text())
        return table

    def place(self, table: LayerTimes) -> Path:
        """Return the file of a table in the cache; raise NetworkError where no folder can be written."""
        name = json.dumps([table.processor, table.compiler, table.code])
        roots = [self.cache] if self.cache else cache_roots()
        refusals = []
        for root in roots:
            try:
                root.mkdir(parents=True, exist_ok=True)
                (probe := root / f".latency-{hashlib.sha256(name.encode()).hexdigest()[:12]}").touch()
                probe.unlink(missing_ok=True)
            except OSError as error:
                refusals.append(f"{root}: {error.strerror or error}")
            else:
                return root / f"latency-{hashlib.sha256(name.encode()).hexdigest()[:12]}.json"
        do = "Set EVOBNN_CACHE to a folder that can be written."
        raise NetworkError(message("a folder in which layer times can be kept", "; ".join(refusals), do))


def latency(*, compiler: str | None = None, rules: Mapping[type[nn.Module], Rule] | None = None) -> Additions:
    """Return what a search by `latency` is to bring along: a timer of layers on this machine.

    Arguments:
        compiler: of C; by default $CC, cc, gcc or clang.
        rules: how modules of your own leave, by class, see `evobnn.deploy.lower`.

    >>> evobnn.latency().timer is not None
    True
    """
    return Additions(timer=CTimer(compiler, rules or {}))


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Return 12 hexadecimal digits over what prints the C: other C takes other times."""
    digest = hashlib.sha256()
    pending = [resources.files("evobnn.deploy.c")]
    while pending:
        for one in sorted(pending.pop().iterdir(), key=lambda file: file.name):
            if one.is_dir() and not one.name.startswith("__"):
                pending.append(one)
            elif one.name.endswith((".py", ".c")):
                digest.update(one.read_bytes())
    return digest.hexdigest()[:12]


def _read(path: Path, empty: LayerTimes) -> LayerTimes:
    """Return the table in a file; an empty one where there is none, or it is damaged or of another version."""
    try:
        found = LayerTimes.from_text(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return empty
    same = (found.processor, found.compiler, found.code) == (empty.processor, empty.compiler, empty.code)
    return found if same else empty
