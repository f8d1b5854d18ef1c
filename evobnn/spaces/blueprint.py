"""A space as its papers describe it; template, images and a choice make it a `Space`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evobnn.errors import ExperimentError, message
from evobnn.genome import FORMS, OPERATIONS, FormSpec, Genome, OpSpec, X
from evobnn.spaces.base import Space
from evobnn.spaces.choice import DEFAULTS, ENCODINGS, SITES, Choice, added, alphabet_of, narrowed, offered_at, sites_for
from evobnn.spaces.template import Template


@dataclass(frozen=True)
class Cells:
    """Which cells a paper searches.

    Attributes:
        reference: paper and section.
        operations: names of the published ones; those of the table that are not built in come on top.
        inputs: edges into each node; 0 for one from every earlier node.
    """

    reference: str
    operations: tuple[str, ...]
    inputs: int


@dataclass(frozen=True)
class Blueprint:
    """What is searched, whatever the network and its images.

    Attributes:
        name: permanent; stored in files.
        cells: by the name that `space.topology` has for them; none where residual blocks are given.
        activations: paper whose expressions are searched; empty for the plain sign everywhere.
    """

    name: str
    cells: Mapping[str, Cells] = field(default_factory=dict)
    activations: str = ""

    def __call__(
        self,
        template: Template,
        size: int,
        frozen: Genome | None = None,
        choice: Choice = DEFAULTS,
        operations: Mapping[str, OpSpec] = OPERATIONS,
        forms: Mapping[str, FormSpec] = FORMS,
    ) -> Space:
        """Return the space for images of size x size pixels.

        Arguments:
            template: how cells are stacked; decides which kinds exist and on which maps they work.
            size: side of the images in pixels. An operation with fewer than half of its taps inside the smallest map
                of a kind, in mean over positions, is not offered there.
            frozen: cells and expressions that are given; in place of the plain sign where no expression is searched.
            choice: what the space leaves to choose.
            operations: what the names of operations mean; those that are not built in are offered as well.
            forms: what the names of forms mean; those that are not built in are offered as well.

        Raises:
            ExperimentError: a choice or template that the space cannot honour, or that leaves nothing to choose from.
        """
        self._check(template, choice)
        given = frozen or Genome()
        if not (self.activations or given.expressions):
            given = Genome.of(given.cell_by_kind, {"net": X})
        kinds, papers = tuple(sorted(set(template.kinds))), []
        searched: dict[str, Any] = {"kinds": (), "offered": {}, "nodes": 0, "blocks": kinds}
        if self.cells:
            cells = self.cells[choice.topology]
            papers.append(f"cells: {cells.reference}" if self.activations else cells.reference)
            searched = _cells(cells, kinds, template, size, choice, operations)
        searched["sites"] = tuple(given.expression_by_site)
        if self.activations:
            papers.append(f"{'activations: ' if self.cells else ''}{self.activations}, encoding {choice.encoding}")
            searched["sites"] = sites_for(choice, kinds, choice.nodes)
            searched |= {"shape": ENCODINGS[choice.encoding], "alphabet": alphabet_of(choice, forms)}
        return Space(self.name, "; ".join(papers), frozen=given, operations=operations, forms=forms, **searched)

    def _check(self, template: Template, choice: Choice) -> None:
        free = [*(("gamma", "nodes", "offered") if self.cells else ())]
        free += ("encoding", "unary", "binary") if self.activations else ()
        sites = SITES if self.cells and self.activations else ("kind", "net")
        choice.check_for(self.name, *free, sites=sites, topology=tuple(self.cells) or (DEFAULTS.topology,))
        if bool(self.cells) == (template.macro == "resnet"):
            wanted, do = f"a template with cells for the space {self.name}", "Set network.macro or space.name."
            if not self.cells:
                wanted, do = f"residual blocks for the space {self.name}", "Set network.macro = resnet."
            raise ExperimentError(message(wanted, f"macro = {template.macro}", do))


def _cells(
    cells: Cells,
    kinds: tuple[str, ...],
    template: Template,
    size: int,
    choice: Choice,
    operations: Mapping[str, OpSpec],
) -> dict[str, Any]:
    """Return the fields of a space that say which cells there are."""
    names = narrowed("space.offered", choice.offered, (*cells.operations, *added(operations, OPERATIONS)), operations)
    smallest = template.smallest_maps(size)
    offered = {kind: offered_at(names, operations, smallest[kind]) for kind in kinds}
    for kind in kinds:
        if not offered[kind]:
            wanted = f"an operation that fits the {smallest[kind]}x{smallest[kind]} maps of {kind} cells"
            raise ExperimentError(message(wanted, f"only {', '.join(names)}", "Offer a smaller one."))
    return {
        "kinds": kinds,
        "offered": offered,
        "nodes": choice.nodes,
        "inputs": cells.inputs,
        "gamma": choice.gamma,
        "carried": template.skip != "none",
        "maps": template.maps(size),
        "candidates": names,
    }
