"""From a training folder to files that need no PyTorch, verified before they get their name."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from evobnn._checks import check_name
from evobnn._jsonl import writing
from evobnn.analysis import Run
from evobnn.deploy import compiled, leaving, runtimes
from evobnn.deploy.bits import Packed
from evobnn.deploy.formats import export_bits, export_c
from evobnn.deploy.graph import Graph
from evobnn.deploy.leaving import NOISE, Leaving, chosen
from evobnn.deploy.lower import Rule, lower
from evobnn.deploy.ops import Array
from evobnn.deploy.passes import SiteReport, fold_sites, watched_ranges
from evobnn.deploy.verify import Agreement, Answered, compared
from evobnn.errors import NetworkError, RunError, message
from evobnn.evaluation import Additions
from evobnn.nn import Site, profile

PLAIN = ("c", "bits")
"""What a network leaves as, unless said otherwise; no other package is needed for it."""
FORMATS = (*PLAIN, *runtimes.RUNTIMES)
"""What a network can leave as."""
CHECKED, WATCHED, COMPARED = 1000, 256, 64
"""Images: on which the classes are compared, the ranges are watched, and all signs are compared."""
LOGITS = 1e-3
"""By how much a logit may differ from PyTorch's where all signs are the same, in parts of the largest one."""


@dataclass(frozen=True)
class Exported:
    """What an export yielded.

    Attributes:
        folder: with the files.
        files: their names and bytes.
        sites: what became of each.
        agreement: of the graph with PyTorch.
        answered: what each format said when it was run; without `c` where there was no compiler.
        said: what was found when the files were run, a sentence each.
        flash, ram: bytes of the C: its constants, and its maps; None where no C was written.

    >>> small = {"dataset.train_limit": 100, "recipe.kernels": "torch"}
    >>> training = evobnn.train(
    ...     "populations/digits:63", epochs=1, threads=1, settings=small, out="runs/for-files"
    ... )
    >>> exported = evobnn.export(training, to=["bits"], out="runs/files")
    >>> exported.flash is None  # no C was asked for
    True
    """

    folder: Path
    files: Mapping[str, int]
    sites: tuple[SiteReport, ...]
    agreement: Agreement
    answered: Mapping[str, Answered]
    said: tuple[str, ...]
    flash: int | None = None
    ram: int | None = None


def export(
    training: str | os.PathLike[str] | Run | None = None,
    to: Sequence[str] = PLAIN,
    out: str | Path | None = None,
    *,
    untrained: str | None = None,
    seed: int | None = None,
    data_dir: Path | None = None,
    compiler: str | None = None,
    additions: Additions | None = None,
    rules: Mapping[type[nn.Module], Rule] | None = None,
) -> Exported:
    """Write a trained network as real 1-bit code, and return what was found when it was run.

    Arguments:
        training: folder of a training (`evobnn train`), or its name below `populations/`; `NAME:SEED` names a seed.
        to: `c` for model.h, model.c and check.c; `bits` for bits.safetensors, see `evobnn.deploy.read_bits`; `onnx`,
            `qonnx` and `openvino`, each of which needs the extra of its name.
        out: a folder that does not exist; by default the training's name and seed, in the present folder.
        untrained: `RUN:ID` in place of a training: an individual of a run with random weights, for timing only; the
            files say so.
        seed: whose weights; by default those of the first seed that was trained.
        data_dir: folder with the data set's files, on whose training images everything is checked.
        compiler: of C; by default $CC, cc, gcc or clang. Without any the C is written and not run.
        additions: the operations and forms of your own with which it was trained.
        rules: how modules of your own leave, by class, see `evobnn.deploy.lower`.

    Raises:
        EvobnnError: no such training, no weights, a module without a rule, a folder that exists, a compiler or
            package that is not there, or files that do not say what the network says; then nothing is left.

    >>> small = {"dataset.train_limit": 100, "recipe.kernels": "torch"}
    >>> training = evobnn.train(
    ...     "populations/digits:63", epochs=1, threads=1, settings=small, out="runs/exported"
    ... )
    >>> sorted(evobnn.export(training, to=["bits"], out="runs/bits").files)
    ['bits.safetensors']
    """
    for name in to:
        check_name("export format", name, FORMATS, NetworkError)
        if name in runtimes.RUNTIMES:
            runtimes.require(name)
    if not to:
        raise NetworkError(message(f"a format, {' or '.join(FORMATS)}", "none", "Name one with --to."))
    chosen(training, untrained)
    if training is not None:
        network = leaving.trained(training, seed, data_dir, additions, CHECKED)
    else:
        network = leaving.untrained(str(untrained), data_dir, additions, CHECKED)
    home = Path(out) if out is not None else Path(network.name)
    if home.exists():
        raise RunError(message("a folder that does not exist yet", f"{home}", "Choose another one with --out DIR."))
    cc = compiled.compiler(compiler) if "c" in to else None
    lowered = lower(network.network, network.shape, network.mean, network.deviation, rules)
    images = network.images
    graph, sites = fold_sites(lowered, watched_ranges(lowered.graph, images[:WATCHED]) if network.real else None)
    agreement = _agreed(graph, network, images[:COMPARED])
    said = [*network.said, *([] if network.real else [NOISE])]
    answered: dict[str, Answered] = {}
    sizes: tuple[int, ...] = ()
    with writing(home):
        home.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=f".{home.name}-", dir=home.parent))
    packed = Packed(graph, network.class_names, network.about)
    told = partial(torch_signs, network)
    try:
        wanted = network.logits(images).argmax(1) if set(to) != {"bits"} else None
        for name in (one for one in FORMATS if one in to):
            found: Answered | None
            if name == "bits" or wanted is None:
                counted = profile(network.network, network.shape, (additions or Additions()).all_counters).bits / 8
                found, lines = export_bits(place, packed, images, counted)
            elif name == "c":
                found, lines, sizes = export_c(place, packed, images, wanted, told, cc)
            else:
                found, lines = runtimes.export(name, place, packed, images, wanted, told)
            answered |= {name: found} if found else {}
            said += lines
        with writing(home):
            place.chmod(0o755)
            place.rename(home)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    files = {path.name: path.stat().st_size for path in sorted(home.iterdir())}
    return Exported(home, files, sites, agreement, answered, tuple(said), *sizes)


def torch_signs(network: Leaving, images: Array) -> tuple[dict[str, Array], Array]:
    """Return the signs of every site by its path, bool, and the logits, as PyTorch computes them."""
    found: dict[str, list[Array]] = {}

    def keeper(path: str) -> Callable[[nn.Module, object, Tensor], None]:
        return lambda module, given, output: found.setdefault(path, []).append(output.numpy() > 0)

    hooks = [
        module.register_forward_hook(keeper(path))
        for path, module in network.network.named_modules()
        if isinstance(module, Site) and not module.real
    ]
    try:
        logits = network.logits(images)
    finally:
        for hook in hooks:
            hook.remove()
    return {path: np.concatenate(parts) for path, parts in found.items()}, logits


def _agreed(graph: Graph, network: Leaving, images: Array) -> Agreement:
    signs, logits = torch_signs(network, images)
    agreement = compared(graph, images, signs, logits)
    if not agreement.logits <= LOGITS * abs(logits).max():
        got = f"one that is off by {agreement.logits:.3g}"
        raise NetworkError(message("the logits of PyTorch, given its signs", got, compiled.REPORT))
    if agreement.wrong:
        path, count = agreement.wrong[0]
        got = f"{count} others at '{path}' and {len(agreement.wrong) - 1} more sites that differ"
        raise NetworkError(message("the signs of PyTorch at every site", got, compiled.REPORT))
    return agreement
