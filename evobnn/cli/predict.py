"""`evobnn predict`: image files in, classes out, by a network that was trained to its end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from evobnn.cli.brought import additions
from evobnn.cli.console import console, table
from evobnn.cli.loops import compile_first
from evobnn.cli.words import percent
from evobnn.data.formats.single import read_image
from evobnn.runs.final.loaded import BATCH
from evobnn.runs.final.loading import load_network


def show(
    folder: str,
    files: Sequence[Path],
    *,
    seed: int | None,
    kernels: str,
    device: str | None,
    data_dir: Path | None,
    brought: Sequence[str],
    as_json: bool,
) -> None:
    """Print for each file the class that the network gives it, and that class's share of the softmax."""
    own = additions(brought)
    network = load_network(folder, seed=seed, kernels=kernels, device=device or "cpu", data_dir=data_dir, additions=own)
    spec, beside = network.settings.experiment.dataset, network.metadata

    def read(paths: Sequence[Path]) -> npt.NDArray[np.uint8]:
        return np.stack([read_image(path, network.shape, spec, beside.bits, beside.paper) for path in paths])

    fused = kernels == "recorded" and network.settings.plan.stages[0].recipe.kernels == "fused"
    compile_first(fused and (device or "cpu") == "cpu", on_stderr=True)
    parts = [network.logits(read(files[at : at + BATCH])) for at in range(0, len(files), BATCH)]
    shares = torch.cat(parts).softmax(1).cpu()
    rows = [
        {"file": str(path), "class": network.class_names[index], "index": index, "share": share}
        for path, index, share in zip(files, shares.argmax(1).tolist(), shares.max(1).values.tolist(), strict=True)
    ]
    if as_json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    shown = table("file", "class", "share", left=2, first=(1, 0, 2))
    for row in rows:
        shown.add_row(row["file"], row["class"], percent(row["share"], 1))
    shown.show(console())
