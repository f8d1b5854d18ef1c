"""Functions of one number as C: what a site computes where it is not folded."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from evobnn.deploy.c.text import number
from evobnn.deploy.forms import FORMS, parameters_at
from evobnn.deploy.ops import Affine, Array, Elementwise, Expression, Hardtanh, Prelu, Relu, Scale

HELPERS = {
    "larger": "static float larger(float p, float q) { return p > q ? p : q; }",
    "smaller": "static float smaller(float p, float q) { return p < q ? p : q; }",
    "sigmoid": "static float sigmoid(float p) { return 1.0f / (1.0f + expf(-p)); }",
    "gauss": "static float gauss(float p) { return expf(-(p * p)); }",
    "ratio": "static float ratio(float p, float q) { return p / (p + q + 1e-8f); }",
    "signed_sqrt": (
        "static float signed_sqrt(float p)\n{\n    const float root = sqrtf(fabsf(p) + 1e-8f);\n"
        "    return p > 0.0f ? root : p < 0.0f ? -root : 0.0f;\n}"
    ),
}
"""What the C of some forms calls, by name."""

Keep = Callable[[Array], str]
"""Keeps an array of constants and returns its name in C."""


def needs_math(text: str) -> bool:
    """Tell whether C calls a function of `math.h`."""
    return re.search(r"\b(expf|sqrtf|fabsf|logf|sinf|cosf|tanf|atanf|erff|erfcf)\(", text) is not None


def helpers_in(text: str) -> str:
    """Return the helpers that C calls."""
    return "\n".join(body for name, body in HELPERS.items() if re.search(rf"\b{name}\(", text)) + "\n"


def function(name: str, chain: Sequence[Elementwise], keep: Keep, *, sign: bool) -> str:
    """Return a C function `name(x, k)` of a number x in channel k: the chain's value, or whether that is >= 0."""
    lines: list[str] = []
    last = "x"
    for op in chain:
        last = _step(op, last, lines, keep)
    text = " ".join((*lines, last))
    used = "".join(f"    (void){one};\n" for one in "xk" if not re.search(rf"\b{one}\b", text))
    returned = f"{last} >= 0.0f" if sign else last
    body = "".join(f"    {line}\n" for line in lines)
    return f"static {'int' if sign else 'float'} {name}(float x, int k)\n{{\n{body}{used}    return {returned};\n}}\n"


def _step(op: Elementwise, x: str, lines: list[str], keep: Keep) -> str:
    if isinstance(op, Expression):
        parameters = {name: f"{keep(values)}[k]" for name, values in op.parameters.items()}
        return _tree(op.tree, "p", x, parameters, lines)
    if isinstance(op, Scale):
        return _line(lines, f"{x} * {keep(op.factor)}[k]")
    if isinstance(op, Affine):
        return _line(lines, f"{x} * {keep(op.factor)}[k] + {keep(op.offset)}[k]")
    if isinstance(op, Relu):
        return _line(lines, f"{x} > 0.0f ? {x} : 0.0f")
    if isinstance(op, Prelu):
        return _line(lines, f"({x} > 0.0f ? {x} : 0.0f) + ({x} < 0.0f ? {x} : 0.0f) * {keep(op.slope)}[k]")
    assert isinstance(op, Hardtanh)
    bound = number(op.bound)
    return _line(lines, f"{x} < -{bound} ? -{bound} : {x} > {bound} ? {bound} : {x}")


def _line(lines: list[str], text: str) -> str:
    name = f"v{len(lines)}"
    lines.append(f"const float {name} = {text};")
    return name


def _tree(tree: tuple[Any, ...], place: str, x: str, parameters: dict[str, str], lines: list[str]) -> str:
    if tree == ("x",):
        return x
    arguments = [_tree(sub, f"{place}{n}", x, parameters, lines) for n, sub in enumerate(tree[1:])]
    given = dict(zip("pq", arguments, strict=False))
    own: Any = parameters_at(place, parameters)  # type: ignore[arg-type]
    given |= dict(zip("c", own, strict=False))
    text = re.sub(r"\b[pqc]\b", lambda found: given[found.group()], FORMS[tree[0]].c)
    return _line(lines, text)
