"""What a user may choose of a space."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields

from evobnn._checks import check_at_least, check_between, check_name
from evobnn.errors import ExperimentError, message, unknown_name
from evobnn.genome import FORMS, FormSpec, OpSpec
from evobnn.spaces.shapes import ENCODING_1, ENCODING_2, Alphabet, Shape

SITES = ("kind", "net", "node")
TOPOLOGIES = ("bnas", "bats", "cpnas")
ENCODINGS: dict[int, Shape] = {1: ENCODING_1, 2: ENCODING_2}


@dataclass(frozen=True)
class Choice:
    """What may be chosen of a space; one that a space cannot honour is an error there.

    Attributes:
        sites: where expressions are searched: `kind` for one per kind of cell or block, `net` for one in all, `node`
            for one per node of each kind of cell, its two inputs included.
        topology: of the joint space: the cells of `bnas`, `bats` or `cpnas`.
        encoding: of expressions: GAAF's 1 or 2.
        gamma: divides the probability of Zeroise in sampling and mutation (BNAS, section 2.4 of the fact sheet).
        nodes: of each cell.
        offered: operations that may be chosen, out of those of the space; empty for all.
        unary: unary forms that may be chosen; empty for all.
        binary: binary forms that may be chosen; empty for all.

    >>> from evobnn.spaces import Choice, Template, joint
    >>> joint(Template(), 8, choice=Choice(sites="net")).sites
    ('net',)
    """

    sites: str = "kind"
    topology: str = "bnas"
    encoding: int = 1
    gamma: float = 1.0
    nodes: int = 4
    offered: tuple[str, ...] = ()
    unary: tuple[str, ...] = ()
    binary: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_name("space.sites", self.sites, SITES)
        check_name("space.topology", self.topology, TOPOLOGIES)
        if self.encoding not in ENCODINGS:
            raise ExperimentError(message("space.encoding 1 or 2", repr(self.encoding), "Choose one of GAAF's two."))
        check_between("space.gamma", self.gamma, 1e-3, 1e3)
        check_at_least("space.nodes", self.nodes, 1)
        check_between("space.nodes", self.nodes, 1, 50)
        for name in ("offered", "unary", "binary"):
            given = getattr(self, name)
            if len(set(given)) != len(given):
                raise ExperimentError(message(f"different names in space.{name}", str(list(given)), "Name each once."))

    def check_for(self, space: str, *free: str, **allowed: tuple[object, ...]) -> None:
        """Raise ExperimentError for a choice that this space cannot honour.

        Arguments:
            space: its name.
            free: fields in which it can honour any value.
            allowed: by field, the values it can honour; of all others only the default.
        """
        for one in fields(self):
            value, possible = getattr(self, one.name), allowed.get(one.name, (one.default,))
            if one.name not in free and value not in possible:
                wanted = " or ".join(map(str, possible)).replace("()", "the default")
                got = ", ".join(value) if isinstance(value, tuple) else str(value)
                raise ExperimentError(
                    message(f"space.{one.name} = {wanted} in the space {space}", got, "Choose that or another space.")
                )


DEFAULTS = Choice()
"""Everything as the space has it."""


def offered_at(names: tuple[str, ...], operations: Mapping[str, OpSpec], size: int) -> tuple[str, ...]:
    """Return the operations whose window lies at least half inside a map of size x size pixels, in mean."""
    return tuple(name for name in names if operations[name].taps_inside(size) >= 0.5)


def alphabet_of(choice: Choice, forms: Mapping[str, FormSpec]) -> Alphabet:
    """Return the forms that may fill slots: built-in ones, then the user's own, narrowed to those chosen.

    Raises:
        ExperimentError: a name that is no form of that arity, or a form of three arguments or more.
    """
    added(forms, FORMS)
    for name, spec in forms.items():
        if spec.arity > 2:
            raise ExperimentError(message("forms of at most two arguments", f"{name} of {spec.arity}", "Split it."))
    return Alphabet(
        narrowed("space.unary", choice.unary, tuple(n for n in forms if forms[n].arity < 2), forms),
        narrowed("space.binary", choice.binary, tuple(n for n in forms if forms[n].arity == 2), forms),
    )


def added(table: Mapping[str, OpSpec] | Mapping[str, FormSpec], built_in: Collection[str]) -> tuple[str, ...]:
    """Return the names of a table that are not built in, in its order; raise ExperimentError for one that no genome's
    text can say.
    """
    for name, spec in table.items():
        if name != spec.name or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            got = f"'{name}' for '{spec.name}'"
            raise ExperimentError(
                message("a name of letters, digits and '_', the same in table and spec", got, "Rename it.")
            )
    return tuple(name for name in table if name not in built_in)


def narrowed(setting: str, chosen: tuple[str, ...], known: tuple[str, ...], table: Collection[str]) -> tuple[str, ...]:
    """Return those of `known` that are chosen, all if none is; raise ExperimentError for an unknown name."""
    for name in known:
        if name not in table:
            raise ExperimentError(
                message(f"'{name}' in the table", "a table without it", "Pass the built-in table with yours added.")
            )
    for name in chosen:
        if name not in known:
            raise ExperimentError(unknown_name(f"choice for {setting}", name, known))
    return tuple(name for name in known if name in chosen or not chosen)


def sites_for(choice: Choice, kinds: tuple[str, ...], nodes: int) -> tuple[str, ...]:
    """Return the classes of sites that have an expression of their own."""
    if choice.sites == "net":
        return ("net",)
    if choice.sites == "kind":
        return kinds
    return tuple(f"{kind}/{number}" for kind in kinds for number in range(2 + nodes))
