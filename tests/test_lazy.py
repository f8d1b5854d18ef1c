"""Packages whose public names are loaded when they are first used."""

from __future__ import annotations

from types import ModuleType

import pytest

import evobnn
from evobnn import experiment, relax, runs
from evobnn._lazy import lazily


@pytest.mark.parametrize("package", [evobnn, experiment, relax, runs])
def test_every_public_name_is_there_listed_and_where_it_is_said_to_be(package: ModuleType) -> None:
    assert dir(package) == sorted(package.__all__)
    for name in package.__all__:
        found = getattr(package, name)
        assert found is not None
        assert getattr(found, "__module__", "evobnn").startswith("evobnn")
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'nothing'"):
        package.nothing  # noqa: B018
    assert not hasattr(package, "__wrapped__")


def test_a_module_is_named_in_full_or_from_the_package_on() -> None:
    get, _ = lazily("evobnn", {"one": "genome.cell", "Cell": "genome.cell", "Edge": "evobnn.genome.cell"})
    assert (get("Cell").__name__, get("Edge").__name__) == ("Cell", "Edge")
    with pytest.raises(AttributeError, match="'one'"):
        get("one")
