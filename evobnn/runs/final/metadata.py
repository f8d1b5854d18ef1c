"""What stands beside the weights in their file, so that a network can be used where its data set is not."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from evobnn import _jsonl
from evobnn.data.formats.pictures import Frame

NAME = "evobnn"
"""Under which it stands among the metadata of a file of tensors."""
FORMAT, VERSION = "evobnn-weights", 1


@dataclass(frozen=True)
class Metadata:
    """How images become what the network was trained on, and what its answers mean.

    Attributes:
        shape: (C, H, W) of an image.
        class_names: of the logits, in their order.
        mean, deviation: of each channel over the training part in grey values, 0 to 255, exactly as in training.
        bits, paper: how image files of 16 bits and transparent ones are read, see `evobnn.data.formats.pictures.Frame`.
    """

    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    bits: int = Frame.bits
    paper: int = Frame.paper

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1 or len(self.class_names) < 2:
            raise ValueError(f"shape {self.shape} and {len(self.class_names)} classes")
        if not len(self.mean) == len(self.deviation) == self.shape[0]:
            raise ValueError(f"the moments of {len(self.mean)} and {len(self.deviation)} of {self.shape[0]} channels")
        if not all(map(math.isfinite, self.mean + self.deviation)) or min(self.deviation) <= 0:
            raise ValueError(f"mean {self.mean} and deviation {self.deviation}")

    def text(self) -> str:
        """Return it as JSON; equal ones give equal texts."""
        return json.dumps({"format": FORMAT, "version": VERSION, **asdict(self)}, allow_nan=False)


def read(text: str, path: Path) -> Metadata:
    """Return what a text in the weights at `path` says.

    Raises:
        NewerError: it is of a newer version.
        ValueError: it is not what was written.
    """
    row = _jsonl.parse(text.encode())
    if row.pop("format", None) != FORMAT:
        raise ValueError("metadata of another format")
    _jsonl.check_version(path, row, VERSION)
    del row["version"]
    row = _jsonl.take(row, shape=list, class_names=list, mean=list, deviation=list, bits=int, paper=int)
    for name, kind in (("shape", int), ("class_names", str), ("mean", float), ("deviation", float)):
        if not all(type(value) is kind for value in row[name]):
            raise ValueError(f"'{name}' with something that is no {kind.__name__}")
        row[name] = tuple(row[name])
    return Metadata(**row)
