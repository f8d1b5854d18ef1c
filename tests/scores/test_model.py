"""Learning again and again from what a search was told."""

from __future__ import annotations

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
