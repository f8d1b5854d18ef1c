"""Rankers, each against an independent version; which genomes they are judged on; and planted orders come back."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evobnn.errors import ExperimentError, SearchError
from evobnn.evaluation import evaluate
from evobnn.evaluation.signcodes import drawn, read_sites, sign_codes, some_images
from evobnn.nn import Site
from evobnn.records import FRESH, Evaluation, Status
from evobnn.runs.on_table import load_table
from evobnn.runs.setup import Options
from evobnn.studies.fidelity import rankers, rankerstudy
from evobnn.studies.fidelity.looked import Looked, LookJob, look
from evobnn.studies.fidelity.ranked import of_experiment, of_table
from evobnn.studies.fidelity.rankers import RANKERS
from evobnn.studies.fidelity.rankerstudy import study
from evobnn.studies.fidelity.rankertext import as_markdown
from evobnn.studies.fidelity.rankings import CONTROL, Measured, elsewhere, judge, kept
from evobnn.studies.statistics import interval

ALONE = Options(jobs=1)
SAID = {"name": "toy", "seeds": 2}


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interval, "RESAMPLES", 50)


# --- The rankers ----------------------------------------------------------------------------------------------------


def test_naswot_is_the_determinant_of_agreeing_bits(tiny_bench: Any) -> None:
    genome = tiny_bench.anchors()[1]
    found: list[torch.Tensor] = []
    read_sites(drawn(tiny_bench, genome, 3), some_images(tiny_bench, 3), lambda bits: found.append(bits.flatten(1)))
    bits = torch.cat(found, 1).numpy()
    kernel = [[float((one == other).sum()) for other in bits] for one in bits]
    sign, expected = np.linalg.slogdet(np.array(kernel))
    assert sign == 1.0
    assert RANKERS["NASWOT on signs"](tiny_bench, genome, 3) == (pytest.approx(expected),)


def test_naswot_of_images_with_the_same_bits(tiny_bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rankers, "some_images", lambda bench, seed: some_images(bench, seed, 5)[[0, 1, 2, 0]])
    (found,) = RANKERS["NASWOT on signs"](tiny_bench, tiny_bench.anchors()[1], 3)
    assert found < -20.0


def test_synflow_of_linear_layers_is_conserved(tiny_bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Through every layer without bias flows R, the sum of the logits (Tanaka et al. 2020, theorem 1).
    one, other = nn.Linear(64, 3, bias=False), nn.Linear(3, 2, bias=False)
    flow = float((other.weight.abs().double() @ one.weight.abs().double()).sum().detach())
    drawing = []

    def made(*given: Any, variant: str) -> nn.Module:
        drawing.append(variant)
        return nn.Sequential(nn.Flatten(), one, other)

    monkeypatch.setattr(rankers, "drawn", made)
    assert RANKERS["synflow of the twin"](tiny_bench, tiny_bench.anchors()[1], 3) == (
        pytest.approx(math.log(2 * flow)),
    )
    assert drawing == ["twin"]
    blocked = nn.Sequential(nn.Flatten(), one, Site(real=True, clip=1e-9))
    monkeypatch.setattr(rankers, "drawn", lambda *given, variant: blocked)
    assert RANKERS["synflow of the twin"](tiny_bench, tiny_bench.anchors()[1], 3) == (-math.inf,)


def test_the_others_are_what_they_say(tiny_bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    genome = tiny_bench.anchors()[1]
    assert RANKERS["sign codes"](tiny_bench, genome, 3) == sign_codes(tiny_bench, genome, 3)
    assert RANKERS["operations"](tiny_bench, genome, 3) == (tiny_bench.cost(genome).ops,)
    longer = replace(tiny_bench.protocol, recipe=replace(tiny_bench.protocol.recipe, epochs=9))
    expected = evaluate(tiny_bench, genome, tiny_bench.seed(3, genome, FRESH)).objectives["error"]
    assert RANKERS["one epoch"](replace(tiny_bench, protocol=longer), genome, 3) == (-expected,)
    monkeypatch.setattr(rankers, "evaluate", lambda *given: Evaluation(Status.DIVERGED))
    assert RANKERS["one epoch"](tiny_bench, genome, 3) == (-math.inf,)


# --- Who is ranked --------------------------------------------------------------------------------------------------


def test_rows_of_a_table(miniature: Path) -> None:
    table = load_table(str(miniature))
    whole = of_table(table, ALONE)
    assert len(whole.genomes) == len(whole.recorded) == 13
    for name, error in whole.recorded.items():
        errors = table.rows[name].errors
        assert error == pytest.approx(sum(errors) / len(errors) / table.images)
        assert (whole.topology(name), whole.convolutions(name)) == ("", 0)
        assert whole.expressions(name) == table.rows[name].genome
    some = of_table(table, ALONE, 6)
    assert list(some.genomes) == list(whole.genomes)[:6]
    with pytest.raises(ExperimentError, match="14 rows that trained well, got 13"):
        of_table(table, ALONE, 14)
    strange = replace(table, data={**table.data, "fingerprint": "0123"})
    with pytest.raises(ExperimentError, match="the images of the table mini, 0123, got .* --data-dir"):
        of_table(strange, ALONE)


def test_expressions_are_crossed_with_topologies(tiny: Any) -> None:
    sample = of_experiment(tiny, ALONE, 14)
    pairs = [(sample.topology(name), sample.expressions(name)) for name in sample.genomes]
    topologies, expressions = (list(dict.fromkeys(part)) for part in zip(*pairs, strict=True))
    assert (len(topologies), len(expressions)) == (4, 3)
    assert pairs == list(product(topologies, expressions))
    for name, genome in sample.genomes.items():
        assert sample.bench.phenotype(genome).key == name
        built = sample.bench.network(genome)
        assert sample.convolutions(name) == str(genome).count("conv") + str(genome).count("dil") > 0
        assert built is not None
    with pytest.raises(ExperimentError, match="--genomes to be a whole number of at least 6, got 5"):
        of_experiment(tiny, ALONE, 5)


def test_where_one_is_fixed_all_differ_in_the_other(tiny: Any) -> None:
    cells = " ".join(f"{kind}[{cell}]" for kind, cell in of_experiment(tiny, ALONE, 6).genomes.popitem()[1].cells)
    for freeze, expected in (("@normal = x @reduction = x", (7, 1)), (cells, (1, 7))):
        sample = of_experiment(replace(tiny, space=replace(tiny.space, freeze=freeze)), ALONE, 7)
        found = ({part(name) for name in sample.genomes} for part in (sample.topology, sample.expressions))
        assert tuple(map(len, found)) == expected


# --- The judgement --------------------------------------------------------------------------------------------------


def measured(errors: object, codes: object, operations: object, **changes: Any) -> Measured:
    """Return what is known of 2 topologies x 3 expressions, in this order."""
    pairs = list(product("ab", "xyz"))
    given = {
        "errors": np.asarray(errors, dtype=float),
        "values": {"codes": [(one,) for one in codes], "operations": [(one,) for one in operations]},  # type: ignore[attr-defined]
        "seconds": {"codes": np.full(6, 0.5), "operations": np.arange(6.0)},
        "topologies": [one for one, _ in pairs],
        "expressions": [other for _, other in pairs],
        "convolutions": [1, 1, 1, 2, 2, 2],
        "training": 10.0,
    }
    return Measured(**{**given, **changes})


def test_planted_orders_come_back() -> None:
    # Errors fall with the expression, x, y, z, and less with the topology. Codes know the one, operations the other.
    report = judge(measured([0.5, 0.3, 0.1, 0.4, 0.2, 0.0], [1, 2, 3] * 2, [7] * 3 + [9] * 3), SAID, 4, 0)
    assert (report.genomes, report.failed, report.topologies, report.expressions) == (6, 4, 2, 3)
    codes, operations, control = report.rankers
    assert (codes.name, operations.name, control.name) == ("codes", "operations", CONTROL)
    assert codes.tau.estimate == pytest.approx(12 / math.sqrt(12 * 15))
    assert operations.tau.estimate == pytest.approx((6 - 3) / math.sqrt(9 * 15))
    assert codes.gain.estimate == pytest.approx(codes.tau.estimate - operations.tau.estimate)
    assert (operations.gain.estimate, operations.gain.low, operations.gain.high) == (0.0, 0.0, 0.0)
    assert (codes.equal.estimate, codes.expressions.estimate, operations.topologies.estimate) == (1.0, 1.0, 1.0)
    assert all(math.isnan(one.estimate) for one in (codes.topologies, operations.equal, operations.expressions))
    assert control.topologies.estimate == -1.0
    assert (codes.seconds, codes.share, operations.seconds) == (0.5, 0.05, 2.5)
    assert math.isnan(control.seconds)
    assert (codes.kept, operations.kept) == (1.0, 1.0)
    text = as_markdown(report)
    for part in ("| codes | 0.89 [", "| 500 | 5.0 % |", "| operations | 0.26 [", "| 2500 | 25 % |",
                 "3 expressions, 2 topologies", "the mean of 2 trainings", "which took 10.00 s"):  # fmt: skip
        assert part in text, text


def test_two_numbers_are_summed_by_rank() -> None:
    values = {"codes": [(1, 60), (2, 40), (3, 50), (4, 20), (5, 30), (6, 10)], "operations": [(1,)] * 6}
    report = judge(measured([0.7, 0.6, 0.8, 0.6, 0.8, 0.7], [], [], values=values), SAID, 0, 0)
    assert report.rankers[0].tau.estimate == pytest.approx(_tau([7, 6, 8, 6, 8, 7]))
    assert math.isnan(report.rankers[1].tau.estimate)
    assert math.isnan(report.rankers[0].gain.estimate)


def _tau(sums: list[int]) -> float:
    errors = [0.7, 0.6, 0.8, 0.6, 0.8, 0.7]
    signs = [(np.sign(sums[i] - sums[j]), -np.sign(errors[i] - errors[j])) for i in range(6) for j in range(i)]
    both, one, other = (sum(values) for values in zip(*((s * t, s * s, t * t) for s, t in signs), strict=True))
    return float(both / math.sqrt(one * other))


def test_elsewhere_leaves_out_the_own_topology() -> None:
    found = measured([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0] * 6, [0] * 6)
    assert elsewhere(found) == pytest.approx([0.4, 0.5, 0.6, 0.1, 0.2, 0.3])
    lonely = replace(found, expressions=["x", "y", "z", "x", "y", "u"])
    assert elsewhere(lonely) == pytest.approx([0.4, 0.5, 0.35, 0.1, 0.2, 0.35])
    assert elsewhere(replace(found, expressions=list("uvwxyz"))) is None


def test_kept_of_the_best_tenth() -> None:
    errors, score = np.arange(20.0), np.arange(20.0)
    assert (kept(-score, errors), kept(score, errors), kept(np.ones(20), errors)) == (1.0, 0.0, 0.5)
    score[:2] = 30.0, 3.0
    assert kept(score, errors) == 0.5


# --- The study ------------------------------------------------------------------------------------------------------


def test_what_fails_is_left_out(miniature: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = of_table(load_table(str(miniature)), ALONE, 7)
    first = next(iter(sample.genomes))

    def looked(job: LookJob) -> Looked:
        if job.genome == str(sample.genomes[first]):
            return Looked(failed="it burst")
        value = float(len(job.genome))
        return Looked(dict.fromkeys(RANKERS, (value,)), dict.fromkeys(RANKERS, 0.1), (0.5,), (2.0,))

    monkeypatch.setattr(rankerstudy, "look", looked)
    report = study(sample, ALONE)
    assert (report.genomes, report.failed, report.training) == (6, 1, 2.0)
    few = replace(sample, genomes=dict(list(sample.genomes.items())[:6]))
    with pytest.raises(
        SearchError, match="at least 6 genomes that can be measured, got 5; the first failure: it burst"
    ):
        study(few, ALONE)


def test_a_ranker_that_raises_is_a_failure(miniature: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bursting(*given: object) -> tuple[float, ...]:
        raise RuntimeError("no memory")

    sample = of_table(load_table(str(miniature)), ALONE, 6)
    monkeypatch.setitem(RANKERS, "sign codes", bursting)
    text = str(next(iter(sample.genomes.values())))
    assert look(LookJob(sample.bench, text, 0, 0)).failed == "sign codes: RuntimeError: no memory"
