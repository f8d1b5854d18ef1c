"""Packages that are light to import: a public name is loaded when it is first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazily(package: str, where: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package.

    Arguments:
        package: its name.
        where: by public name the module in which it stands, in full or from the package on.
    """

    def get(name: str) -> Any:
        if name in where:
            return getattr(import_module(f"{package}.{where[name].removeprefix(f'{package}.')}"), name)
        raise AttributeError(f"module '{package}' has no attribute '{name}'")

    return get, lambda: sorted(import_module(package).__all__)
