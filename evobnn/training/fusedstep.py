"""SGD, Adam and AdamW by PyTorch's fused kernels, called directly.

The classes of `torch.optim` compute the same by the same kernels. But the first of their steps in a process imports
PyTorch's compiler, for a remark that matters to that compiler alone: 800 modules, most of a second and some 65 MiB, in
every worker of a search.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Group = dict[str, Any]
"""Parameters (`params`) and what they share: `lr`, `weight_decay`; `momentum` and `nesterov`, or `betas` and `eps`."""


class FusedOptimiser:
    """What sets parameters by their gradients; `param_groups` and `state` are those of the class of `torch.optim`.

    Arguments:
        kind: `sgd`, `adam` or `adamw`.
        groups: of floating point parameters, all on one device and of one type.
    """

    def __init__(self, kind: str, groups: Sequence[Group]) -> None:
        self.param_groups = [dict(group) for group in groups]
        self.state: defaultdict[Tensor, dict[str, Tensor]] = defaultdict(dict)
        self._step = _STEPS[kind]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Let go of all gradients, or without `set_to_none` fill them with 0."""
        for parameter in (parameter for group in self.param_groups for parameter in group["params"]):
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad.zero_()

    def step(self) -> None:
        """Set every parameter that has a gradient, in place."""
        with torch.no_grad():
            for group in self.param_groups:
                parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
                if parameters:
                    self._step(group, parameters, [parameter.grad for parameter in parameters], self.state)


State = defaultdict[Tensor, dict[str, Tensor]]


def _sgd(group: Group, parameters: list[Tensor], gradients: list[Tensor], state: State) -> None:
    momentum = group["momentum"]
    first = momentum != 0 and not any(state[parameter] for parameter in parameters)
    for parameter, gradient in zip(parameters, gradients, strict=True) if momentum != 0 else ():
        if not state[parameter]:  # the first step fills it; one that joins later begins at 0, which is the same
            state[parameter]["momentum_buffer"] = torch.empty_like(gradient) if first else torch.zeros_like(gradient)
    torch._fused_sgd_(
        parameters,
        gradients,
        [state[parameter]["momentum_buffer"] for parameter in parameters] if momentum != 0 else [],
        weight_decay=group["weight_decay"],
        momentum=momentum,
        lr=group["lr"],
        dampening=0.0,
        nesterov=group["nesterov"],
        maximize=False,
        is_first_step=first,
    )


def _adaptive(kernel: Callable[..., object]) -> Callable[[Group, list[Tensor], list[Tensor], State], None]:
    def step(group: Group, parameters: list[Tensor], gradients: list[Tensor], state: State) -> None:
        for parameter in parameters:
            if not state[parameter]:
                state[parameter] = {
                    "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
        steps, first, second = ([state[p][name] for p in parameters] for name in ("step", "exp_avg", "exp_avg_sq"))
        torch._foreach_add_(steps, [steps[0].new_ones(())] * len(steps))  # a number would be made a tensor for each
        beta1, beta2 = group["betas"]
        kernel(
            parameters,
            gradients,
            first,
            second,
            [],
            steps,
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
        )

    return step


_STEPS = {"sgd": _sgd, "adam": _adaptive(torch._fused_adam_), "adamw": _adaptive(torch._fused_adamw_)}
