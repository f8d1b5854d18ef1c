"""The complementary activation: a scalar function a(x) before the sign, given as a tree of named forms.

The 22 unary and 11 binary forms are those of GAAF (Li, Geng, Stein, Li, Yu 2023, Tsinghua Science and Technology 28(1),
section 3; table in its code `net_01.py`), in GAAF's order of indices. A tree is a nested tuple, name first:
`("mul", ("sin", ("x",)), ("x",))`; `x`, `zero` and `const` are leaves.

Derivatives are PyTorch's own. At a kink: |x|' and relu' are 0 at 0, min0' is 1 at 0, and max and min halve theirs
between equals.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from evobnn.errors import NetworkError, message, unknown_name
from evobnn.nn.binary.signs import sign

EPSILON = 1e-8

Tree = tuple[Any, ...]
"""`(name, subtree, …)` with as many subtrees as the form has arguments; a type checker cannot follow the nesting."""


@dataclass(frozen=True)
class Form:
    """How one form is computed.

    `compute(*arguments, *parameters) -> Tensor`, element by element: a leaf (arity 0) gets the input x itself as its
    one argument, other forms the values of their subtrees. An argument is (N, C, H, W) or, where it does not depend
    on x, anything that broadcasts to that; so may be the result. `parameters` names what is learned, with the value
    to begin with; each arrives as (1, C, 1, 1). `compute` must not write into an argument.

    >>> import torch
    >>> from evobnn.nn import Form
    >>> Form("softsign", 1, torch.nn.functional.softsign).compute(torch.tensor(1.0)).item()
    0.5
    """

    name: str
    arity: int
    compute: Callable[..., Tensor]
    parameters: tuple[tuple[str, float], ...] = ()


def _signed_sqrt(x: Tensor) -> Tensor:
    return torch.sign(x.detach()) * torch.sqrt(x.abs() + EPSILON)


def _mix(p: Tensor, q: Tensor, b: Tensor) -> Tensor:
    return torch.addcmul((1.0 - b) * q, b, p)


_LEAVES_AND_UNARY = (
    Form("x", 0, lambda x: x),
    Form("zero", 0, lambda x: x.new_zeros(())),
    Form("square", 1, torch.square),
    Form("cube", 1, lambda x: torch.pow(x, 3)),
    Form("sqrt", 1, _signed_sqrt),  # sgn(x) sqrt(|x| + 1e-8)
    Form("ln", 1, lambda x: torch.log(x.abs() + EPSILON)),
    Form("sin", 1, torch.sin),
    Form("cos", 1, torch.cos),
    Form("sigmoid", 1, torch.sigmoid),
    Form("tan", 1, torch.tan),
    Form("atan", 1, torch.atan),
    Form("erf", 1, torch.erf),
    Form("erfc", 1, torch.erfc),
    Form("expabs", 1, lambda x: torch.exp(EPSILON - x.abs())),
    Form("gauss", 1, lambda x: torch.exp(torch.square(x).neg_())),
    Form("relu", 1, torch.relu),
    Form("min0", 1, lambda x: torch.clamp(x, max=0.0)),
    Form("abs", 1, torch.abs),
    Form("neg", 1, torch.neg),
    Form("scale", 1, torch.mul, (("scale", 1.0),)),
    Form("shift", 1, torch.add, (("shift", 0.0),)),
    Form("const", 0, lambda x, c: c, (("const", 1.0),)),
)

_BINARY = (
    Form("add", 2, torch.add),
    Form("sub", 2, torch.sub),
    Form("mul", 2, torch.mul),
    Form("div", 2, lambda p, q: p / (q + EPSILON)),
    Form("ratio", 2, lambda p, q: p / (p + q + EPSILON)),
    Form("max", 2, torch.maximum),
    Form("min", 2, torch.minimum),
    Form("gate", 2, lambda p, q: p * torch.sigmoid(q)),
    Form("gaussdiff", 2, lambda p, q: torch.exp(torch.square(p - q).neg_())),
    Form("expdiff", 2, lambda p, q: torch.exp((p - q).abs().neg_())),
    Form("mix", 2, _mix, (("mix", 1.0),)),  # b p + (1 - b) q, b unbounded
)

FORMS: dict[str, Form] = {form.name: form for form in (*_LEAVES_AND_UNARY, *_BINARY)}
"""All 33 forms by name. Names are stored in files and so permanent."""


@dataclass(frozen=True)
class _Step:
    form: str
    compute: Callable[..., Tensor]
    arguments: tuple[int, ...]
    parameters: tuple[str, ...]


class TreeActivation(nn.Module):
    """A tree of forms over (N, channels, H, W), element by element; `("x",)` hands its input through.

    The tree is flattened once to a list of steps; equal subtrees without parameters are computed once. Learnable
    parameters, (1, channels, 1, 1) each, exist only for forms that the tree uses, and are named by their place: `p`,
    the numbers of the arguments from the root, `_`, the name in the form. In `("mul", ("scale", ("x",)), ("x",))` that
    is `p0_scale`. `steps` is the number of forms computed, leaves not counted.
    `known` holds every step as (form, slots of the arguments, names of the parameters), nothing for x alone and where a
    form is not of `FORMS`; `encoded` is the place for what the fast path makes of it.

    Raises NetworkError for an unknown form or a wrong number of arguments.
    """

    def __init__(self, tree: Tree, channels: int, forms: Mapping[str, Form] = FORMS) -> None:
        super().__init__()
        self.tree, self.channels, self.steps = tree, channels, 0
        self._program: list[_Step] = []
        self.encoded: Any = None
        self._flatten(tree, "p", forms, {("x",): 0})
        ours = all(step.form in FORMS and FORMS[step.form].compute is step.compute for step in self._program)
        self.known = [(step.form, step.arguments, step.parameters) for step in self._program] if ours else []

    def _flatten(self, tree: Tree, place: str, forms: Mapping[str, Form], slots: dict[Tree, int]) -> int:
        """Append the steps of `tree` and return the slot of its value; slot 0 is the input."""
        if tree in slots:
            return slots[tree]
        form = _form(tree, forms)
        arguments = tuple(self._flatten(sub, f"{place}{i}", forms, slots) for i, sub in enumerate(tree[1:]))
        for name, value in form.parameters:
            self.register_parameter(f"{place}_{name}", nn.Parameter(torch.full((1, self.channels, 1, 1), value)))
        self._program.append(
            _Step(form.name, form.compute, arguments or (0,), tuple(f"{place}_{name}" for name, _ in form.parameters))
        )
        self.steps += form.arity > 0
        slot = len(self._program)
        if not any(forms[name].parameters for name in names_in(tree)):
            slots[tree] = slot
        return slot

    def forward(self, x: Tensor) -> Tensor:
        """Return a(x), shape, dtype and device of x."""
        values = [x]
        for step in self._program:
            arguments = [values[slot] for slot in step.arguments]
            values.append(step.compute(*arguments, *(getattr(self, name) for name in step.parameters)))
        a = values[-1]
        return a if a.shape == x.shape else a.expand_as(x)

    def extra_repr(self) -> str:
        """Return what `print` shows of it."""
        return f"{printed(self.tree)}, channels={self.channels}"


def _form(tree: Tree, forms: Mapping[str, Form]) -> Form:
    """Return the form at the root of `tree`, or raise NetworkError: unknown name, wrong number of arguments."""
    if not isinstance(tree, tuple) or not tree or not isinstance(tree[0], str):
        raise NetworkError(message("a tree like ('sin', ('x',))", repr(tree), "Write leaves as ('x',) too."))
    name, given = tree[0], len(tree) - 1
    if name not in forms:
        raise NetworkError(unknown_name("activation form", name, forms))
    if given != forms[name].arity:
        raise NetworkError(
            message(
                f"{forms[name].arity} arguments for '{name}'", str(given), "Leaves take none; see FORMS for the rest."
            )
        )
    return forms[name]


def names_in(tree: Tree) -> list[str]:
    """Return the names of all forms of a tree, root first, as often as they occur."""
    return [tree[0], *(name for sub in tree[1:] for name in names_in(sub))]


def printed(tree: Tree) -> str:
    """Return a tree as a person would write it: `mul(sin(x), x)`."""
    name: str = tree[0]
    return name + (f"({', '.join(map(printed, tree[1:]))})" if len(tree) > 1 else "")


def expression_parameters(network: nn.Module) -> list[nn.Parameter]:
    """Return what the activations of a network learn: scales, shifts, constants, mixes. They get no weight decay."""
    activations = (module for module in network.modules() if isinstance(module, TreeActivation))
    return [parameter for activation in activations for parameter in activation.parameters()]


def sampled(tree: Tree, forms: Mapping[str, Form] = FORMS) -> tuple[Tensor, Tensor]:
    """Return a(x) and a'(x) on the 601 points -3.00, -2.99, … 3.00 (float64, (601,) each) at the initial parameters.

    >>> from evobnn.nn import sampled
    >>> a, slope = sampled(("square", ("x",)))
    >>> a[0].item(), slope[0].item()
    (9.0, -6.0)
    """
    with torch.device("cpu"), torch.enable_grad():
        activation = TreeActivation(tree, 1, forms).double()
        x = (torch.arange(-300, 301, dtype=torch.float64) / 100.0).requires_grad_()
        a = activation(x.view(1, 1, 1, -1))
        slope = torch.autograd.grad(a.sum(), x, allow_unused=True)[0] if a.requires_grad else None
    return a.detach().flatten(), torch.zeros_like(x) if slope is None else slope


def constant_sign(tree: Tree, forms: Mapping[str, Form] = FORMS) -> bool:
    """Return whether the sign of a(x) is the same on all 601 points of [-3, 3], with the initial parameters.

    Points at which a(x) is not finite have no sign and are left out; an expression that is finite nowhere is constant.

    >>> from evobnn.nn import constant_sign
    >>> constant_sign(("square", ("x",))), constant_sign(("sin", ("x",)))
    (True, False)
    """
    a, _ = sampled(tree, forms)
    signs = sign(a[torch.isfinite(a)])
    return bool((signs == signs[:1]).all())


def behaviour(tree: Tree, forms: Mapping[str, Form] = FORMS) -> str:
    """Return 16 hex digits that tell expressions apart by what they do at the start of training.

    The SHA-256 of the 601 signs and the 601 derivatives, clipped to ±1000 and rounded to 3 decimals. Ties go up: the
    0.0001 of a last place that is added before rounding is far above the noise of float64. NaN counts as 2000.
    """
    a, slope = sampled(tree, forms)
    slope = torch.nan_to_num(slope.clamp(-1e3, 1e3), nan=2e3)
    digits = torch.round(slope * 1e3 + 1e-4).to(torch.int64).numpy().astype("<i8")
    signs = sign(a).to(torch.int8).numpy()
    return hashlib.sha256(signs.tobytes() + digits.tobytes()).hexdigest()[:16]
