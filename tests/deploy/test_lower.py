"""Every macro leaves PyTorch as it is: signs site by site, logits; what no rule knows is refused with its path."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evobnn.deploy.lower import Lowered, lower
from evobnn.deploy.ops import Affine, Relu, Scale, Site
from evobnn.deploy.passes import fold_sites, live
from evobnn.deploy.reference import evaluate
from evobnn.deploy.verify import compared, signs_of
from evobnn.errors import NetworkError
from evobnn.nn import FORMS, BinaryConv2d, Form, Head, TreeActivation, set_modes
from evobnn.nn import Site as SiteModule
from tests.deploy.conftest import answers, lowered_network, network_of, pictures, settle


def test_signs_and_logits_are_pytorchs(made: tuple[nn.Module, Lowered]) -> None:
    network, lowered = made
    images = pictures(lowered.graph.input.shape, 6)
    signs, logits = answers(network, images)
    assert signs and set(signs) == {node.path for node in lowered.graph.sites}
    agreement = compared(lowered.graph, images, signs, logits)
    assert agreement.wrong == () and agreement.flips <= 3
    assert agreement.bits == sum(bits.size for bits in signs.values())
    assert agreement.logits <= 2e-5 * abs(logits).max()


def test_folding_changes_no_sign(made: tuple[nn.Module, Lowered]) -> None:
    network, lowered = made
    images = pictures(lowered.graph.input.shape, 6)
    folded, reports = fold_sites(lowered)
    assert {report.path for report in reports} == {node.path for node in folded.sites}
    assert sum(report.whole for report in reports) > 0
    agreement = compared(folded, images, *answers(network, images))
    assert agreement.wrong == () and agreement.flips <= 3
    assert len(folded.nodes) < len(lowered.graph.nodes)
    for node, report in zip(folded.sites, reports, strict=True):
        assert isinstance(node.op, Site) and node.op.whole == (report.seen + report.direct == 0)


def test_a_comparison_sees_a_single_sign_that_is_wrong(made: tuple[nn.Module, Lowered]) -> None:
    network, lowered = made
    images = pictures(lowered.graph.input.shape, 4)
    signs, logits = answers(network, images)
    path = lowered.graph.sites[0].path
    arrived: list[Any] = []
    evaluate(lowered.graph, images, lambda node, given, out: arrived.extend(given if node.path == path else ()))
    far = np.unravel_index(abs(arrived[0]).argmax(), signs[path].shape)
    signs[path][far] = ~signs[path][far]
    assert dict(compared(lowered.graph, images, signs, logits).wrong)[path] == 1


class Doubled(nn.Module):
    """A user's own operation."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(2 * x)


class Renamed(nn.Sequential):
    """Says that it is a sequence, and is none."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return -super().forward(input)  # type: ignore[no-any-return]


def tail(module: nn.Module) -> nn.Module:
    """Return a network of one operation, flattened by the linear layer's rule."""
    return nn.Sequential(nn.Sequential(nn.BatchNorm2d(1)), module).eval()


def test_no_rule_is_an_error_that_names_class_and_path() -> None:
    with pytest.raises(NetworkError, match=r"got Doubled at '1'\. Pass rules=\{Doubled: rule\}"):
        lowered_network(tail(Doubled()), (1, 4, 4))
    with pytest.raises(NetworkError, match="Renamed at '1'"):
        lowered_network(tail(Renamed(nn.ReLU())), (1, 4, 4))


def test_a_rule_of_ones_own() -> None:
    def rule(builder: Any, module: nn.Module, path: str, x: Any) -> Any:
        twice = builder.add(Scale(np.full(x.shape[0], 2, np.float32)), x, path=path)
        return builder.add(Relu(), twice, path=path)

    network = tail(Doubled())
    graph = lower(network, (1, 4, 4), [MEAN_OF_ONE], [2.0], {Doubled: rule}).graph
    images = pictures((1, 4, 4), 3)
    with torch.no_grad():
        wanted = network((torch.from_numpy(images).float() - MEAN_OF_ONE) / 2).numpy()
    assert np.allclose(evaluate(graph, images), wanted.reshape(3, -1), rtol=1e-6)


MEAN_OF_ONE = 100.0


def test_what_cannot_leave_is_said() -> None:
    network, shape = network_of("bnas")
    with pytest.raises(NetworkError, match="one in training mode"):
        lowered_network(network.train(), shape)
    network.eval()
    with pytest.raises(NetworkError, match=r"float32 on the CPU, got '.*' in torch.float64"):
        lowered_network(network.double(), shape)
    network.float()
    with pytest.raises(NetworkError, match="a batch norm with running statistics"):
        lowered_network(tail(nn.BatchNorm2d(1, track_running_stats=False)), (1, 4, 4))


@pytest.mark.parametrize("activations, weights", [("binary", "real"), ("real", "binary"), ("real", "real")])
def test_real_weights_and_activations_leave_as_real_convolutions(activations: str, weights: str) -> None:
    network, shape = network_of("bnas")  # padded by zeros
    set_modes(network, activations, weights)
    images = pictures(shape, 4)
    graph = lowered_network(network, shape).graph
    with torch.no_grad():
        logits = network((torch.from_numpy(images).float() - 120) / 60).numpy()
    if activations == "binary":
        agreement = compared(graph, images, answers(network, images)[0], logits)
        assert agreement.wrong == () and agreement.logits <= 1e-4 * abs(logits).max()
    else:
        assert np.allclose(evaluate(graph, images), logits, atol=1e-4 * abs(logits).max())
    network, shape = network_of("bats")  # padded by -1
    set_modes(network, activations, weights)
    with pytest.raises(NetworkError, match="bits where a convolution is padded by -1, got real numbers at"):
        lowered_network(network, shape)


def test_dead_operations_go_and_a_scale_joins_the_norm_behind_it() -> None:
    network, shape = network_of("cpnas")
    lowered = lowered_network(network, shape)
    graph, _ = fold_sites(lowered)
    assert live(graph).nodes == graph.nodes
    producers = graph.producers
    pairs = [(node.op, producers[node.inputs[0]].op) for node in graph.nodes if isinstance(node.op, Affine)]
    assert any(isinstance(before, Scale) for _, before in pairs) is False and pairs
    signs, logits = signs_of(graph, images := pictures(shape, 3))
    assert set(signs) == {node.path for node in graph.sites} and logits.shape == (len(images), 10)


def test_latent_weights_of_zero_are_plus_one() -> None:
    conv = BinaryConv2d(2, 2, 1).eval()
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([[0.0, -0.0], [-1.0, 1e-30]]).view(2, 2, 1, 1))
    from evobnn.deploy.graph import Value
    from evobnn.deploy.lower import Builder
    from evobnn.deploy.ops import BinaryConvolution
    from evobnn.deploy.rules import RULES

    builder = Builder(RULES)
    builder.lower(conv, "", Value("x", (2, 1, 1), "bit"))
    op = builder.nodes[0].op
    assert isinstance(op, BinaryConvolution)
    assert op.weight.reshape(2, 2).tolist() == [[True, True], [False, True]]


def test_a_form_of_ones_own_folds_or_is_refused() -> None:
    forms = {
        **FORMS,
        "mine": Form("mine", 1, lambda x: x * x * x - x),
        "wave": Form("wave", 1, lambda x: (40 * x).sin()),
    }

    def network_with(name: str) -> nn.Module:
        torch.manual_seed(0)
        parts: list[nn.Module] = []
        for inputs, outputs in ((1, 4), (4, 4)):
            tree = TreeActivation((name, ("x",)), inputs, forms)
            parts += [nn.BatchNorm2d(inputs), SiteModule(tree), BinaryConv2d(inputs, outputs, 3)]
        return settle(nn.Sequential(*parts, Head(4, 3)), 0)

    network, images = network_with("mine"), pictures((1, 5, 5), 4)
    lowered = lowered_network(network, (1, 5, 5))
    with pytest.raises(NetworkError, match="got 'mine', a form of your own"):
        evaluate(lowered.graph, images)
    agreement = compared(fold_sites(lowered)[0], images, *answers(network, images))
    assert agreement.wrong == () and agreement.logits <= 1e-5
    with pytest.raises(NetworkError, match="got 'wave', a form of your own"):
        fold_sites(lowered_network(network_with("wave"), (1, 5, 5)))
