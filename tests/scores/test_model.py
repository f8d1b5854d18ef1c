"""Learning again and again from what a search was told."""

from __future__ import annotations

import pytest

from evobnn._seeding import generator
from evobnn.scores import Model, fit, genes
from evobnn.spaces import Space


def test_errors_by_text_are_those_of_the_process(tiny_space: Space) -> None:
    rng = generator(0, "model")
    genomes = [tiny_space.sample(rng) for _ in range(8)]
    trained = {str(genome): [0.1 + 0.05 * at] * (1 + at % 2) for at, genome in enumerate(genomes)}
    assert len(trained) == 8
    read = [genes(tiny_space, genome) for genome in genomes]
    model, wanted = Model(tiny_space), fit(read, list(trained.values())).errors(read)
    assert model.errors(trained) == model.errors(trained) == dict(zip(trained, wanted.tolist(), strict=True))


def test_of_nothing_nothing_is_believed(tiny_space: Space) -> None:
    assert Model(tiny_space).errors({}) == {}


def test_of_many_the_newest_count_and_those_trained_again_before_them(
    tiny_space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evobnn.scores.model.MOST", 5)
    rng = generator(1, "model")
    genomes = list(dict.fromkeys(tiny_space.sample(rng) for _ in range(12)))
    trained = {genome: [0.1 + 0.03 * at] * (2 if at == 1 else 1) for at, genome in enumerate(genomes)}
    chosen = [genomes[1], *genomes[-4:]]
    read = [genes(tiny_space, genome) for genome in chosen]
    wanted = fit(read, [trained[genome] for genome in chosen]).errors(read)
    model = Model(tiny_space)
    assert model.believed(model.learn(trained), chosen).tolist() == wanted.tolist()
    assert model.learn(trained) is model.learn(dict(trained))
    assert model.learn({**trained, genomes[-1]: [0.9]}) is not model.learn(trained)


def test_asked_in_parts_it_believes_the_same(tiny_space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = generator(2, "model")
    trained = {str(tiny_space.sample(rng)): [0.1 + 0.05 * at] for at in range(9)}
    whole = Model(tiny_space).errors(trained)
    monkeypatch.setattr("evobnn.scores.model.TOGETHER", 2)
    assert Model(tiny_space).errors(trained) == whole
