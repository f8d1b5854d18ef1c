"""A training as Python users hold it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evobnn.data import Images, load_test
from evobnn.evaluation import Additions
from evobnn.experiment.final import open_settings
from evobnn.runs.final.loaded import LoadedNetwork
from evobnn.runs.final.loading import load_network
from evobnn.runs.named import last_start


@dataclass(frozen=True)
class Training:
    """The folder of a finished training, and what can be done with it; `evobnn.train` returns one.

    It stands for its path wherever a training folder is named, as in `evobnn.export(training)`.

    Attributes:
        path: the folder.
        result: what `result.json` says, its test error above all: `result["test_error"]["mean"]`.

    >>> small = {"dataset.train_limit": 100, "recipe.kernels": "torch"}
    >>> training = evobnn.train(
    ...     "populations/digits:63", epochs=1, threads=1, settings=small, out="runs/training"
    ... )
    >>> len(training.test_images())
    359
    >>> 0 <= training.result["test_error"]["mean"] <= 1
    True
    """

    path: Path
    result: Mapping[str, Any]

    def __fspath__(self) -> str:
        return str(self.path)

    def network(
        self, seed: int | None = None, *, device: str = "cpu", additions: Additions | None = None
    ) -> LoadedNetwork:
        """Return the network with its weights, by default those of the first seed; see `evobnn.load_network`."""
        return load_network(self.path, seed=seed, device=device, additions=additions)

    def test_images(self, data_dir: str | Path | None = None) -> Images:
        """Return the test images as the network takes them: `images` uint8 (N, C, H, W), `labels` and `class_names`.

        They are for looking at what the network makes of them; what is chosen by them is no longer tested.

        Arguments:
            data_dir: folder with the data set's files; None for where the training found them.

        Raises:
            DataError: the files are not there, or are damaged.
        """
        there = data_dir or last_start(self.path).get("data_dir")
        return load_test(open_settings(self.path).experiment.dataset, Path(there) if there else None)
