"""What of a network means the same in another one, and handing its trained values on.

An entry of a network's state means what its *place* says: its name, in which an operation is called by its edge instead
of its number in the cell, and a learnable vector of an expression also by the whole expression. Stem, head, skips, the
preprocessing of a cell's inputs and the blocks of a residual network are at one place in all networks of a template.
Weights kept under their places tell nothing else of the network that they come from.

As in the Lamarckian evolution of Elsken, Metzen, Hutter, "Efficient multi-objective neural architecture search via
Lamarckian evolution", ICLR 2019 (arXiv 1804.09081), but its changes keep the function; here a changed edge begins anew.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from evobnn.errors import RunError, message
from evobnn.nn import TreeActivation
from evobnn.nn.binary.forms import printed
from evobnn.training.epoch import Epoch
from evobnn.training.trunk import Trunk, load_trunk, save_trunk

Edges = Sequence[Sequence[str]]
"""The names of the edges of each cell of a network, as source, operation and target, in the order of its operations;
empty for a network without cells."""

_OPERATION = re.compile(r"cells\.(\d+)\.ops\.(\d+)\b")


def places(network: nn.Module, edges: Edges) -> dict[str, str]:
    """Return the place of every entry of a network's state by its name.

    `cells.0.ops.3.conv.weight` is at `cells.0[1 conv3 2].conv.weight`, of two edges of one name the second at
    `cells.0[1 conv3 2, 1 more].conv.weight`; and `….activation.p0_scale` at `….activation[mul(scale(x), x)].p0_scale`.
    """
    trees = {name: printed(m.tree) for name, m in network.named_modules() if isinstance(m, TreeActivation)}

    def edge(found: re.Match[str]) -> str:
        names, number = edges[int(found[1])], int(found[2])
        before = list(names[:number]).count(names[number])
        return f"cells.{found[1]}[{names[number]}{f', {before} more' if before else ''}]"

    there: dict[str, str] = {}
    for name in network.state_dict():
        module, _, own = name.rpartition(".")
        full = f"{module}[{trees[module]}].{own}" if module in trees else name
        there[name] = _OPERATION.sub(edge, full, count=1)
    return there


def placed(network: nn.Module, edges: Edges) -> dict[str, Tensor]:
    """Return the state of a network by place; the tensors are the network's own."""
    state = network.state_dict()
    return {place: state[name] for name, place in places(network, edges).items()}


def inherit_(network: nn.Module, edges: Edges, weights: Mapping[str, Tensor]) -> list[str]:
    """Copy into a network what stands in `weights`, by place, with the same shape, and return the places.

    The rest stays as it is.
    """
    taken = []
    with torch.no_grad():
        for place, own in placed(network, edges).items():
            if place in weights and weights[place].shape == own.shape:
                own.copy_(weights[place])
                taken.append(place)
    return taken


def shared(some: Edges, others: Edges) -> int:
    """Return how many edges two networks have in common, over all cells."""
    pairs = zip(some, others, strict=False)
    return sum((Counter(own) & Counter(theirs)).total() for own, theirs in pairs)


@dataclass(frozen=True)
class Heritage:
    """Trained weights that a training begins with, and where its own are kept for others.

    Attributes:
        parent: id of the individual whose weights they are; None for none.
        file: that holds them, a path. Not a cache: without it the training would be another one.
        training: names the training whose weights it is to hold.
        keep: path of the file in which its own weights are put once they are trained; empty for nowhere.
    """

    parent: int | None = None
    file: str = ""
    training: str = ""
    keep: str = ""

    def weights(self) -> Mapping[str, Tensor]:
        """Return the weights in the file, by place.

        Raises:
            RunError: it is not there, not whole, or of another training.
        """
        trunk = load_trunk(Path(self.file), self.training)
        if trunk is None:
            expected = f"the trained weights of individual {self.parent} in {self.file}, to begin with"
            do = "Put the file back, or begin with other weights: another repeat, or a new run."
            raise RunError(message(expected, "none that are whole and of this run and protocol", do))
        return trunk.tensors

    def hand_on(self, network: nn.Module, edges: Edges, curve: tuple[Epoch, ...], training: str) -> None:
        """Put the weights of a network that was trained where they are to be kept.

        A file that cannot be written is missed by whoever is to begin with it.
        """
        if self.keep:
            save_trunk(Trunk(placed(network, edges), curve), Path(self.keep), training)


ALONE = Heritage()
"""Weights from nobody and for nobody."""
