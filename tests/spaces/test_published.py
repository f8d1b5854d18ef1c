"""What the papers published, as constants: cells, GAAF's vectors, sizes of spaces."""

from __future__ import annotations

from itertools import product
from math import comb, prod

import pytest

from evobnn._seeding import generator
from evobnn.errors import GenomeError
from evobnn.genome import BINARY, BNAS_OPERATIONS, UNARY, Genome, X
from evobnn.spaces import (
    ENCODING_1,
    ENCODING_2,
    PUBLISHED,
    SPACES,
    Alphabet,
    Choice,
    Template,
    adapt,
    bnas,
    canonical,
    embed,
    express,
    gaaf,
    genes_of,
    key,
    simplify,
)
from evobnn.spaces.bats import CIFAR as BATS_CIFAR
from evobnn.spaces.bnas import CIFAR, IMAGENET
from evobnn.spaces.cpnas import CIFAR as CPNAS_CIFAR
from evobnn.spaces.gaaf import BASELINES, RESNET18, genotype_1, genotype_2

TEMPLATES = {"bnas": CIFAR, "bats": BATS_CIFAR, "cpnas": CPNAS_CIFAR, "gaaf": RESNET18, "joint": CIFAR}


def test_every_space_is_built_from_its_template():
    assert list(SPACES) == ["bnas", "bats", "cpnas", "gaaf", "joint"]
    for name, make in SPACES.items():
        space = make(TEMPLATES[name], 64, Genome())
        assert space.name == name
        assert "arXiv" in space.reference
        space.check(space.sample(generator(0)))
    assert [len(SPACES[name](TEMPLATES[name], 64).offered["normal"]) for name in ("bnas", "bats", "cpnas")] == [7, 8, 8]


def test_published_cells_and_baselines_are_genomes_of_their_spaces():
    assert list(PUBLISHED) == ["bnas-cifar10", "bnas-imagenet", "ebnas", "sign", "sine", "shift"]
    cells, expressions = bnas(CIFAR, 64), gaaf(RESNET18, 32, choice=Choice(sites="net"))
    for name, genome in PUBLISHED.items():
        space = cells if genome.cells else expressions
        space.check(genome)
        assert space.parse(str(genome)) == genome, name
    bnas(IMAGENET, 224).check(PUBLISHED["bnas-imagenet"])


def test_published_cells_as_they_are_printed_in_the_fact_sheet():
    """op<-input by node: section 2.6 for BNAS, 5.2 for EBNAS."""

    def printed(name, kind):
        cell = PUBLISHED[name].cell_by_kind[kind]
        return [sorted(f"{edge.operation}<-{edge.source}" for edge in cell.into(node)) for node in (2, 3, 4, 5)]

    assert printed("bnas-imagenet", "normal") == [
        ["conv3<-1", "dil3<-0"], ["conv3<-1", "conv3<-2"], ["conv3<-2", "dil3<-1"], ["conv3<-0", "dil3<-1"],
    ]  # fmt: skip
    assert printed("bnas-cifar10", "reduction") == [
        ["max3<-0", "zero<-1"], ["max3<-0", "zero<-2"], ["zero<-2", "zero<-3"], ["zero<-3", "zero<-4"],
    ]  # fmt: skip
    assert printed("ebnas", "normal") == [
        ["conv3<-0", "max3<-1"], ["max3<-0", "max3<-1"], ["conv3<-1", "conv5<-0"], ["dil3<-1", "max3<-0"],
    ]  # fmt: skip
    assert printed("ebnas", "reduction") == [
        ["conv5<-0", "conv5<-1"], ["conv3<-1", "dil5<-2"], ["conv3<-1", "dil5<-2"], ["conv3<-1", "max3<-0"],
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", [1, 2])
def test_baselines_are_the_functions_they_are_named_after(encoding):
    space = gaaf(RESNET18, 32, choice=Choice(sites="net", encoding=encoding))
    assert {name: str(one) for name, one in BASELINES.items()} == {"sign": "x", "sine": "sin(x)", "shift": "shift(x)"}
    for name, expression in BASELINES.items():
        found = adapt(space, PUBLISHED[name], generator(0))
        space.check(found)
        assert canonical(space, found) == Genome.of({}, {"net": expression})
        direct = embed(space.shape, space.alphabet, expression)
        assert direct is not None and simplify(direct) == expression
        assert key(space, found) == key(space, PUBLISHED[name])


def test_vectors_of_encoding_1_by_hand():
    assert str(genotype_1(6, 0, 2)) == "mul(sin(x), x)"  # u1 = 6: sine, u2 = 0: x, b = 2: product
    assert str(genotype_1(0, 21, 0)) == "add(x, const)"
    assert str(genotype_1(19, 20, 10)) == "mix(scale(x), shift(x))"


def test_vectors_of_encoding_2_by_hand():
    """All unary numbers come first; u3 sees p = b1(u1(x), u2(x)), u4 sees x."""
    assert str(genotype_2(6, 7, 2, 17, 2, 1)) == "sub(square(mul(sin(x), cos(x))), abs(x))"
    assert str(genotype_2(0, 0, 0, 0, 0, 5)) == "max(add(x, x), x)"
    assert str(genotype_2(6, 7, 1, 3, 0, 0)) == "add(zero, cube(x))"  # u3 = 0 leaves nothing of p
    assert str(genotype_2(1, 2, 3, 4, 5, 6)) == "min(cube(max(zero, square(x))), sqrt(x))"


@pytest.mark.parametrize("vector", [(22, 0, 0), (0, -1, 0), (0, 0, 11)])
def test_a_number_outside_of_the_tables_is_refused(vector):
    with pytest.raises(GenomeError, match="a form's number from 0 to"):
        genotype_1(*vector)


def test_encoding_1_has_5324_vectors_of_3789_keys():
    space = gaaf(RESNET18, 32, choice=Choice(sites="net"))
    drawn = [genotype_1(*vector) for vector in product(range(22), range(22), range(11))]
    assert len(drawn) == len(set(drawn)) == 22 * 22 * 11 == 5324
    assert all(genes_of(space.shape, space.alphabet, one) for one in drawn)
    assert len({simplify(one) for one in drawn}) == 3789
    some = drawn[::100]
    assert len({key(space, Genome.of({}, {"net": one})) for one in some}) == len({simplify(one) for one in some})
    assert len(some) == 54


def test_encoding_2_has_28_344_976_vectors():
    space = gaaf(RESNET18, 32, choice=Choice(encoding=2))
    assert space.shape == ENCODING_2
    assert prod(len(space.alphabet.names(role)) for role in space.shape.roles()) == 22**4 * 11**2 == 28_344_976
    rng, checked = generator(1), 0
    for _ in range(300):
        u1, u2, u3, u4, b1, b2 = (int(rng.integers(n)) for n in (22, 22, 22, 22, 11, 11))
        names = (tuple(UNARY), tuple(BINARY))
        genes = (names[1][b2], names[0][u3], names[1][b1], names[0][u1], names[0][u2], names[0][u4])
        assert genotype_2(u1, u2, u3, u4, b1, b2) == express(ENCODING_2, genes)
        checked += 1
    assert checked == 300


def test_one_kind_of_cell_of_bnas_has_1_037_664_180_genotypes():
    space = bnas(CIFAR, 64)  # the smallest maps have 16 pixels a side: all seven operations
    assert space.offered["normal"] == space.offered["reduction"] == BNAS_OPERATIONS
    count = prod(comb(node, space.degree(node)) * 7 ** space.degree(node) for node in space.own_nodes)
    assert count == 1 * 3 * 6 * 10 * 49**4 == 1_037_664_180


def test_cpnas_has_an_operation_on_each_of_14_edges():
    space = SPACES["cpnas"](CPNAS_CIFAR, 32)
    assert [space.degree(node) for node in space.own_nodes] == [2, 3, 4, 5]
    genome = space.sample(generator(2))
    for kind in space.kinds:
        edges = genome.cell_by_kind[kind].edges
        assert [(edge.source, edge.target) for edge in edges] == [(s, t) for t in (2, 3, 4, 5) for s in range(t)]


def test_one_expression_for_the_resnet_or_one_per_kind_of_block():
    net, kinds = (gaaf(RESNET18, 32, choice=Choice(sites=sites)) for sites in ("net", "kind"))
    assert (net.sites, kinds.sites, net.kinds) == (("net",), ("normal", "reduction"), ())
    assert gaaf(Template(cells=2, reductions=0, skip="none", stem=1, macro="resnet"), 8).sites == ("normal",)
    same = Genome.of({}, dict.fromkeys(kinds.sites, BASELINES["sine"]))
    assert key(kinds, same) == key(net, Genome.of({}, {"net": BASELINES["sine"]}))
    assert str(canonical(kinds, same.with_expression("normal", X))) == "@normal = x @reduction = sin(x)"
    assert embed(ENCODING_1, Alphabet(), X) == PUBLISHED["sign"].expression_by_site["net"]
