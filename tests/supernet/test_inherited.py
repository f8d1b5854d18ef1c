"""Searches whose scores come from a shared network: from end to end, killed and resumed, and what they refuse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evobnn.errors import EvobnnError, ExperimentError
from evobnn.evaluation import SCORES, Protocol, Shared
from evobnn.experiment import from_table, to_text
from evobnn.records import FRESH
from evobnn.runs.evaluator import Inherited
from evobnn.runs.search import Session
from evobnn.runs.setup import Options, create, make_bench
from evobnn.snapshot import read_generations, read_journal
from evobnn.studies.fidelity.weights import compare_weights
from evobnn.supernet.train import WEIGHTS
from tests.conftest import TINY

SHARED = {"epochs": 2, "expressions": 2}
TABLE = {**TINY, "score": "inherited", "shared": SHARED, "horizon": 2, "noise": {"repeats": 3, "rescore": 1}}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"shared": {"epochs": 0}}, "shared.epochs to be a whole number of at least 1, got 0"),
        ({"shared": {"expressions": -1}}, "shared.expressions to be a whole number of at least 0, got -1"),
        ({"shared": {"sampling": "fare"}}, "known shared.sampling, got 'fare'"),
        ({"shared": {"epoch": 3}}, "shared.epoch"),
        ({"score": "shared"}, "known value of score, got 'shared'"),
        ({"noise": {"rescore": 0}}, "noise.rescore of at least 1 with score = inherited"),
        ({"table": "joint-digits"}, "got a table"),
        ({"evaluation": {"name": "f", "version": "1"}}, "got an evaluation function"),
        ({"pressures": {"abandonment": {}}}, "got pressures.abandonment"),
        (
            {"halving": {"rungs": [1, 2]}, "recipe": {"schedule": "trunk", "epochs": 2}},
            "scores from a shared network with score = inherited, got halving.rungs",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_sentence(changed, said):
    with pytest.raises(ExperimentError) as raised:
        from_table({**TABLE, **changed}, "test")
    assert said in str(raised.value)


def test_trained_scores_leave_texts_and_fingerprints_as_they_were(tiny, tiny_bench):
    assert SCORES[0] == tiny.score == Protocol.__dataclass_fields__["score"].default
    assert "shared" not in to_text(tiny)
    assert "score" not in to_text(tiny).replace("rescore", "")
    other = replace(tiny, shared=Shared(epochs=7))
    assert other.fingerprint() != tiny.fingerprint()  # said, so it counts
    protocol = tiny_bench.protocol
    assert replace(protocol, shared=Shared(epochs=7)).fingerprint() == protocol.fingerprint()
    inherits = replace(protocol, score="inherited")
    seen = {protocol.fingerprint(), inherits.fingerprint(), replace(inherits, shared=Shared(epochs=7)).fingerprint()}
    assert len(seen) == 3


def test_the_text_of_an_experiment_holds_the_shared_network():
    experiment = from_table(TABLE, "test")
    assert from_table({**TABLE}, "test") == experiment
    assert 'score = "inherited"' in to_text(experiment)
    assert "[shared]" in to_text(experiment)
    assert experiment.repeats == 1
    assert replace(experiment, score="trained").repeats == 3


def test_a_network_that_no_memory_holds_leaves_no_folder(tmp_path):
    experiment = from_table({**TABLE, "shared": {"expressions": 10**9}}, "test")
    narrow = replace(experiment, space=replace(experiment.space, encoding=2, sites="node"))
    with pytest.raises(ExperimentError, match="bytes, the free memory"):
        create(narrow, Options(jobs=1), tmp_path)
    assert not list(tmp_path.iterdir())


def test_studies_of_trainings_refuse_it():
    with pytest.raises(EvobnnError, match="score = trained in a study, got score = inherited"):
        compare_weights(from_table(TABLE, "test"), Options(jobs=1))


def files(folder):
    names = ["experiment.toml", "log.jsonl", "front.csv", WEIGHTS]
    paths = [folder / name for name in names] + sorted(folder.glob("generation-*")) + sorted(folder.glob("rescored-*"))
    return {path.name: path.read_bytes() for path in paths}


class KilledError(Exception):
    pass


@pytest.mark.slow
def test_a_search_that_is_killed_and_resumed_has_the_same_bytes(tmp_path, monkeypatch):
    experiment, options = from_table(TABLE, "test"), Options(jobs=1)
    whole = create(experiment, options, tmp_path, tmp_path / "whole")
    said = []
    session = Session(whole, options, say=said.append)
    assert isinstance(session.evaluator, Inherited)
    session.proceed()
    assert next(one for one in said if "shared network" in one) == "The shared network is trained first, 2 epochs."
    parts = create(experiment, options, tmp_path, tmp_path / "parts")
    seen = []

    def killed(progress):
        seen.append(progress)
        if len(seen) in (3, 12):
            raise KilledError

    for _ in range(2):
        with pytest.raises(KilledError):
            Session(parts, options, report=killed).proceed()
    Session(parts, Options(jobs=2)).proceed()
    assert files(whole) == files(parts)
    generations, _ = read_generations(whole)
    results = [result for generation in generations for result in generation.results]
    assert {result.request.repeat for result in results} == {0}
    assert not any("training_loss" in result.evaluation.measures for result in results)
    fresh = [e for e in read_journal(whole / "journal.jsonl")[0] if e.repeat >= FRESH]
    assert fresh
    assert all("training_loss" in entry.evaluation.measures for entry in fresh)
    (parts / WEIGHTS).write_bytes(b"damaged")
    Session(parts, Options(jobs=1, generations=3)).proceed()
    assert (parts / WEIGHTS).read_bytes() == (whole / WEIGHTS).read_bytes()


def test_a_bench_carries_the_score(cache):
    bench = make_bench(from_table(TABLE, "test"), Options(jobs=1))
    assert bench.protocol.inherits
    assert bench.protocol.shared == Shared(**SHARED)
