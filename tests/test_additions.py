"""A user's own operation and form, defined outside of the package, searched by two workers that have to import them."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from evobnn.errors import ExperimentError, GenomeError, RunError
from evobnn.evaluation import Additions, Bench, Job, Measured, Objective, run_job
from evobnn.experiment.settings import Experiment, SpaceSettings
from evobnn.genome import FormSpec, OpSpec
from evobnn.machine.workers import Workers
from evobnn.nn import OPS, BinaryConv2d, Form, TreeActivation, behaviour
from evobnn.records import Status
from evobnn.runs import Options, Session, create
from evobnn.runs.setup import make_bench
from evobnn.snapshot import read_generations
from evobnn.spaces import key
from tests.conftest import end_workers

CODE = '''
import torch
from torch import nn
from torch.nn import functional as F

from evobnn.evaluation import Additions
from evobnn.genome import FormSpec, OpSpec
from evobnn.nn import BinaryConv2d, Form


def conv7(channels, stride, site, conv):
    """BatchNorm -> site -> binary convolution 7x7."""
    return nn.Sequential(
        nn.BatchNorm2d(channels),
        site(channels),
        BinaryConv2d(channels, channels, 7, stride=stride, padding=conv.padding, scale=conv.scale, real=conv.real),
    )


class Half(nn.Module):
    def forward(self, x):
        return x / 2


def half(channels, stride, site, conv):
    return nn.Sequential(nn.MaxPool2d(3, stride, padding=1), Half())


def count_half(module, size):
    return "other", {"other": size}


def bump(p, height):
    return height * p / (1 + p.square())


def even(p):
    return 1 + p.square()


halves = {"half": (OpSpec("half", 3, "max pooling 3x3, halved"), half)}
mine = Additions(
    operations={"conv7": (OpSpec("conv7", 7, "binary convolution 7x7", binary=True, zero_preserving=False), conv7)},
    forms={
        "softsign": (FormSpec("softsign", 1, "p / (1 + |p|)"), Form("softsign", 1, F.softsign)),
        "bump": (FormSpec("bump", 1, "h p / (1 + p^2)", learnable=("h",)), Form("bump", 1, bump, (("height", 1.0),))),
        "even": (FormSpec("even", 1, "1 + p^2"), Form("even", 1, even)),
    },
)
'''
EDGES = "2 = conv7(0) + max3(1); 3 = avg3(0) + conv3(2); 4 = zero(0) + max3(3); 5 = conv3(1) + zero(4)"
PLAIN = EDGES.replace("conv7", "conv3")
GOOD = f"normal[{EDGES}] reduction[{PLAIN}] @normal = mul(softsign(x), cos(x)) @reduction = bump(x)"


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """A module of the user's own, on the path of this process and so of workers started from it."""
    end_workers()  # they would not know the path
    folder = tmp_path_factory.mktemp("outside")
    (folder / "my_layers.py").write_text(CODE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield importlib.import_module("my_layers")
    del sys.modules["my_layers"]
    end_workers()


@pytest.fixture
def bench(outside: ModuleType, tiny: Experiment) -> Bench:
    return make_bench(tiny, Options(jobs=1, additions=outside.mine))


@pytest.mark.usefixtures("warm_workers")
def test_a_search_by_two_workers_finds_trains_and_resumes_what_the_user_added(
    outside: ModuleType, tiny: Experiment, tmp_path: Path
) -> None:
    chosen = SpaceSettings(
        name="joint", offered=("conv7", "max3", "zero"), unary=("softsign", "bump", "zero"), binary=("add", "mul")
    )
    experiment = replace(tiny, space=chosen, horizon=2, noise=replace(tiny.noise, repeats=1, rescore=0))
    told = {}
    for jobs, totals in ((2, (1,)), (1, (0, 1))):  # in one go, and in two
        options = Options(jobs=jobs, additions=outside.mine)
        folder = create(experiment, options, tmp_path, tmp_path / f"run{jobs}")
        for total in totals:
            Session(folder, replace(options, generations=total)).proceed()
        generations, damage = read_generations(folder)
        assert not damage and len(generations) == 2
        told[jobs] = [path.read_bytes() for path in sorted(folder.glob("generation-*.jsonl"))]
    assert told[1] == told[2]
    results = [result for generation in generations for result in generation.results]
    ok = [result for result in results if result.evaluation.status is Status.OK]
    assert len(results) >= 8 and len(ok) >= 4
    assert {result.evaluation.status for result in results} <= {Status.OK, Status.INVALID}
    texts = [result.request.individual.genome for result in ok]
    assert any("conv7" in text for text in texts)
    assert any("softsign" in text for text in texts) and any("bump" in text for text in texts)
    with pytest.raises((RunError, ExperimentError)):
        Session(folder, Options(jobs=1, generations=2)).proceed()


@pytest.mark.usefixtures("warm_workers")
def test_workers_give_the_value_that_this_process_gives(bench: Bench) -> None:
    jobs = [Job(bench, GOOD, seed) for seed in (1, 2, 3)]
    with Workers(2) as workers:
        found = {outcome.index: outcome.value for outcome in workers.run(run_job, jobs)}
    assert len(found) == 3
    for index, job in enumerate(jobs):
        here = run_job(job)
        assert here.status is Status.OK
        assert replace(found[index], seconds=0.0) == replace(here, seconds=0.0)


def test_the_network_has_what_was_added(bench: Bench) -> None:
    network = bench.network(bench.space.parse(GOOD))
    kernels = [module.kernel for module in network.modules() if isinstance(module, BinaryConv2d)]
    assert kernels.count(7) == 1
    trees = {str(module) for module in network.modules() if isinstance(module, TreeActivation)}
    assert any("softsign" in tree for tree in trees) and any("bump" in tree for tree in trees)
    more = bench.cost(bench.space.parse(GOOD)).binary_macs
    less = bench.cost(bench.space.parse(GOOD.replace("conv7", "conv3"))).binary_macs
    assert more - less == 8 * 8 * 2 * 2 * (49 - 9)


def test_a_module_of_a_new_class_comes_with_what_it_costs(outside: ModuleType, tiny: Experiment) -> None:
    uncounted, counted = (
        make_bench(tiny, Options(jobs=1, additions=Additions(outside.halves, counters=counters)))
        for counters in ({}, {outside.Half: outside.count_half})
    )
    assert uncounted.protocol.fingerprint() != counted.protocol.fingerprint()
    text = f"normal[{PLAIN}] reduction[{PLAIN}] @net = x"
    halved = text.replace("max3(1)", "half(1)", 1)
    found = run_job(Job(uncounted, halved, 1))
    assert found.status is Status.ERROR and "Half" in found.message
    assert run_job(Job(counted, halved, 1)).status is Status.OK
    plain, more = (counted.cost(counted.space.parse(one)) for one in (text, halved))
    assert more.other - plain.other == 8 * 8 * 2
    assert more.ops == plain.ops


def test_what_was_added_is_offered_drawn_and_where_its_window_is_too_large_left_out(bench: Bench) -> None:
    assert "conv7" in bench.space.offered["normal"]
    assert "conv7" not in bench.space.offered["reduction"]  # 4x4 pixels
    assert {"softsign", "bump", "even"} < set(bench.space.alphabet.unary)
    cheapest, dearest = bench.extremes()
    assert "conv7" not in str(cheapest)
    assert "conv7" in str(dearest) or "dil5" in str(dearest) or "conv5" in str(dearest)
    assert bench.space.parse(str(dearest)) == dearest


def test_checks_before_training_know_the_forms_that_were_added(bench: Bench) -> None:
    space = bench.space
    assert bench.infeasible(space.parse(GOOD)) == ""
    reason = bench.infeasible(space.parse(GOOD.replace("mul(softsign(x), cos(x))", "even(x)")))
    assert "@normal = even(x)" in reason and "constant" in reason
    assert bench.infeasible(space.parse(GOOD.replace("mul(softsign(x), cos(x))", "bump(even(x))"))) == ""  # learns
    found = run_job(Job(bench, GOOD, 1)).behaviour.split()
    mine = {name: form for name, (_, form) in bench.additions.forms.items()}
    assert found[1] == f"reduction:{behaviour(('bump', ('x',)), mine | {'x': Form('x', 0, lambda x: x)})}"


def test_the_same_name_may_mean_another_function_in_another_bench(bench: Bench, tiny: Experiment) -> None:
    """What was found out about one user's form must not be told of another's."""
    spec = FormSpec("even", 1, "p")
    other = Additions(bench.additions.operations, {**bench.additions.forms, "even": (spec, Form("even", 1, torch.neg))})
    changed = make_bench(tiny, Options(jobs=1, additions=other))
    text = GOOD.replace("mul(softsign(x), cos(x))", "even(x)")
    assert "constant" in bench.infeasible(bench.space.parse(text))
    assert changed.infeasible(changed.space.parse(text)) == ""
    assert key(changed.space, changed.space.parse(text)) == key(bench.space, bench.space.parse(text))
    assert changed.protocol.fingerprint() != bench.protocol.fingerprint()


def test_additions_are_in_the_fingerprint_only_if_there_are_any(bench: Bench, tiny: Experiment) -> None:
    none = make_bench(tiny, Options(jobs=1))
    protocol, mine = none.protocol, bench.additions
    assert replace(protocol, additions=Additions({}, {})).fingerprint() == protocol.fingerprint()
    (spec, builder) = mine.operations["conv7"]
    (form_spec, form) = mine.forms["softsign"]
    variants = [
        Additions(),
        mine,
        Additions(mine.operations),
        Additions({}, mine.forms),
        Additions({"conv8": (replace(spec, name="conv8"), builder)}),
        Additions({"conv7": (replace(spec, kernel=9), builder)}),
        Additions({"conv7": (spec, OPS["conv5"])}),
        Additions({}, {"softsign": (replace(form_spec, commutes=True), form)}),
        Additions({}, {"softsign": (form_spec, replace(form, compute=torch.tanh))}),
        Additions({}, {"bump": (mine.forms["bump"][0], replace(mine.forms["bump"][1], parameters=(("h", 2.0),)))}),
    ]
    prints = {replace(protocol, additions=one).fingerprint() for one in variants}
    assert len(prints) == len(variants) == 10
    again = Additions(dict(reversed(mine.operations.items())), dict(reversed(mine.forms.items())))
    assert replace(protocol, additions=again).fingerprint() == bench.protocol.fingerprint()


def test_a_bench_with_additions_travels(bench: Bench) -> None:
    parcel = pickle.dumps(Job(bench, GOOD, 1))
    assert len(parcel) < 20_000
    assert b"my_layers" in parcel and b"def conv7" not in parcel
    assert pickle.loads(parcel) == Job(bench, GOOD, 1)


def test_without_them_the_names_are_unknown(tiny_bench: Bench) -> None:
    with pytest.raises(GenomeError, match="conv7"):
        tiny_bench.space.parse(GOOD)


def top_level(channels: int, stride: int, site: Any, conv: Any) -> Any:
    return OPS["conv3"](channels, stride, site, conv)


def test_a_space_with_names_that_nobody_computes_is_refused(bench: Bench, tiny_bench: Bench) -> None:
    with pytest.raises(ExperimentError, match="none for 'conv7'"):
        replace(bench, protocol=tiny_bench.protocol)
    with pytest.raises(ExperimentError, match="none for 'softsign'"):
        replace(bench, protocol=replace(bench.protocol, additions=Additions(bench.additions.operations)))


SPEC = OpSpec("mine", 3, "mine")
FORM = FormSpec("mine", 1, "p")


@pytest.mark.parametrize(
    ("operations", "forms", "words"),
    [
        ({"conv3": (replace(SPEC, name="conv3"), top_level)}, {}, "'conv3'.*built in"),
        ({"other": (SPEC, top_level)}, {}, "operation 'other' under its own name"),
        ({"mine": (SPEC, lambda *arguments: None)}, {}, "at the top of a module.*lambda"),
        ({}, {"sin": (replace(FORM, name="sin"), Form("sin", 1, torch.sin))}, "'sin'.*built in"),
        ({}, {"mine": (FORM, Form("other", 1, torch.sin))}, "form 'mine' under its own name"),
        ({}, {"mine": (FORM, Form("mine", 2, torch.add))}, "form 'mine' with 1 arguments.*2 arguments"),
        ({}, {"mine": (FORM, Form("mine", 1, torch.mul, (("s", 1.0),)))}, "0 learnable.*1 learnable"),
        ({}, {"mine": (FORM, Form("mine", 1, lambda x: x))}, "at the top of a module.*lambda"),
    ],
)
def test_additions_that_make_no_sense_are_refused(operations: Any, forms: Any, words: str) -> None:
    with pytest.raises(ExperimentError, match=words):
        Additions(operations, forms)


def weigh(measured: Measured) -> float:
    return measured.cost.bits / 8


def confidence(measured: Measured) -> float:
    return measured.result.validation_loss


def layers(measured: Measured) -> float:
    return float(sum(isinstance(module, BinaryConv2d) for module in measured.build().modules()))


def nothing(measured: Measured) -> float:
    return float("nan")


def own(*objectives: Objective) -> Additions:
    return Additions(objectives={one.name: one for one in objectives})


BYTES = Objective("bytes", "bytes kept", weigh)


def test_objectives_of_the_users_own_come_from_counts_results_and_networks(tiny: Experiment) -> None:
    mine = own(BYTES, Objective("loss", "nats", confidence, "linear", (0.0, 5.0)), Objective("layers", "", layers))
    names = ("error", "bits", "bytes", "loss", "layers")
    bench = make_bench(replace(tiny, objectives=names), Options(jobs=1, additions=mine))
    axes = bench.axes()
    assert axes["bytes"] == (axes["bits"][0] / 8, axes["bits"][1] / 8, "log10")
    assert axes["loss"] == (0.0, 5.0, "linear")
    text = str(bench.anchors()[1])
    found = run_job(Job(bench, text, 3))
    assert found.status is Status.OK, found.message
    assert found.objectives["bytes"] == found.objectives["bits"] / 8
    assert found.objectives["loss"] == found.measures["loss"]
    built = bench.network(bench.space.parse(text))
    assert found.objectives["layers"] == sum(isinstance(module, BinaryConv2d) for module in built.modules()) > 3


def test_what_is_wrong_with_an_objective_is_said_before_a_training_or_is_a_status(tiny: Experiment) -> None:
    def bench(*mine: Objective) -> Bench:
        return make_bench(replace(tiny, objectives=("error", "mine")), Options(jobs=1, additions=own(*mine)))

    with pytest.raises(ExperimentError, match=r"objective.*'mine'.*bits"):
        bench()
    with pytest.raises(ExperimentError, match=r"bounds of objective mine.*bounds=\(low, high\)"):
        bench(Objective("mine", "", confidence)).axes()
    spoilt = bench(Objective("mine", "", nothing, bounds=(1.0, 2.0)))
    found = run_job(Job(spoilt, str(spoilt.anchors()[1]), 1))
    assert found.status is Status.ERROR and "mine is nan" in found.message
    for wrong in ({"axis": "log"}, {"bounds": (2.0, 1.0)}, {"bounds": (0.0, 1.0)}, {"bounds": (1.0, float("inf"))}):
        with pytest.raises(ExperimentError, match="mine"):
            Objective("mine", "", weigh, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ExperimentError, match="built in"):
        own(Objective("ops", "", weigh))
    with pytest.raises(ExperimentError, match="top of a module"):
        own(Objective("mine", "", lambda measured: 1.0))


def test_objectives_stand_in_the_protocol_and_change_no_other(tiny: Experiment) -> None:
    plain, mine = (make_bench(tiny, Options(jobs=1, additions=added)) for added in (Additions(), own(BYTES)))
    assert plain.protocol.fingerprint() != mine.protocol.fingerprint()
    assert not Additions() and own(BYTES)
