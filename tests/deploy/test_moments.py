"""Networks that were never trained get the moments that images have at their norms."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from evobnn.deploy.moments import take_moments
from tests.deploy.conftest import DEVIATION, MEAN, network_of, pictures


def test_norms_have_the_moments_of_what_arrives(macro: str) -> None:
    network, shape = network_of(macro)
    images = pictures(shape, 12)
    own = {name: torch.full((shape[0],), value).numpy() for name, value in (("mean", MEAN), ("deviation", DEVIATION))}
    arrived: dict[nn.Module, torch.Tensor] = {}
    norms = {name: one for name, one in network.named_modules() if isinstance(one, nn.BatchNorm2d)}
    before = {name: one.momentum for name, one in norms.items()}
    weights = {name: one.clone() for name, one in network.named_parameters()}

    def keep(module: nn.Module, given: Any) -> None:
        arrived[module] = given[0].clone()

    hooks = [one.register_forward_pre_hook(keep) for one in norms.values()]
    take_moments(network, images, **own)
    for hook in hooks:
        hook.remove()
    assert not network.training and len(norms) > 3
    for name, one in norms.items():
        if one not in arrived:  # what no path leads through
            continue
        assert one.running_mean is not None and one.running_var is not None
        wanted = arrived[one].mean((0, 2, 3)), arrived[one].var((0, 2, 3), unbiased=True)
        assert torch.allclose(one.running_mean, wanted[0], atol=1e-4), name
        assert torch.allclose(one.running_var, wanted[1], rtol=1e-3, atol=1e-4), name
        assert one.momentum == before[name]
    assert len(arrived) > 3
    assert all(torch.equal(one, weights[name]) for name, one in network.named_parameters())


def test_a_genome_is_timed_with_them(tiny_bench: Any, tiny: Any) -> None:
    from evobnn.deploy.timed import of_genome

    genome = tiny_bench.space.parse("normal[2 = conv3(0) + max3(1)] reduction[2 = max3(0)] @net = neg(x)")
    network = of_genome(tiny_bench, genome, tiny.dataset, None).network
    variances = [one.running_var for one in network.modules() if isinstance(one, nn.BatchNorm2d)]
    assert variances and all(one is not None and not torch.equal(one, torch.ones_like(one)) for one in variances)
    assert [one.momentum for one in network.modules() if isinstance(one, nn.BatchNorm2d)] == pytest.approx(
        [one.momentum for one in tiny_bench.network(genome).modules() if isinstance(one, nn.BatchNorm2d)]
    )
