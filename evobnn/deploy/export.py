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
import torch
from torch import Tensor, nn

from evobnn._checks import check_name
from evobnn._jsonl import writing
from evobnn.analysis import Run
from evobnn.deploy import bits as tensors
from evobnn.deploy import compiled, runtimes
from evobnn.deploy.c import Described, Source, check_c, source
from evobnn.deploy.graph import Graph
from evobnn.deploy.images import images_like
from evobnn.deploy.lower import Rule, lower
from evobnn.deploy.ops import Array
from evobnn.deploy.passes import SiteReport, fold_sites, watched_ranges
from evobnn.deploy.verify import Agreement, compared, signs_of
from evobnn.errors import NetworkError, RunError, message
from evobnn.evaluation import Additions
from evobnn.nn import Site, profile
from evobnn.runs import named as runs
from evobnn.runs.final.loaded import LoadedNetwork
from evobnn.runs.final.loading import load_network
from evobnn.runs.final.named import training_of
from evobnn.snapshot import read_starts

PLAIN = ("c", "bits")
"""What a network leaves as, unless said otherwise; no other package is needed for it."""
FORMATS = (*PLAIN, *runtimes.RUNTIMES)
"""What a network can leave as."""
CHECKED, WATCHED, COMPARED, HELD = 1000, 256, 64, 10
"""Images: on which the classes are compared, the ranges are watched, all signs are compared, and in `check.c`."""
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
        said: what was found when the files were run, a sentence each.
        flash, ram: bytes of the C: its constants, and its maps; None where no C was written.
    """

    folder: Path
    files: Mapping[str, int]
    sites: tuple[SiteReport, ...]
    agreement: Agreement
    said: tuple[str, ...]
    flash: int | None = None
    ram: int | None = None


def export(
    training: str | os.PathLike[str] | Run,
    to: Sequence[str] = PLAIN,
    out: str | Path | None = None,
    *,
    seed: int | None = None,
    data_dir: Path | None = None,
    compiler: str | None = None,
    additions: Additions | None = None,
    rules: Mapping[type[nn.Module], Rule] | None = None,
) -> Exported:
    """Write a trained network as real 1-bit code, and return what was found when it was run.

        evobnn.export("populations/train-digits-1", to=["c", "bits"], out="digits-c")

    Arguments:
        training: folder of a training (`evobnn train`), or its name below `populations/`; `NAME:SEED` names a seed.
        to: `c` for model.h, model.c and check.c; `bits` for bits.safetensors, see `evobnn.deploy.read_bits`; `onnx`,
            `qonnx` and `openvino`, each of which needs the extra of its name.
        out: a folder that does not exist; by default the training's name and seed, in the present folder.
        seed: whose weights; by default those of the first seed that was trained.
        data_dir: folder with the data set's files, on whose training images everything is checked.
        compiler: of C; by default $CC, cc, gcc or clang. Without any the C is written and not run.
        additions: the operations and forms of your own with which it was trained.
        rules: how modules of your own leave, by class, see `evobnn.deploy.lower`.

    Raises:
        EvobnnError: no such training, no weights, a module without a rule, a folder that exists, a compiler or
            package that is not there, or files that do not say what the network says; then nothing is left.
    """
    for name in to:
        check_name("export format", name, FORMATS, NetworkError)
        if name in runtimes.RUNTIMES:
            runtimes.require(name)
    if not to:
        raise NetworkError(message(f"a format, {' or '.join(FORMATS)}", "none", "Name one with --to."))
    training, seed = _named(training, seed)
    network = load_network(training, seed=seed, data_dir=data_dir, additions=additions)
    home = Path(out) if out is not None else Path(f"{_title(training)}-seed-{network.seed}")
    if home.exists():
        raise RunError(message("a folder that does not exist yet", f"{home}", "Choose another one with --out DIR."))
    cc = compiled.compiler(compiler) if "c" in to else None
    lowered = lower(network.network, network.shape, network.mean.numpy(), network.deviation.numpy(), rules)
    images, note = _images(training, network, data_dir)
    graph, sites = fold_sites(lowered, watched_ranges(lowered.graph, images[:WATCHED]) if not note else None)
    agreement = _agreed(graph, network, images[:COMPARED])
    said, code = [note] if note else [], None
    with writing(home):
        home.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=f".{home.name}-", dir=home.parent))
    try:
        if "c" in to:
            code = source(graph, Described(network.class_names, _about(network)))
            said += _c(place, code, graph, network, images, cc)
        if "bits" in to:
            said += _bits(place, graph, network, images[:HELD])
        if others := [name for name in runtimes.RUNTIMES if name in to]:
            packed, wanted = _packed(graph, network), network.logits(images).numpy().argmax(1)
            for name in others:
                said += runtimes.export(name, place, packed, images, wanted, partial(torch_signs, network))
        with writing(home):
            place.chmod(0o755)
            place.rename(home)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    files = {path.name: path.stat().st_size for path in sorted(home.iterdir())}
    sizes = (code.flash, code.ram) if code else ()
    return Exported(home, files, sites, agreement, tuple(said), *sizes)


def _named(training: str | os.PathLike[str] | Run, seed: int | None) -> tuple[str | os.PathLike[str] | Run, int | None]:
    """Return the training and the seed that `NAME:SEED` says."""
    if isinstance(training, Run):
        return training, seed
    head, colon, tail = os.fspath(training).rpartition(":")
    if not colon or not (tail.isascii() and tail.isdigit()):
        return training, seed
    if runs.is_one(head):
        return training, seed  # RUN:ID, which `load_network` refuses and says what to do
    if seed is not None and seed != int(tail):
        raise RunError(message("one seed", f"{tail} and {seed}", "Name it once."))
    return head, int(tail)


def _title(training: str | os.PathLike[str] | Run) -> str:
    return Path(training.path if isinstance(training, Run) else training).resolve().name


def _images(training: str | os.PathLike[str] | Run, network: LoadedNetwork, data_dir: Path | None) -> tuple[Array, str]:
    """Return images to check on, uint8 (N, C, H, W): of the training part; else noise, and a sentence that says so."""
    spec = network.settings.experiment.dataset
    there = next(reversed(read_starts(training_of(training))), {}).get("data_dir")
    folder = data_dir or (Path(there) if there else None)
    images, real = images_like(spec, folder, network.shape, CHECKED, network.settings.all_images)
    noise = "The training images are not at hand: checked on noise, and folded without ranges that were seen."
    return images, "" if real else noise


def torch_signs(network: LoadedNetwork, images: Array) -> tuple[dict[str, Array], Array]:
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
        logits: Array = network.logits(torch.from_numpy(images)).numpy()
    finally:
        for hook in hooks:
            hook.remove()
    return {path: np.concatenate(parts) for path, parts in found.items()}, logits


def _agreed(graph: Graph, network: LoadedNetwork, images: Array) -> Agreement:
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


def _c(
    place: Path, code: Source, graph: Graph, network: LoadedNetwork, images: Array, cc: compiled.Compiler | None
) -> list[str]:
    for name, text in (("model.h", code.header), ("model.c", code.code), ("check.c", check_c(graph, images[:HELD]))):
        (place / name).write_text(text, encoding="utf-8")
    said = [f"model.c: {code.flash:,} bytes of constants, {code.ram:,} bytes of memory."]
    if cc is None:
        return [*said, "model.c was not run here: there is no C compiler. Compile it with check.c where there is one."]
    compiled.checked(cc, place)
    own = compiled.logits_of(cc, place, images, len(network.class_names))
    wanted = network.logits(images).numpy()
    other = np.flatnonzero(own.argmax(1) != wanted.argmax(1))
    same = len(images) - len(other)
    said.append(f"model.c, compiled by {cc.version}: {same:,} of {len(images):,} images in PyTorch's class.")
    if len(other):
        signs, _ = torch_signs(network, images[other])
        mine, logits = signs_of(graph, images[other])
        turned = np.array(
            [sum(int((mine[path][n] != signs[path][n]).sum()) for path in mine) for n in range(len(other))]
        )
        if (turned == 0).any() or (logits.argmax(1) != own[other].argmax(1)).any():
            got = f"another one for image {other[0]}, and no sign that rounding turned"
            raise NetworkError(message("PyTorch's class from the compiled C", got, compiled.REPORT))
        said.append(f"In the other {len(other)} rounding turned {int(turned.sum())} signs.")
    return said


def _packed(graph: Graph, network: LoadedNetwork) -> tensors.Packed:
    about = {"genome": str(network.genome), "seed": network.seed, **_accuracy(network)}
    return tensors.Packed(graph, network.class_names, about)


def _bits(place: Path, graph: Graph, network: LoadedNetwork, images: Array) -> list[str]:
    data = tensors.pack(_packed(graph, network))
    path = place / "bits.safetensors"
    path.write_bytes(data)
    mine, logits = signs_of(graph, images)
    other, again = signs_of(tensors.read_bits(path).graph, images)
    if not np.array_equal(logits, again) or any(not np.array_equal(mine[name], other[name]) for name in mine):
        got = "others from the file of bits"
        raise NetworkError(message("the answers of the reference", got, compiled.REPORT))
    found, analytic = tensors.sizes(data), profile(network.network, network.shape).bits / 8
    return [
        f"bits.safetensors: {found.tensors:,} bytes of tensors, {found.tensors / analytic:.2f} times the "
        f"{analytic:,.0f} that are counted, and {found.head:,} bytes of header and graph."
    ]


def _accuracy(network: LoadedNetwork) -> dict[str, object]:
    rows = (network.result or {}).get("seeds", ())
    own = next((row for row in rows if isinstance(row, Mapping) and row.get("seed") == network.seed), {})
    return {"test_error": own["test_error"]} if own.get("test_error") is not None else {}


def _about(network: LoadedNetwork) -> list[str]:
    error = _accuracy(network).get("test_error")
    lines = [f"Genome: {network.genome}", f"Seed: {network.seed}."]
    if isinstance(error, float):
        lines.append(f"Right on {100 * (1 - error):.2f} % of the test images, as PyTorch computes it.")
    return [*lines, f"Classes: {', '.join(network.class_names)}."]
