"""Whether a network says the same wherever it goes: networks of every kind, trained briefly, exported and run.

Each is trained by `evobnn train`'s functions, leaves by `evobnn.export` in all formats, which refuses what disagrees, and
is then looked at again from outside: signs of every site, classes of training images, right answers on the test part.
An image of another class than PyTorch's must come with signs that rounding turned. Needs the extras onnx, qonnx and
openvino and a C compiler. It goes on with what is in `--out`, a line of JSON for each network that is finished.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from figures import heading
from same_networks import SUBJECTS, Subject, trained

import evobnn
from evobnn.data import load_test
from evobnn.deploy.bits import Packed, read_bits, sizes
from evobnn.deploy.c import check_c
from evobnn.deploy.compiled import Compiler, checked, compiler, logits_of
from evobnn.deploy.export import CHECKED, COMPARED, WATCHED, torch_signs
from evobnn.deploy.graph import Graph
from evobnn.deploy.images import images_like
from evobnn.deploy.lower import lower
from evobnn.deploy.ops import Array, Site
from evobnn.deploy.passes import SiteReport, fold_sites, watched_ranges
from evobnn.deploy.reference import evaluate
from evobnn.deploy.runtimes import RUNTIMES, Answers
from evobnn.deploy.verify import compared, signs_of
from evobnn.nn import TreeActivation, profile
from evobnn.runs.final.loaded import LoadedNetwork

FORMATS = ("c", "bits", "onnx", "qonnx", "openvino")
FLOAT, COUNT = 32, 8
"""Bits of a number, and of how many thresholds a channel has."""


def exact_zeros(network: LoadedNetwork, images: Array) -> float:
    """Return the share of the values of all functions before signs that are exactly 0."""
    found: Counter[str] = Counter()

    def watch(module: Any, given: Any, output: torch.Tensor) -> None:
        found["zero"] += int((output == 0).sum())
        found["all"] += output.numel()

    hooks = [m.register_forward_hook(watch) for m in network.modules() if isinstance(m, TreeActivation)]
    network.logits(images)
    for hook in hooks:
        hook.remove()
    return found["zero"] / max(1, found["all"])


class Leaving:
    """A network that has left in all formats: what each of them answers."""

    def __init__(self, network: LoadedNetwork, graph: Graph, folder: Path, cc: Compiler) -> None:
        self.network, self.graph, self.folder, self.cc = network, graph, folder, cc
        self.packed: Packed = read_bits(folder / "bits.safetensors")

    def logits(self, name: str, images: Array) -> Array:
        """Return the logits (N, classes) of a format."""
        if name == "c":
            return logits_of(self.cc, self.folder, images, len(self.network.class_names), ("-O3", "-march=native"))
        if name == "bits":
            return evaluate(self.packed.graph, images)
        return RUNTIMES[name].run(self.folder, self.graph, images, sites=False)[1]

    def answers(self, name: str, images: Array) -> Answers:
        """Return the signs of every site by its path, and the logits; of the C those of the reference."""
        if name in RUNTIMES:
            return RUNTIMES[name].run(self.folder, self.graph, images, sites=True)
        return signs_of(self.packed.graph, images)

    def signs(self, name: str, images: Array) -> dict[str, int]:
        """Return how many signs were compared with the reference's, how many rounding turned, how many are wrong."""
        images = images[: RUNTIMES[name].compared if name in RUNTIMES else COMPARED]
        if name == "c":  # compiled, it says which sites differ; their logits have no other bit either
            with tempfile.TemporaryDirectory() as place:
                for file in ("model.h", "model.c"):
                    shutil.copy(self.folder / file, place)
                (Path(place) / "check.c").write_text(check_c(self.graph, images))
                said = checked(self.cc, Path(place), ("-O3", "-march=native"))
            bits = len(images) * sum(int(np.prod(node.output.shape)) for node in self.graph.sites)
            wrong = int(said.splitlines()[1].rpartition(" ")[2])
            return {"images": len(images), "signs": bits, "flips": 0, "wrong": wrong}
        found = compared(self.graph, images, *self.answers(name, images))
        wrong = sum(count for _, count in found.wrong)
        return {"images": found.images, "signs": found.bits, "flips": found.flips, "wrong": wrong}

    def classes(self, name: str, images: Array, labels: Array | None = None) -> dict[str, Any]:
        """Return how many images are in PyTorch's class, and of the others how many come with a turned sign."""
        images = images[: RUNTIMES[name].checked] if name in RUNTIMES else images
        own, wanted = self.logits(name, images).argmax(1), self.network.predict(images)
        other = np.flatnonzero(own != wanted)
        explained = 0
        if len(other):
            mine, _ = self.answers(name, images[other])
            theirs, logits = torch_signs(self.network, images[other])
            assert not compared(self.graph, images[other], theirs, logits).wrong
            explained = sum(any((mine[path][n] != theirs[path][n]).any() for path in mine) for n in range(len(other)))
        found: dict[str, Any] = {"images": len(images), "same": len(images) - len(other), "explained": explained}
        if labels is not None:
            labels = labels[: len(images)]
            found |= {"right": int((own == labels).sum()), "right in PyTorch": int((wanted == labels).sum())}
        return found


def folding(sites: Sequence[SiteReport]) -> dict[str, Any]:
    """Return the channels of all sites by how they leave, and why not all of them as thresholds for every number."""
    reasons: Counter[str] = Counter()
    for site in sites:
        reasons.update(site.reasons)
    counts = {name: sum(getattr(site, name) for site in sites) for name in ("whole", "seen", "direct")}
    return {**counts, "most": max((site.most for site in sites), default=0), "reasons": dict(reasons)}


def weight_of(file: Path, network: LoadedNetwork, graph: Graph) -> dict[str, Any]:
    """Return the bytes of a file of bits, those that are counted, and what sites take of either."""
    found = sizes(file.read_bytes())
    tables = [node.op.table for node in graph.sites if isinstance(node.op, Site) and node.op.table]
    thresholds = sum(int(np.isfinite(table.thresholds).sum()) for table in tables)
    ranges = sum(2 * len(table.low) for table in tables if not np.isinf(table.low).all())
    chains = [op for node in graph.sites if isinstance(node.op, Site) for op in node.op.direct]
    direct = sum(values.size for op in chains for values in (*vars(op).values(), *vars(op).get("parameters", {}).values())
                 if isinstance(values, np.ndarray))  # fmt: skip
    counted = profile(network.network, network.shape).bits / 8
    return {
        "tensors": found.tensors, "head": found.head, "counted": counted, "ratio": found.tensors / counted,
        "thresholds": thresholds, "numbers of ranges": ranges, "numbers of functions": direct,
        "channels": sum(len(table.first) for table in tables),
    }  # fmt: skip


def measured(name: str, subject: Subject, given: argparse.Namespace, say: Callable[[str], None]) -> dict[str, Any]:
    """Train a network, export it, and return all that was found."""
    say("training")
    training = trained(name, given.folder, given.data_dir)
    network = evobnn.load_network(training, additions=subject.additions)
    spec = network.settings.experiment.dataset
    out = training.with_name(f"{training.name}-out")
    shutil.rmtree(out, ignore_errors=True)
    say("export")
    exported = evobnn.export(
        training, FORMATS, out, data_dir=given.data_dir, additions=subject.additions, rules=subject.rules
    )
    images, real = images_like(spec, given.data_dir, network.shape, CHECKED)
    assert real
    lowered = lower(network.network, network.shape, network.mean.numpy(), network.deviation.numpy(), subject.rules)
    graph, sites = fold_sites(lowered, watched_ranges(lowered.graph, images[:WATCHED]))
    cc = compiler()
    assert cc is not None
    leaving = Leaving(network, graph, out, cc)
    agreed = exported.agreement
    torch_ = {"images": agreed.images, "signs": agreed.bits, "flips": agreed.flips, "wrong": len(agreed.wrong)}
    test = load_test(spec, given.data_dir)
    test = test.select(np.arange(min(given.test, len(test))))
    found: dict[str, Any] = {
        "name": name, "genome": str(network.genome), "shape": network.shape, "dataset": spec.name,
        "test error": (network.result or {})["seeds"][0]["test_error"], "torch": torch_, "formats": {},
        "zeros": exact_zeros(network, images[:COMPARED]), "folding": folding(sites),
        "bits": weight_of(out / "bits.safetensors", network, graph), "said": exported.said,
    }  # fmt: skip
    for one in FORMATS:
        say(one)
        signs, classes = leaving.signs(one, images), leaving.classes(one, images)
        found["formats"][one] = {"signs": signs, "classes": classes, "test": leaving.classes(one, test.images, test.labels)}
    return found


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return what is printed at the end: a block of lines for each network."""
    lines = []
    for row in rows:
        shape, fold, bits = "x".join(map(str, row["shape"])), row["folding"], row["bits"]
        channels = fold["whole"] + fold["seen"] + fold["direct"]
        agreed = row["torch"]
        lines.append(f"\n{row['name']}: {row['dataset']} {shape}, {100 * (1 - row['test error']):.2f} % right, as trained")
        lines.append(
            f"  {row['genome'].rpartition(']')[2].strip()}; {100 * row['zeros']:.2f} % of its values exactly 0; "
            f"PyTorch against the reference: {agreed['signs']:,} signs, {agreed['flips']} turned, {agreed['wrong']} wrong"
        )
        why = ", ".join(f"{count} {reason}" for reason, count in fold["reasons"].items())
        lines.append(
            f"  folded {fold['whole']} of {channels} channels, {fold['seen']} where seen, {fold['direct']} direct"
            + (f" ({why})" if why else "")
        )
        lines.append(
            f"  bits {bits['tensors']:,} bytes, {bits['ratio']:.3f} of {bits['counted']:,.0f}; head {bits['head']:,}"
        )
        for name, found in row["formats"].items():
            signs, classes, test = found["signs"], found["classes"], found["test"]
            lines.append(
                f"  {name:9} {signs['signs']:>10,} signs, {signs['flips']} turned, {signs['wrong']} wrong; classes "
                f"{classes['same']:,} of {classes['images']:,} ({classes['explained']} explained); test part "
                f"{test['right']:,} right of {test['images']:,}, PyTorch {test['right in PyTorch']:,}, "
                f"{test['same']:,} the same ({test['explained']} explained)"
            )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="with the files of CIFAR-10; without it, its networks are left out")
    parser.add_argument("--folder", type=Path, default=Path("populations/same"), help="for trainings and exports")
    parser.add_argument("--only", nargs="+", choices=SUBJECTS, help="of the networks")
    parser.add_argument("--test", type=int, default=10_000, help="images of the test part at most (default: 10000)")
    parser.add_argument("--out", type=Path, default=Path("populations/same/same.jsonl"), help="a line a network")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(heading())
    given.out.parent.mkdir(parents=True, exist_ok=True)
    lines = given.out.read_text(encoding="utf-8").splitlines() if given.out.exists() else []
    rows = {row["name"]: row for row in map(json.loads, lines)}
    for name, subject in SUBJECTS.items():
        left_out = subject.preset == "cifar10" and given.data_dir is None
        if name not in rows and not left_out and name in (given.only or SUBJECTS):
            rows[name] = measured(name, subject, given, lambda what, name=name: print(f"{name}: {what}", flush=True))
            with given.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rows[name]) + "\n")
    print(table([rows[name] for name in SUBJECTS if name in rows]))


if __name__ == "__main__":
    main()
