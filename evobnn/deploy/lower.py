"""From a PyTorch network to a graph: its modules are walked in the order of their forward passes, by rules.

A rule knows one class of modules: `rule(builder, module, path, *inputs) -> output`. It adds operations, or lowers the
module's parts. The rule of the nearest ancestor counts, unless the module has a `forward` of its own, which a rule
of an ancestor cannot know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from evobnn.deploy.graph import Graph, Node, Shape, Value
from evobnn.deploy.ops import Normalise, Op, float32
from evobnn.errors import NetworkError, message

Rule = Callable[..., Value]
"""`rule(builder, module, path, *inputs) -> output`; see the module."""

Behaviour = Callable[[Tensor], Tensor]
"""What PyTorch computes for an elementwise operation: (N, C, H, W) -> the same shape."""


@dataclass(frozen=True)
class Lowered:
    """A graph, and what PyTorch computes for each of its elementwise operations, by the name of the output."""

    graph: Graph
    behaviours: Mapping[str, Behaviour]


@dataclass
class Builder:
    """A graph in the making: rules add operations to it, and lower the parts of their modules."""

    rules: Mapping[type[nn.Module], Rule]
    nodes: list[Node] = field(default_factory=list)
    behaviours: dict[str, Behaviour] = field(default_factory=dict)

    def add(
        self,
        op: Op,
        *inputs: Value,
        path: str,
        shape: Shape | None = None,
        dtype: str = "f32",
        torch: Behaviour | None = None,
    ) -> Value:
        """Add an operation and return its output, by default real numbers of the shape of the first input.

        `torch` is what PyTorch computes in its place, needed where it may stand before a sign and be folded.
        """
        kind = type(op).__name__.lower()
        name = f"{len(self.nodes)}_{kind}"
        output = Value(name, shape or inputs[0].shape, dtype)
        self.nodes.append(Node(op, tuple(value.name for value in inputs), output, path))
        if torch is not None:
            self.behaviours[name] = torch
        return output

    def lower(self, module: nn.Module, path: str, *inputs: Value) -> Value:
        """Return the output of a module whose inputs are given.

        Raises NetworkError where no rule knows it.
        """
        found: Value = self._rule(module, path)(self, module, path, *inputs)
        return found

    def _rule(self, module: nn.Module, path: str) -> Rule:
        for ancestor in type(module).__mro__:
            if ancestor in self.rules:
                if type(module).forward is not getattr(ancestor, "forward", None):
                    break
                return self.rules[ancestor]
        kind = type(module).__name__
        do = f"Pass rules={{{kind}: rule}}; evobnn.deploy.lower says what a rule is."
        raise NetworkError(message("modules that have a rule for leaving", f"{kind} at '{path or '.'}'", do))


def below(path: str, name: str) -> str:
    """Return the path of a part of the module at `path`."""
    return f"{path}.{name}" if path else name


def lower(
    network: nn.Module,
    shape: Shape,
    mean: Any,
    deviation: Any,
    rules: Mapping[type[nn.Module], Rule] | None = None,
) -> Lowered:
    """Return the graph of a network in evaluation mode.

    Arguments:
        network: readable modules in float32 on the CPU (`kernels = torch`, `precision = fp32`).
        shape: (C, H, W) of the images, grey values from 0 to 255.
        mean: float32 (C,) in grey values; images become (image - mean) / deviation.
        deviation: float32 (C,).
        rules: for modules of your own, by class; they go before those of `evobnn.deploy.rules`.

    Raises:
        NetworkError: a module that no rule knows, a network in training mode or not in float32 on the CPU.

    >>> from evobnn.deploy import lower
    >>> network = evobnn.load_run("populations/digits").network(63).eval()
    >>> lowered = lower(network, (1, 8, 8), mean=[78.0], deviation=[96.0])
    >>> lowered.graph.nodes[0].inputs
    ('image',)
    """
    from evobnn.deploy.rules import RULES

    if any(module.training for module in network.modules()):
        raise NetworkError(
            message("a network in evaluation mode", "one in training mode", "Call network.eval() first.")
        )
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point() and (tensor.dtype != torch.float32 or tensor.device.type != "cpu"):
            got = f"'{name}' in {tensor.dtype} on {tensor.device}"
            raise NetworkError(message("a network in float32 on the CPU", got, "Call network.cpu().float() first."))
    builder = Builder({**RULES, **(rules or {})})
    image = Value("image", shape, "u8")
    moments = Normalise(float32(mean), float32(deviation))
    pixels = builder.add(moments, image, path="", torch=None)
    with torch.no_grad():
        logits = builder.lower(network, "", pixels)
    return Lowered(Graph(image, tuple(builder.nodes), logits.name), builder.behaviours)
