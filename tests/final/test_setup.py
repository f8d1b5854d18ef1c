"""What a training works with: the network that genome, template and recipe ask for, with the weights of its seed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from evobnn.errors import DeviceError, ExperimentError, GenomeError
from evobnn.experiment.final import FinalSettings
from evobnn.nn import BinaryConv2d, Site
from evobnn.runs import Options
from evobnn.runs.final.setup import Workplace, workplace


def at(settings: FinalSettings, **of_recipe: object) -> Workplace:
    return workplace(replace(settings, plan=settings.plan.changed(**of_recipe)), Options(jobs=1))


def test_the_recipe_decides_how_the_network_is_built(settings: FinalSettings) -> None:
    plain, other = at(settings), at(settings, quantiser="xnor", shift=True, clip=1.3)
    sites = [module for module in other.network(0).modules() if isinstance(module, Site)]
    convs = [module for module in other.network(0).modules() if isinstance(module, BinaryConv2d)]
    assert sites and all(site.clip == 1.3 for site in sites)
    assert convs and {conv.scale for conv in convs} == {"xnor"}
    before, after = (dict(place.network(0).named_parameters()) for place in (plain, other))
    added = [value for name, value in after.items() if name not in before]
    assert len(added) == len(sites)
    assert other.phenotype.cost.parameters == plain.phenotype.cost.parameters + sum(value.numel() for value in added)


def test_a_seed_decides_the_weights(settings: FinalSettings) -> None:
    place = at(settings)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one, same, other = (place.network(number).state_dict() for number in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert one and all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)
    assert len({place.seed(0), place.seed(1), place.bench.seed(0, place.genome, 0)}) == 3


def test_what_is_wrong_is_found_before(settings: FinalSettings) -> None:
    with pytest.raises(ExperimentError, match="at most the 100 training images, got 101"):
        at(settings, batch=101)
    everything = replace(settings, all_images=True, plan=settings.plan.changed(batch=101))
    assert workplace(everything, Options(jobs=1)).train_count == 160
    with pytest.raises(DeviceError, match="'cuda:99'"):
        workplace(settings, Options(jobs=1, device="cuda:99"))
    dead = settings.genome.replace("add(sin(x), x)", "square(x)")
    with pytest.raises(GenomeError, match="a genome that can learn"):
        workplace(replace(settings, genome=dead), Options(jobs=1))
