"""Training the shared network: one genome of it at a time, by the recipe of the search.

A pure function of (bench, settings, root seed). Every few epochs its state is kept in a file, from which a training
that was killed goes on; it ends with the same bytes. The finished network is kept in another one, by place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from evobnn._seeding import child_seed
from evobnn.data.loaders import Loader
from evobnn.errors import ExperimentError, RunError, message
from evobnn.evaluation import Bench
from evobnn.evaluation.evaluation import tensors_of
from evobnn.supernet.build import Supernet, build
from evobnn.supernet.copy import weights_of
from evobnn.supernet.paths import Genomes, paths
from evobnn.supernet.select import select
from evobnn.training import Recipe, load_trunk, save_trunk
from evobnn.training.epoch import Epoch, Unfinished
from evobnn.training.loop import Loop, torch_threads
from evobnn.training.trunk import Trunk

STATE, WEIGHTS = "supernet.state", "supernet.weights"
"""Files of a run folder: a training that goes on, and the finished network."""
EVERY = 5
"""Epochs after which the state is kept."""


class SharedLoop(Loop):
    """A `Loop` that selects other genomes for each step and adds their gradients up."""

    def __init__(self, supernet: Supernet, loader: Loader, recipe: Recipe, sampling: str, root: int) -> None:
        self._supernet, self._sampling, self._root = supernet, sampling, root
        self._paths: Iterator[Genomes] = iter(())
        super().__init__(supernet.network, loader, recipe, child_seed(root, "supernet", "training"))

    def _switch(self, epoch: int) -> None:
        super()._switch(epoch)
        self._paths = paths(self._supernet.bench, self._supernet.expressions, self._sampling, self._root, epoch)

    def _differentiated(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return the mean over the step's genomes of what is minimised; their gradients are added up."""
        losses = []
        for genome in next(self._paths):
            select(self._supernet, genome)
            losses.append(super()._differentiated(images, labels))
        return sum(losses[1:], losses[0]) / len(losses)


def trained(
    bench: Bench, root: int, folder: Path | None = None, say: Callable[[int, int], object] = lambda done, total: None
) -> dict[str, Tensor]:
    """Return the weights of the trained shared network by place, see `evobnn.training.inherit`.

    Arguments:
        bench: whose protocol says how the network is trained.
        root: seed of a run.
        folder: of the run, where the state and the finished network are kept; None for nowhere.
        say: told of finished epochs and of all of them; not at all where the finished network was there.

    Raises:
        ExperimentError: more than memory holds, or the training diverged.
        RunError: the finished network cannot be written.
    """
    name = training(bench, root)
    if folder is not None and (found := finished(folder, name)) is not None:
        return found
    settings, recipe = bench.protocol.shared, replace(bench.protocol.recipe, epochs=bench.protocol.shared.epochs)
    with torch_threads(recipe.threads):
        supernet = build(bench, root, settings.expressions)
        loop = SharedLoop(supernet, tensors_of(bench.prepared.folder, bench.device), recipe, settings.sampling, root)
        curve: tuple[Epoch, ...] = ()
        begun = None if folder is None else load_trunk(folder / STATE, name)
        if begun is not None:
            loop.restore(begun.tensors, len(begun.curve))
            curve = begun.curve
        try:
            while loop.epoch < recipe.epochs:
                say(loop.epoch, recipe.epochs)
                curve += (loop.advance(scored=False),)
                if folder is not None and loop.epoch % EVERY == 0:
                    save_trunk(Trunk(loop.tensors(), curve), folder / STATE, name)
            if recipe.branches:
                curve += (loop.branch(),)
        except Unfinished as end:
            do = "Lower recipe.learning_rate, or set score = trained."
            raise ExperimentError(message("a shared network that can be trained", str(end), do)) from end
        if loop.average is not None:
            loop.average.settle()
    say(recipe.epochs, recipe.epochs)
    found = {place: tensor.detach().cpu() for place, tensor in weights_of(supernet).items()}
    if folder is not None:
        if not save_trunk(Trunk(found, curve), folder / WEIGHTS, name):
            raise RunError(message(f"room for {folder / WEIGHTS}", "it cannot be written", "Free the disk, resume."))
        (folder / STATE).unlink(missing_ok=True)
    return found


def training(bench: Bench, root: int) -> str:
    """Return what names the training of a shared network in files: protocol, space and root seed."""
    space = bench.space
    chosen = space.name, space.offered, space.nodes, space.inputs, space.sites, space.shape, space.alphabet
    return f"supernet {bench.protocol.fingerprint()} {child_seed(root, repr(chosen), str(space.frozen))}"


def finished(folder: Path, name: str) -> dict[str, Tensor] | None:
    """Return the weights of the finished network in a run folder, or None where it is not there, not whole, or of
    another `training`.
    """
    found = load_trunk(folder / WEIGHTS, name)
    return None if found is None else dict(found.tensors)
