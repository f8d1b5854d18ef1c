"""A training that waits on its trunk, in a file: what a longer one begins with, if there is to be one.

The file is a cache. Where it is missing, damaged, or of another training, the training is done from the beginning and
yields the same; so nothing here raises on account of a file. Reading executes nothing.

    {"format": "evobnn-trunk", "training": …, "curve": […], "digest": …}    one line of JSON
    tensors                                                                 as safetensors
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load as unpacked
from safetensors.torch import save as packed
from torch import Tensor

from evobnn._jsonl import write_bytes
from evobnn.errors import RunError
from evobnn.training.epoch import Epoch

FORMAT = "evobnn-trunk"


@dataclass(frozen=True, eq=False)
class Trunk:
    """A training between two of its epochs.

    Attributes:
        tensors: all that changes in it, see `Loop.tensors`.
        curve: a point for each of its epochs.
    """

    tensors: Mapping[str, Tensor]
    curve: tuple[Epoch, ...]


def save_trunk(trunk: Trunk, path: Path, training: str) -> bool:
    """Replace a file, whose folder is made where it is missing, and return whether that worked.

    Arguments:
        trunk: what is kept.
        path: of the file.
        training: names the training, so that no other one goes on from there.
    """
    data = packed({name: tensor.cpu().contiguous() for name, tensor in trunk.tensors.items()})
    facts = {"format": FORMAT, "training": training, "curve": [astuple(point) for point in trunk.curve]}
    with suppress(OSError, RunError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, json.dumps({**facts, "digest": _digest(facts, data)}).encode() + b"\n" + data)
        return True
    return False


def load_trunk(path: Path, training: str) -> Trunk | None:
    """Return the trunk in a file, or None where it is not there, not whole, or of another training."""
    try:
        head, _, data = path.read_bytes().partition(b"\n")
        facts = json.loads(head)
        if facts.pop("digest") != _digest(facts, data) or (facts["format"], facts["training"]) != (FORMAT, training):
            return None
        return Trunk(unpacked(data), tuple(Epoch(*point) for point in facts["curve"]))
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, SafetensorError):
        return None


def _digest(facts: object, data: bytes) -> str:
    return hashlib.sha256(json.dumps(facts).encode() + b"\n" + data).hexdigest()
