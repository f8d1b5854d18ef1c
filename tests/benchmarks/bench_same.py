"""Whether a network says the same wherever it goes: networks of every kind, trained briefly, exported and run.

Each is trained by the functions of `evobnn train` and leaves by `evobnn.export` in all formats, which runs them and
refuses what disagrees: signs of every site, classes of 1,000 training images. Then they name the images of the test
part. An image in another class than PyTorch's must come with signs that rounding turned. Needs the extras onnx, qonnx
and openvino and a C compiler. It goes on with what is in `--out`, a line of JSON for each network that is finished.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from figures import heading
from same_networks import SUBJECTS, Subject, trained

import evobnn
from evobnn.data import Images, load_test
from evobnn.deploy import FORMATS
from evobnn.deploy.bits import read_bits, sizes
from evobnn.deploy.compiled import Compiler, compiler, logits_of
from evobnn.deploy.export import CHECKED, WATCHED, torch_signs
from evobnn.deploy.formats import BITS
from evobnn.deploy.graph import Graph
from evobnn.deploy.images import images_like
from evobnn.deploy.lower import lower
from evobnn.deploy.ops import Array, Site
from evobnn.deploy.passes import SiteReport, fold_sites, watched_ranges
from evobnn.deploy.reference import evaluate
from evobnn.deploy.runtimes import RUNTIMES, Answers, turned
from evobnn.deploy.timing import simd_flags
from evobnn.deploy.verify import signs_of
from evobnn.nn import TreeActivation, profile
from evobnn.runs.final.loaded import LoadedNetwork


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


@dataclass(frozen=True)
class Left:
    """A network that has left in all formats, and the files."""

    network: LoadedNetwork
    graph: Graph
    folder: Path
    compiler: Compiler

    def logits(self, name: str, images: Array) -> Array:
        """Return the logits (N, classes) of a format."""
        if name == "c":
            flags = ("-O3", *(simd_flags(self.compiler) or ()))
            return logits_of(self.compiler, self.folder, images, len(self.network.class_names), flags)
        if name == "bits":
            return evaluate(read_bits(self.folder / BITS).graph, images)
        return RUNTIMES[name].run(self.folder, self.graph, images, sites=False)[1]

    def answers(self, name: str, images: Array) -> Answers:
        """Return the signs of every site by its path, and the logits; of C and bits those of the reference."""
        if name in RUNTIMES:
            return RUNTIMES[name].run(self.folder, self.graph, images, sites=True)
        return signs_of(self.graph, images)

    def tested(self, name: str, test: Images, count: int) -> dict[str, int]:
        """Return how many images of the test part a format and PyTorch name rightly, and what parts them.

        Raises NetworkError for another class than PyTorch's that no turned sign explains.
        """
        images, labels = test.images[:count], test.labels[:count]
        own, wanted = self.logits(name, images).argmax(1), self.network.predict(images)
        other = np.flatnonzero(own != wanted)
        told: Any = (
            (self.answers(name, images[other]), torch_signs(self.network, images[other])) if len(other) else None
        )
        signs = turned(name, self.graph, images[other], *told) if told else 0
        right = {"right": int((own == labels).sum()), "torch": int((wanted == labels).sum())}
        return {"images": len(images), "same": len(images) - len(other), "turned": signs, **right}


def folding(sites: Sequence[SiteReport]) -> dict[str, Any]:
    """Return the channels of all sites by how they leave, and why not all of them as thresholds for every number."""
    reasons: Counter[str] = Counter()
    for site in sites:
        reasons.update(site.reasons)
    counts = {name: sum(getattr(site, name) for site in sites) for name in ("whole", "seen", "direct")}
    return {**counts, "most": max((site.most for site in sites), default=0), "reasons": dict(reasons)}


def weight_of(file: Path, counted: float, graph: Graph) -> dict[str, Any]:
    """Return the bytes of a file of bits beside those that are counted, and how many numbers sites hold."""
    found = sizes(file.read_bytes())
    sites = [node.op for node in graph.sites if isinstance(node.op, Site)]
    tables = [site.table for site in sites if site.table is not None]
    chains = [op for site in sites for op in site.direct]
    held = [one for op in chains for one in (*vars(op).values(), *getattr(op, "parameters", {}).values())]
    return {
        "tensors": found.tensors, "head": found.head, "counted": counted, "ratio": found.tensors / counted,
        "channels": sum(len(table.first) for table in tables),
        "thresholds": sum(int(np.isfinite(table.thresholds).sum()) for table in tables),
        "ends of ranges": sum(2 * len(table.low) for table in tables if not np.isinf(table.low).all()),
        "in functions": sum(one.size for one in held if isinstance(one, np.ndarray)),
    }  # fmt: skip


def measured(name: str, subject: Subject, given: argparse.Namespace) -> dict[str, Any]:
    """Train a network, export it, and return all that was found."""
    training = trained(name, given.folder, given.data_dir)
    network = evobnn.load_network(training, additions=subject.additions)
    spec = network.settings.experiment.dataset
    out = training.with_name(f"{training.name}-out")
    shutil.rmtree(out, ignore_errors=True)
    own = {"additions": subject.additions, "rules": subject.rules}
    exported = evobnn.export(training, FORMATS, out, data_dir=given.data_dir, **own)
    images, real = images_like(spec, given.data_dir, network.shape, CHECKED)
    assert real
    lowered = lower(network.network, network.shape, network.mean.numpy(), network.deviation.numpy(), subject.rules)
    graph, sites = fold_sites(lowered, watched_ranges(lowered.graph, images[:WATCHED]))
    cc = compiler()
    assert cc is not None
    left, test = Left(network, graph, out, cc), load_test(spec, given.data_dir)
    # Those that take long an image see fewer.
    counts = {"bits": 100, "qonnx": RUNTIMES["qonnx"].checked}
    tested = {one: left.tested(one, test, min(given.test, counts.get(one, given.test))) for one in FORMATS}
    counted = profile(network.network, network.shape, subject.additions.all_counters).bits / 8
    return {
        "name": name, "genome": str(network.genome), "shape": network.shape, "dataset": spec.name,
        "test error": (network.result or {})["seeds"][0]["test_error"], "torch": asdict(exported.agreement),
        "answered": {one: asdict(found) for one, found in exported.answered.items()}, "tested": tested,
        "zeros": exact_zeros(network, images[:64]), "folding": folding(sites),
        "bits": weight_of(out / BITS, counted, graph), "files": exported.files, "said": exported.said,
    }  # fmt: skip


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return what is printed at the end: a block of lines for each network."""
    lines = []
    for row in rows:
        shape, fold, bits = "x".join(map(str, row["shape"])), row["folding"], row["bits"]
        channels = fold["whole"] + fold["seen"] + fold["direct"]
        agreed = row["torch"]
        right = f"{100 * (1 - row['test error']):.2f} % right, as trained"
        lines.append(f"\n{row['name']}: {row['dataset']} {shape}, {right}; {row['genome'].rpartition(']')[2].strip()}")
        lines.append(
            f"  {100 * row['zeros']:.2f} % of the values of its functions are exactly 0; PyTorch and the reference: "
            f"{agreed['bits']:,} signs, {agreed['flips']} turned, {len(agreed['wrong'])} wrong"
        )
        why = ", ".join(f"{count} {reason}" for reason, count in fold["reasons"].items())
        lines.append(
            f"  folded {fold['whole']} of {channels} channels, {fold['seen']} where seen, {fold['direct']} direct"
            + (f" ({why})" if why else "")
        )
        lines.append(
            f"  bits {bits['tensors']:,} bytes, {bits['ratio']:.3f} of {bits['counted']:,.0f}; head {bits['head']:,}; "
            f"in sites {bits['thresholds']} thresholds of {bits['channels']} channels, {bits['ends of ranges']} ends "
            f"of ranges, {bits['in functions']} numbers of functions"
        )
        for name, found in row["answered"].items():
            test = row["tested"][name]
            classes = f"classes {found['same']:,} of {found['images']:,}, {found['turned']} turned; " * (
                found["images"] > 0
            )
            lines.append(
                f"  {name:9}{found['bits']:>10,} signs, {found['flips']} turned; {classes}test {test['same']:,} of "
                f"{test['images']:,} as PyTorch, {test['turned']} turned, right {test['right']:,} and {test['torch']:,}"
            )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data-dir", type=Path, help="with the files of CIFAR-10; without it, its networks are left out"
    )
    parser.add_argument("--folder", type=Path, default=Path("populations/same"), help="for trainings and exports")
    parser.add_argument("--only", nargs="+", choices=SUBJECTS, help="of the networks")
    parser.add_argument("--test", type=int, default=1000, help="images of the test part (default: 1000)")
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
            rows[name] = measured(name, subject, given)
            print(table([rows[name]]), flush=True)
            with given.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rows[name]) + "\n")
    print("\nAll together", table([rows[name] for name in SUBJECTS if name in rows]), sep="\n")


if __name__ == "__main__":
    main()
