"""What a child takes over is what means the same in it: every value is traced to the entry that it came from."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from evobnn.nn import Site, TreeActivation
from evobnn.training import inherit_, placed, shared
from evobnn.training.inherit import places
from tests.training.toys import network as residual

NORMAL = "normal[2 = conv3(0) + conv3(1); 3 = conv3(1) + max3(2); 4 = conv3(0) + dil3(1); 5 = conv3(2) + avg3(0)]"
REDUCTION = "reduction[2 = conv3(0) + conv3(1); 3 = conv3(0) + max3(2); 4 = max3(0) + conv3(3); 5 = conv3(0) + max3(1)]"
PARENT = f"{NORMAL} {REDUCTION} @net = mul(scale(x), x)"


def numbered(bench: Any, text: str) -> nn.Module:
    """Return a network of two cells in whose state the n-th entry, counted from 1, is full of n."""
    network = bench.network(bench.space.parse(text))
    with torch.no_grad():
        for number, tensor in enumerate(network.state_dict().values(), 1):
            tensor.fill_(number)
    return network  # type: ignore[no-any-return]


def taken(bench: Any, child: str) -> tuple[dict[str, float], dict[str, str]]:
    """Return the state of a child full of zeros after it inherited, and the names in the parent by number there."""
    parent, heir = numbered(bench, PARENT), bench.network(bench.space.parse(child))
    names = {float(number): name for number, name in enumerate(parent.state_dict(), 1)}
    with torch.no_grad():
        for tensor in heir.state_dict().values():
            tensor.zero_()
    edges = [bench.phenotype(bench.space.parse(text)).edges for text in (PARENT, child)]
    found = inherit_(heir, edges[1], placed(parent, edges[0]))
    values = {name: float(tensor.flatten()[0]) for name, tensor in heir.state_dict().items()}
    assert all((tensor == values[name]).all() for name, tensor in heir.state_dict().items())
    assert len(found) == sum(value > 0 for value in values.values())
    return values, {name: names.get(value, "") for name, value in values.items()}


def test_a_dropped_edge_costs_nothing_but_itself(tiny_bench: Any) -> None:
    """The normal cell loses its first operation: all others are the parent's with the next number."""
    values, origin = taken(tiny_bench, PARENT.replace("2 = conv3(0) + conv3(1)", "2 = zero(0) + conv3(1)", 1))
    moved = 0
    for name, source in origin.items():
        if name.startswith("cells.0.ops."):
            number, rest = name.removeprefix("cells.0.ops.").split(".", 1)
            assert source == f"cells.0.ops.{int(number) + 1}.{rest}"
            moved += 1
        else:
            assert source == name
    assert moved >= 5 * 5 and len(values) > 2 * moved


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        ("dil3(1)", "conv3(1)", "cells.0.ops.5."),  # the same shape, another operation
        ("4 = conv3(0)", "4 = conv3(2)", "cells.0.ops.5."),  # another source: it now stands behind the other edge
        ("4 = max3(0) + conv3(3)", "4 = max3(0) + conv3(1)", "cells.1.ops."),
    ],
)
def test_a_changed_edge_begins_anew_and_no_other(tiny_bench: Any, old: str, new: str, lost: str) -> None:
    child = PARENT.replace(old, new, 1)
    assert child != PARENT
    _, origin = taken(tiny_bench, child)
    anew = {name for name, source in origin.items() if not source}
    assert anew and all(name.startswith(lost) for name in anew)
    assert len({name.split(".")[3] for name in anew}) == 1
    assert {"stem.conv.weight", "head.linear.weight", "cells.1.pre0.conv.weight"} <= {*origin.values()}


def test_vectors_of_an_expression_are_taken_by_the_same_expression_only(tiny_bench: Any) -> None:
    """`p0_scale` has one name and shape in both expressions, and is another thing in each."""
    same, other = (taken(tiny_bench, PARENT.replace("mul(", f"{form}("))[1] for form in ("mul", "add"))
    vectors = [name for name in same if name.endswith("activation.p0_scale")]
    assert len(vectors) > 8 and same == {name: name for name in same}
    assert {name for name, source in other.items() if not source} == {*vectors}


def test_all_of_a_residual_network_is_at_one_place() -> None:
    parent, child = residual(1), residual(2, shift=True)
    found = inherit_(child, [], placed(parent, []))
    own, theirs = child.state_dict(), parent.state_dict()
    assert len(found) == len(theirs) < len(own)
    assert all(torch.equal(own[name], theirs[name]) for name in theirs)


def test_another_shape_is_left_alone_and_two_edges_of_a_name_are_told_apart() -> None:
    def cells(*widths: int) -> nn.Module:
        cell = nn.Module()
        cell.ops = nn.ModuleList(nn.Conv2d(1, width, 1, bias=False) for width in widths)
        whole = nn.Module()
        whole.cells = nn.ModuleList([cell])
        return whole

    edges = [["0 own 2", "1 own 2", "0 own 2"]]
    parent, child = cells(1, 2, 3), cells(1, 5, 3)
    place = "cells.0[0 own 2{}].weight"
    assert list(places(child, edges).values()) == [
        place.format(""),
        "cells.0[1 own 2].weight",
        place.format(", 1 more"),
    ]
    before = child.cells[0].ops[1].weight.clone()  # type: ignore[index,union-attr]
    assert inherit_(child, edges, placed(parent, edges)) == [place.format(""), place.format(", 1 more")]
    assert torch.equal(child.cells[0].ops[1].weight, before)  # type: ignore[index,union-attr]


def test_a_learned_shift_before_an_expression_is_the_same_whatever_follows() -> None:
    names = []
    for form in ("sin", "cos"):
        site = Site(TreeActivation(("mul", (form, ("x",)), ("scale", ("x",))), 3), shift=True, channels=3)
        names.append({*places(site, []).values()})
    assert names[0] & names[1] == {"shift[shift(x)].p_shift"}
    assert all(len(one) == 2 for one in names)


def test_shared_edges_are_counted_cell_by_cell() -> None:
    a, b = "0 conv3 2", "1 max3 2"
    assert shared([[a, b], [a]], [[b, a], [b]]) == 2
    assert shared([[a, a, b]], [[a, a, a]]) == 2
    assert shared([], []) == 0
