"""What `--with module:object` brings along: objects of the user's own, imported by name."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from evobnn.errors import ExperimentError, closest, message
from evobnn.evaluation import Additions, EvaluationFunction, Objective
from evobnn.spaces import Space


def additions(texts: Sequence[str]) -> Additions:
    """Return what the texts name, all together, and what times layers. Modules are looked for here first, then where
    Python looks.

    Raises:
        ExperimentError: no such module or object, one that cannot be imported, or one that is no addition.
    """
    from evobnn.deploy.latency import latency

    found = latency()
    for text in texts:
        found += _addition(text, _object(text))
    return found


def _object(text: str) -> Any:
    module, colon, name = text.partition(":")
    if not (module and colon and name):
        do = "Write for example --with mine:additions for what mine.py calls additions."
        raise ExperimentError(message("--with MODULE:OBJECT", f"'{text}'", do))
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        there = import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise _unusable(text, error) from error
        do = f"Run this where {module.partition('.')[0]}.py lies, or install it."
        raise ExperimentError(message(f"the module of --with {text}", "none of this name", do)) from error
    except Exception as error:
        raise _unusable(text, error) from error
    if not hasattr(there, name):
        near = closest(name, vars(there))
        do = f"Did you mean '{module}:{near}'?" if near else "Define it there."
        raise ExperimentError(message(f"an object '{name}' in {module}", "none", do))
    return getattr(there, name)


def _unusable(text: str, error: Exception) -> ExperimentError:
    got = f"{type(error).__name__}: {error}"
    return ExperimentError(message(f"the module of --with {text} to be imported", got, "Mend it."))


def _addition(text: str, given: Any) -> Additions:
    if isinstance(given, Additions):
        return given
    if isinstance(given, Objective):
        return Additions(objectives={given.name: given})
    if isinstance(given, Space):
        return Additions(spaces={given.name: given})
    if isinstance(given, EvaluationFunction):
        return Additions(evaluation=given)
    if callable(given) and not isinstance(given, type):
        return Additions(evaluation=EvaluationFunction(given))
    do = "Put it into evobnn.Additions(…), and name that."
    raise ExperimentError(
        message(f"additions, an objective, a space or an evaluation function in {text}", repr(given)[:80], do)
    )
