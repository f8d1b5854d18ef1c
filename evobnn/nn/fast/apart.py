"""Functions that are compiled once each: whoever calls them jumps to an address, and knows nothing of their code.

Numba copies a function into each caller and lets LLVM optimise it there again, caller by caller; for the loops of all
forms that is most of a minute. A function that stands `apart` has one signature and an address, which is found when a
process first asks for it and is an argument from there on: no compiled code that is kept on a disk holds an address.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

from numba import types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from evobnn.nn.fast.elementary import INNER
from evobnn.nn.fast.kept import njit


class Apart:
    """A function with one signature, compiled or loaded when its address is asked for."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        self.arguments = arguments
        self.dispatcher = njit(**options)(function)

    def compile(self) -> None:
        """Compile it, or load what was compiled."""
        self.dispatcher.compile(self.arguments)

    @property
    def address(self) -> int:
        """Where its code is in this process."""
        self.compile()
        made = self.dispatcher.overloads[self.arguments]
        return int(made.library.get_pointer_to_function(made.fndesc.llvm_func_name))


def apart(*arguments: Any, **options: Any) -> Callable[[Callable[..., Any]], Apart]:
    """Return a decorator that makes a function of arguments of these types, which returns nothing, an `Apart`."""
    return lambda function: Apart(function, arguments, {**INNER, **options})


def at(*found: Any) -> Any:
    """Return what compiled functions call to jump to one that stands apart, with its address and its arguments, which
    are of these types.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = context.call_conv.get_function_type(types.none, found)
        callee = builder.inttoptr(arguments[0], kind.as_pointer())
        status, _ = context.call_conv.call_function(builder, callee, types.none, found, arguments[1:])
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return context.get_dummy_value()

    def jump(context: Any, address: Any, *arguments: Any) -> Any:
        return types.none(types.intp, *found), generate

    names = ("context", "address", *(f"argument{n}" for n in range(len(found))))
    said = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    jump.__signature__ = Signature(said)  # type: ignore[attr-defined]  # Numba takes a `*` for one tuple
    return intrinsic(jump)


@intrinsic
def flat(context: Any, x: Any) -> Any:
    """Return an array that lies in one piece as a vector on the same memory; `reshape` compiles to a page of checks."""
    if x.layout != "C":
        return None
    line = types.Array(x.dtype, 1, "C", readonly=not x.mutable)

    def generate(c: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        seen, made = make_array(x)(c, builder, arguments[0]), make_array(line)(c, builder)
        told = {"shape": [seen.nitems], "strides": [seen.itemsize], "itemsize": seen.itemsize}
        populate_array(made, data=seen.data, meminfo=seen.meminfo, parent=seen.parent, **told)
        return impl_ret_borrowed(c, builder, line, made._getvalue())

    return line(x), generate


@intrinsic
def span(context: Any, x: Any, start: Any, length: Any) -> Any:
    """Return so many numbers of a vector from `start` on, on the same memory; nobody looks whether it has them, which
    for a slice, cut to what there is, compiles to some more pages.
    """
    if x.layout != "C" or x.ndim != 1:
        return None

    def generate(c: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        seen, made = make_array(x)(c, builder, arguments[0]), make_array(x)(c, builder)
        told = {"shape": [arguments[2]], "strides": [seen.itemsize], "itemsize": seen.itemsize}
        first = builder.gep(seen.data, [arguments[1]])
        populate_array(made, data=first, meminfo=seen.meminfo, parent=seen.parent, **told)
        return impl_ret_borrowed(c, builder, x, made._getvalue())

    return x(x, types.intp, types.intp), generate
