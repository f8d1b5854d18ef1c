"""A run as Python users hold it: what `evobnn.search`, `resume` and `load_run` return; reading it loads no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evobnn import analysis
from evobnn.runs.named import last_start

if TYPE_CHECKING:
    from torch import nn

    from evobnn.evaluation import Additions


@dataclass(frozen=True)
class Run(analysis.Run):
    """A run folder as it was when it was read, and what can be done with it; `run.resume(generations=20)` goes on.

    >>> run = evobnn.load_run("populations/digits")
    >>> list(run.front().columns[:4])
    ['id', 'genome', 'error', 'ops']
    >>> network = run.network(run.front()["id"][0])
    >>> type(network).__name__
    'Network'
    """

    def network(
        self, id: int, *, seed: int = 0, data_dir: str | Path | None = None, additions: Additions | None = None
    ) -> nn.Module:
        """Return the network of an individual, untrained: its weights are random, as before a training. It takes
        normalised float32 images (N, C, H, W) and returns logits (N, classes).

        A search keeps no weights; `evobnn.load_network` has those of a final training.

        Arguments:
            id: of the individual.
            seed: of the random weights.
            data_dir: folder with the data set's files, which say shape and classes; None for that of the last start.
            additions: the operations and forms of your own with which the run was searched.

        Raises:
            EvobnnError: no such id, or images of which nothing is known.
        """
        import torch

        from evobnn.runs.setup import open_experiment
        from evobnn.runs.subject import paper_bench

        individual = self.individual(id)
        there = data_dir or last_start(self.path).get("data_dir")
        experiment = open_experiment(self.path)
        readable = replace(experiment, recipe=replace(experiment.recipe, kernels="torch", precision="fp32"))
        bench = paper_bench(readable, Path(there) if there else None, additions)
        genome = bench.space.parse(individual.genome)
        bench.space.check_buildable(genome)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return bench.network(genome)

    def resume(self, *, generations: int | None = None, **others: Any) -> Run:
        """Go on with the run and return it as it is then; arguments as those of `evobnn.resume`."""
        from evobnn.runs.face import resume

        return resume(self, generations=generations, **others)


def load_run(path: str | Path) -> Run:
    """Read a run folder, without changing anything in it; errors as those of `evobnn.analysis.load_run`.

    >>> run = evobnn.load_run("populations/digits")
    >>> run.objectives
    ('error', 'ops')
    """
    found = analysis.load_run(path)
    return Run(found.path, found.generations, found.messages, found.rescored)
