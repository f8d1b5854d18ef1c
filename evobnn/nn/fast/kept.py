"""`njit` for the loops: what it compiles is kept in `place`, and a damaged file there is compiled anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba.core.caching import FunctionCache

from evobnn.nn.fast.place import edition, place

config: Any = numba.config
unkept: list[str] = []
"""Loops that could not be written in this process, by name."""


class _Cache(FunctionCache):
    """Numba's own, but for what cannot be read, which counts as not there, or not be written, which is left."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a file cut short or of other making: whatever unpickling raises
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError:  # a full disk, a folder gone
            unkept.append(self._name)
            return
        except Exception:  # the index cannot be read
            self.flush()
            super().save_overload(sig, data)


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return Numba's decorator; what it compiles is kept."""

    def decorate(function: Callable[..., Any]) -> Any:
        made = numba.njit(**options)(function)
        found = place()
        if found.folder is not None:
            before, config.CACHE_DIR = config.CACHE_DIR, str(found.folder / edition())
            try:
                made._cache = _Cache(function)
            except RuntimeError:  # no source file, as in a frozen program
                pass
            finally:
                config.CACHE_DIR = before
        return made

    return decorate
