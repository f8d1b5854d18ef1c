"""Experiments as text: there and back, every mistake named with its path, overrides read as TOML."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch

from evobnn._seeding import generator
from evobnn.errors import EvobnnError, ExperimentError
from evobnn.evolution.pressures import PRESSURES, Abandonment, Diversity
from evobnn.experiment import precision, written
from evobnn.experiment.presets import override, preset_names, preset_summary, preset_table
from evobnn.experiment.settings import Experiment, NoiseSettings, SpaceSettings, StartSettings
from evobnn.experiment.text import from_table, from_text, load, to_text
from evobnn.genome import FORMS, OPERATIONS, FormSpec, OpSpec, groups
from evobnn.snapshot import read_generations
from evobnn.spaces import ENCODING_2, Choice, Template, joint
from evobnn.spaces.bats import CIFAR as BATS
from evobnn.spaces.bnas import CIFAR as BNAS
from evobnn.spaces.cpnas import CIFAR as CPNAS
from evobnn.spaces.gaaf import CLIP, RESNET18
from evobnn.training import Recipe


def read(table: dict[str, Any]) -> Experiment:
    return from_table(table, "here")


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_survives_the_way_to_text_and_back(name: str) -> None:
    experiment = read(preset_table(name))
    text = to_text(experiment)
    assert from_text(text, "text") == experiment
    assert to_text(from_text(text, "text")) == text
    assert experiment.preset == name
    assert experiment.make_strategy().population == experiment.strategy["population"]
    assert name in preset_summary(name)
    assert from_text(text, "text").fingerprint() == experiment.fingerprint()


def test_there_are_presets_and_a_misspelt_one_names_the_closest() -> None:
    assert "digits" in preset_names()
    with pytest.raises(ExperimentError, match="Did you mean 'digits'"):
        preset_table("digts")


def test_everything_that_is_not_the_default_survives_too(tmp_path: Path) -> None:
    experiment = dataclasses.replace(
        read({"strategy": {"name": "random", "population": 7}, "recipe": {"learning_rate": 1e-3, "clip": 1.3}}),
        seed=3,
        max_macs=1e9,
        objectives=("ops", "error", "bits"),
        space=SpaceSettings("bnas", "net", "@net = x"),
        noise=NoiseSettings(1, 0),
        start=StartSettings(("normal[2 = conv3(0)] @net = x", "@net = sin(x)")),
    )
    (tmp_path / "experiment.toml").write_text(to_text(experiment))
    assert load(tmp_path / "experiment.toml") == experiment
    assert dict(experiment.strategy) == {"name": "random", "population": 7}


def test_the_text_says_everything_even_what_was_left_out() -> None:
    table = tomllib.loads(to_text(Experiment()))
    assert table["format"] == 1
    assert table["strategy"] == {"name": "nsga2", "population": 20, "crossover": 0.7, "mutation": 0.7}
    assert set(table) == {"format"} | {field.name for field in dataclasses.fields(Experiment)} - {
        "halving",
        "constraints",
        "evaluation",
        "screen",
        "choose",
        "refuse",
        "score",
        "shared",
    }
    assert set(table["recipe"]) == {field.name for field in dataclasses.fields(Recipe)} - {"decay"}
    assert read({}) == Experiment()


def test_halving_is_written_where_it_is_on() -> None:
    """Off it leaves no trace in the text, so that of a run without it is as it was before there was any."""
    trunk = {"recipe": {"schedule": "trunk", "epochs": 4}}
    plain, halved = read(trunk), read({**trunk, "halving": {"rungs": [1, 4], "keep": 0.25}})
    table = tomllib.loads(to_text(halved))
    assert (table["halving"], table["recipe"]["decay"]) == ({"rungs": [1, 4], "keep": 0.25}, 0.5)
    assert from_text(to_text(halved), "text") == halved
    assert "halving" not in to_text(plain) and "decay = 0.5" in to_text(plain)
    assert halved.fingerprint() != plain.fingerprint()
    kept = read({"halving": {"keep": 0.25}})
    assert from_text(to_text(kept), "text") == kept


def test_two_settings_have_two_fingerprints() -> None:
    prints = {
        read(table).fingerprint()
        for table in ({}, {"seed": 1}, {"recipe": {"epochs": 9}}, {"strategy": {"population": 3}}, {"preset": "a"})
    }
    assert len(prints) == 5


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"seeds": 1}, r"'seeds'.*Did you mean 'seed'"),
        ({"recpie": {}}, "Did you mean 'recipe'"),
        ({"recipe": {"epoch": 3}}, r"'recipe.epoch'.*Did you mean 'recipe.epochs'"),
        ({"network": {"widht": 3}}, "Did you mean 'network.width'"),
        ({"dataset": {"trainlimit": 3}}, "Did you mean 'dataset.train_limit'"),
        ({"strategy": {"populaton": 3}}, "Did you mean 'strategy.population'"),
        ({"strategy": {"name": "random", "mutation": 0.5}}, "strategy.mutation"),
        ({"recipe": {"optimiser": "admw"}}, "Did you mean 'adamw'"),
        ({"recipe": {"epochs": "3"}}, r"recipe\.epochs as.*integer, got '3'"),
        ({"recipe": {"epochs": 3.5}}, r"recipe\.epochs as.*integer"),
        ({"recipe": {"epochs": True}}, r"recipe\.epochs as"),
        ({"recipe": 5}, "recipe as"),
        ({"seed": "x"}, "seed as"),
        ({"objectives": "error"}, "objectives as"),
        ({"strategy": {"population": "many"}}, r"strategy\.population as"),
        ({"strategy": "nsga2"}, "strategy as"),
        ({"strategy": {"population": 0}}, r"strategy\.population to be a whole number of at least 1"),
        ({"strategy": {"crossover": 1.5}}, r"strategy\.crossover between 0 and 1"),
        ({"objectives": []}, "different objectives"),
        ({"objectives": ["error", "error"]}, "different objectives"),
        ({"seed": -1}, "seed to be"),
        ({"horizon": -1}, "horizon to be"),
        ({"max_macs": -1.0}, "max_macs between"),
        ({"max_macs": math.nan}, "max_macs"),
        ({"recipe": {"learning_rate": math.nan}}, "recipe.learning_rate"),
        ({"noise": {"repeats": 0}}, "noise.repeats"),
        ({"noise": {"rescore": -1}}, "noise.rescore"),
        ({"network": {"cells": 1, "reductions": 1}}, "network.cells"),
        ({"dataset": {"validation": 1.5}}, "dataset.validation"),
        ({"preset": "../elsewhere"}, "preset as a plain name"),
        ({"preset": ""}, "preset as a plain name"),
        ({"format": 2}, "format 1 in here, got 2"),
        ({"table": 5}, "table as: .*string, got 5"),
        ({"pressure": {}}, "Did you mean 'pressures'"),
        ({"pressures": {"diversty": {}}}, "a known pressure, got 'diversty'. Did you mean 'diversity'"),
        (
            {"pressures": {"diversity": {"strenght": 2}}},
            "'pressures.diversity.strenght'. Did you mean 'pressures.d",
        ),
        ({"pressures": {"diversity": {"strength": "much"}}}, r"pressures.diversity.strength as: .*number, got 'much'"),
        ({"pressures": {"abandonment": {"every": 1.5}}}, r"pressures.abandonment.every as: .*integer"),
        (
            {"pressures": {"abandonment": {"every": 0}}},
            "pressures.abandonment.every to be a whole number of at",
        ),
        ({"pressures": {"temperature": {"schedule": "linera"}}}, "Did you mean 'linear'"),
        ({"pressures": {"temperature": {"temperature": math.nan}}}, "pressures.temperature.temperature between"),
        (
            {"pressures": {"diversity": 1}},
            "pressures.diversity as a section of settings, got 1. Write pressures.d",
        ),
        ({"pressures": {"diversity": True}}, r"pressures.diversity as a section of settings, got True"),
        ({"pressures": "diversity"}, "pressures as:"),
        ({"pressures": ["diversity"]}, "pressures as:"),
    ],
)
def test_every_mistake_is_named_in_the_callers_words(table: dict[str, Any], words: str) -> None:
    with pytest.raises(EvobnnError, match=words) as caught:
        read(table)
    assert all(line.startswith("Expected ") for line in str(caught.value).splitlines())


def test_all_wrong_types_are_named_at_once() -> None:
    with pytest.raises(ExperimentError) as caught:
        read({"seed": "x", "recipe": {"epochs": "y", "batch": "z"}})
    lines = str(caught.value).splitlines()
    assert [line.split(" as: ")[0] for line in lines] == [
        "Expected seed",
        "Expected recipe.epochs",
        "Expected recipe.batch",
    ]


def test_a_whole_number_will_do_where_a_real_one_is_asked_for() -> None:
    assert read({"recipe": {"gradient_norm": 5}, "max_macs": 10}).max_macs == 10.0


def test_text_that_is_not_toml_and_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="TOML in my file"):
        from_text("seed = = 3", "my file")
    with pytest.raises(ExperimentError, match="absent"):
        load(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b"preset = '\xe9'")
    with pytest.raises(ExperimentError, match="latin"):
        load(tmp_path / "latin.toml")
    with pytest.raises(ExperimentError):
        load(tmp_path)


RESNET = {"macro": "resnet", "width": 8, "skip": "none", "stem": 1}


@pytest.mark.parametrize(
    ("table", "kernels"),
    [
        ({}, "fused"),
        (
            {"dataset": {"name": "mnist"}, "network": {"macro": "resnet", "width": 8, "skip": "none", "stem": 1}},
            "torch",
        ),
        (
            {
                "dataset": {"name": "mnist", "size": 14},
                "network": {"macro": "resnet", "width": 8, "skip": "none", "stem": 1},
            },
            "fused",
        ),
        ({"dataset": {"name": "npz"}}, "fused"),
        ({"network": {"macro": "cpnas", "skip": "none", "stem": 1}}, "torch"),
    ],
)
def test_kernels_auto_are_settled_by_shape_and_processor(
    table: dict[str, Any], kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = sys.modules["evobnn.nn.fast.quickest"]
    monkeypatch.setattr(found, "no_compiler", lambda: "")
    monkeypatch.setattr(found.platform, "machine", lambda: "x86_64")
    said = read({**table, "recipe": {"kernels": "auto"}})
    assert said.recipe.kernels == kernels
    assert read(tomllib.loads(to_text(said))) == said
    monkeypatch.setattr(found.platform, "machine", lambda: "arm64")
    assert read({**table, "recipe": {"kernels": "auto"}}).recipe.kernels == "torch"


@pytest.mark.parametrize(("processor", "library"), [(False, True), (True, False)])
def test_precision_auto_is_float32_without_instructions_for_bfloat16(
    processor: bool, library: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: processor, raising=False)
    monkeypatch.setattr(precision, "_onednn_takes_bf16", lambda: library)
    assert read({"recipe": {"precision": "auto"}}).recipe.precision == "fp32"


def test_precision_auto_is_settled_when_the_experiment_is_read() -> None:
    assert read({"recipe": {"precision": "auto"}}).recipe.precision in ("fp32", "bf16")
    assert "auto" not in to_text(read({"recipe": {"precision": "auto"}}))


# --- Pressures, table, and experiments of the version before ---------------------------------------------------------


def test_pressures_are_completed_and_stand_in_one_order() -> None:
    given = {"abandonment": {"every": 3}, "diversity": {}}
    experiment = read({"pressures": given})
    assert experiment.pressures == {
        "diversity": {"strength": 1.0, "fade": 0.154},
        "abandonment": {"every": 3, "beta": 2.0, "draws": 1},
    }
    assert list(experiment.pressures) == ["diversity", "abandonment"]
    assert experiment == read({"pressures": dict(reversed(given.items()))})
    assert experiment.make_pressures() == {"diversity": Diversity(), "abandonment": Abandonment(every=3)}
    assert read({}).pressures == read({"pressures": {}}).make_pressures() == {}


@pytest.mark.parametrize(
    "table",
    [
        {"table": "joint-digits"},
        {"table": "some where/table.jsonl", "pressures": {"temperature": {"schedule": "exponential", "final": 1e-3}}},
        {"pressures": {"temperature": {"temperature": math.inf}}},
        {"pressures": {name: {} for name in PRESSURES}},
        {"recipe": {"weights": "real"}, "network": {"style": "imagenet", "stem": 1}},
    ],
)
def test_later_settings_survive_the_way_to_text_and_count(table: dict[str, Any]) -> None:
    experiment = read(table)
    text = to_text(experiment)
    assert from_text(text, "text") == experiment
    assert to_text(from_text(text, "text")) == text
    assert experiment.fingerprint() != Experiment().fingerprint()


def test_a_pressure_is_turned_on_by_an_override() -> None:
    chosen = ["pressures.diversity={}", "pressures.abandonment.beta=0", "table=mini"]
    experiment = read(override(preset_table("digits"), chosen))
    assert (set(experiment.pressures), experiment.table) == ({"diversity", "abandonment"}, "mini")
    assert experiment.pressures["abandonment"]["beta"] == 0.0


def test_the_fingerprint_of_an_experiment_of_the_version_before_stays() -> None:
    """That of a run that was begun before there were pressures, tables, macros, choices and real weights."""
    folder = Path(__file__).parent / "before"
    text = (folder / "experiment.toml").read_text()
    experiment = from_text(text, "text")
    assert not any(name in tomllib.loads(text) for name in ("pressures", "table"))
    assert experiment.fingerprint() == "bc3c52642f40e38f" == hashlib.sha256(text.encode()).hexdigest()[:16]
    assert {generation.header["experiment"] for generation in read_generations(folder)[0]} == {"bc3c52642f40e38f"}
    assert from_text(to_text(experiment), "all said").fingerprint() == "bc3c52642f40e38f"


def test_every_later_setting_counts_as_soon_as_it_says_something_else() -> None:
    other = {
        "": {"pressures": {"diversity": {}}, "table": "mini", "halving": {"rungs": [2, 8]},
             "constraints": {"bits": 2e5}, "evaluation": {"name": "simulator"}, "screen": "model", "choose": "model",
             "refuse": "starts-constant", "score": "inherited", "shared": {"epochs": 3}},
        "space": {"topology": "bats", "encoding": 2, "gamma": 3.0, "nodes": 3, "offered": ["conv3", "zero"],
                  "unary": ["x"], "binary": ["mul"]},
        "dataset": {"skip_damaged": True, "fingerprint": "0123456789abcdef"},
        "network": {"macro": "bats", "style": "imagenet"},
        "recipe": {"weights": "real", "momentum": 0.8, "low_momentum": 0.5, "milestones": [0.5], "factors": [0.1],
                   "cycles": 2, "label_smoothing": 0.1, "drop_path": 0.2, "ema": 0.9, "mixup": 0.2, "quantiser": "xnor",
                   "shift": True, "activations": "real", "distillation": 0.5, "temperature": 2.0, "kernel_loss": 1.0,
                   "centre_loss": 1.0, "kernels": "fused", "decay": 1.0},
    }  # fmt: skip
    assert {section: set(values) for section, values in other.items()} == {
        section: set(values) for section, values in written.LATER.items()
    }
    # A style of ImageNet has no wide stem, a milestone a factor, halving a trunk.
    plain = {"network": {"stem": 1}, "dataset": {}, "space": {}, "recipe": {"milestones": [0.25], "factors": [0.5]}}
    plain["recipe"]["schedule"] = "trunk"
    base, prints = read(plain).fingerprint(), set()
    for section, values in other.items():
        for name, value in values.items():
            changed = {section: {**plain[section], name: value}} if section else {name: value}
            prints.add(read({**plain, **changed}).fingerprint())
    assert len(prints) == 40
    assert base not in prints


@pytest.mark.parametrize(("name", "value"), [("choose", "model"), ("refuse", "starts-constant")])
def test_a_later_choice_is_said_only_where_it_was_made(name: str, value: str) -> None:
    assert name not in to_text(read({}))
    assert getattr(read(tomllib.loads(to_text(read({name: value})))), name) == value


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"choose": "modle"}, "Did you mean 'model'"),
        ({"screen": "modle"}, "Did you mean 'model'"),
        ({"screen": "model", "objectives": ["ops", "bits"]}, "got no error"),
        ({"screen": "model", "objectives": ["error", "joy"]}, "got joy"),
        ({"screen": "model", "objectives": ["error", "latency"]}, "got latency"),
        ({"choose": "model", "objectives": ["ops", "bits"]}, "got no error"),
        ({"choose": "model", "objectives": ["error", "joy"]}, "got joy"),
        ({"choose": "model", "noise": {"rescore": 0}}, "noise.rescore of at least 1"),
    ],
)
def test_what_a_model_cannot_name_by_is_said(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ExperimentError, match=words):
        read(table)


@pytest.mark.parametrize(
    ("table", "screens", "chooses"),
    [
        ({}, True, True),
        ({"objectives": ["error", "elementwise", "bits"]}, True, True),
        ({"strategy": {"name": "random"}}, False, True),
        ({"strategy": {"name": "gaaf"}}, False, True),
        ({"objectives": ["error", "latency"]}, False, True),
        ({"objectives": ["error", "joy"]}, False, False),
        ({"objectives": ["ops", "bits"]}, False, False),
        ({"noise": {"rescore": 0}}, True, False),
        ({"evaluation": {"name": "simulator", "version": "1"}}, False, False),
    ],
)
def test_auto_takes_the_model_only_where_it_can(table: dict[str, Any], screens: bool, chooses: bool) -> None:
    found = read({"screen": "auto", "choose": "auto", **table})
    assert (found.screens, found.chooses) == (screens, chooses)
    if not table.get("evaluation"):
        assert (type(found.make_strategy()).__name__ == "Screened") is screens


def test_a_refusal_that_there_is_not_names_the_closest() -> None:
    with pytest.raises(ExperimentError, match="value of refuse, got .*Did you mean 'starts-constant'"):
        read({"refuse": "start-constant"})


# --- Overrides ------------------------------------------------------------------------------------------------------


def test_overrides_are_toml_or_else_text_and_leave_the_table_alone() -> None:
    table = preset_table("digits")
    copy = preset_table("digits")
    changed = override(
        table,
        ["recipe.epochs=3", "recipe.learning_rate = 1e-3", "strategy.name=random", "noise.repeats=1", 'seed="7"',
         "objectives=['error', 'bits']", "space.freeze=@net = x, y", "recipe.epochs=4", "halving.rungs=1,2, 4"],
    )  # fmt: skip
    assert table == copy
    assert (changed["recipe"]["epochs"], changed["recipe"]["learning_rate"]) == (4, 1e-3)
    assert (changed["strategy"]["name"], changed["noise"], changed["seed"]) == ("random", {"repeats": 1}, "7")
    assert changed["objectives"] == ["error", "bits"]
    assert changed["space"] == {"freeze": "@net = x, y"}
    assert changed["halving"] == {"rungs": [1, 2, 4]}
    assert override(table, []) == table


@pytest.mark.parametrize("assignment", ["recipe.epochs", "=3", " = 3", "horizon.x=3"])
def test_an_override_that_is_none_is_refused(assignment: str) -> None:
    with pytest.raises(ExperimentError, match="Expected "):
        override({"horizon": 3}, [assignment])


@pytest.mark.parametrize("assignment", ["recipe.=3", ".epochs=3", "a..b=1", "recipe.epochs.x=3"])
def test_a_path_that_leads_nowhere_is_refused_when_read(assignment: str) -> None:
    with pytest.raises(ExperimentError):
        read(override({}, [assignment]))


# --- Space ----------------------------------------------------------------------------------------------------------

NETWORK = Template(cells=2, width=2, reductions=1, skip="free", padding="minus_one", stem=1)
CELL = "2 = conv3(0) + max3(1); 3 = avg3(0) + conv3(2); 4 = zero(0) + max3(3); 5 = conv3(1) + zero(4)"


def test_topology_alone_expressions_alone_and_one_expression_in_all() -> None:
    whole = SpaceSettings().build(NETWORK, 8)
    assert (whole.free_kinds, whole.free_sites) == (("normal", "reduction"), ("normal", "reduction"))
    topology = SpaceSettings(freeze="@normal = x @reduction = x").build(NETWORK, 8)
    assert (topology.free_kinds, topology.free_sites) == (("normal", "reduction"), ())
    expressions = SpaceSettings(freeze=f"normal[{CELL}] reduction[{CELL}]").build(NETWORK, 8)
    assert (expressions.free_kinds, expressions.free_sites) == ((), ("normal", "reduction"))
    assert SpaceSettings(sites="net").build(NETWORK, 8).free_sites == ("net",)
    assert SpaceSettings("bnas").build(NETWORK, 8).free_sites == ()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"freeze": "@nrmal = x"}, "Did you mean 'normal'"),
        ({"freeze": "nomal[2 = conv3(0)]"}, "Did you mean 'normal'"),
        ({"freeze": "@normal = sn(x)"}, "Did you mean 'sin'"),
        ({"sites": "cell"}, "space.sites"),
        ({"sites": "node", "freeze": "@normal = x"}, "class of sites in space.freeze"),
        ({"name": "bnas", "encoding": 2}, "space.encoding = 1 in the space bnas, got 2"),
        ({"name": "gaaf"}, "residual blocks for the space gaaf, got macro = bnas. Set network.macro = resnet"),
        ({"encoding": 3}, "space.encoding 1 or 2, got 3"),
        ({"offered": ("conv33",)}, "Did you mean 'conv3'"),
        ({"unary": ("cos", "cos")}, "different names in space.unary"),
    ],
)
def test_a_freeze_or_a_choice_that_cannot_be_is_refused(settings: dict[str, str], words: str) -> None:
    with pytest.raises(EvobnnError, match=words):
        SpaceSettings(**settings).build(NETWORK, 8)


def test_the_settings_of_a_space_are_its_name_what_is_frozen_and_every_choice() -> None:
    names = [one.name for one in dataclasses.fields(SpaceSettings)]
    assert names[:3] == ["name", "sites", "freeze"]
    assert set(names) == {"name", "freeze"} | {one.name for one in dataclasses.fields(Choice)}
    assert SpaceSettings().choice == Choice()


def test_choices_survive_the_way_to_text_and_shape_the_space() -> None:
    table = {"space": {"topology": "cpnas", "encoding": 2, "gamma": 3, "sites": "node", "nodes": 2,
                       "offered": ["sep3", "zero"], "unary": ["x", "sin"], "binary": ["mul"]}}  # fmt: skip
    experiment = read(table)
    assert from_text(to_text(experiment), "text") == experiment
    space = experiment.space.build(NETWORK, 8)
    assert (space.inputs, space.shape, space.gamma, len(space.sites), space.nodes) == (0, ENCODING_2, 3.0, 8, 2)
    assert space.offered["normal"] == ("zero", "sep3")
    assert (space.alphabet.unary, space.alphabet.binary) == (("x", "sin"), ("mul",))


def test_a_space_takes_operations_and_forms_of_ones_own() -> None:
    operations = {**OPERATIONS, "conv1": OpSpec("conv1", 1, "own", binary=True, zero_preserving=False)}
    forms = {**FORMS, "tanh": FormSpec("tanh", 1, "tanh p")}
    space = SpaceSettings(freeze="@normal = tanh(x)").build(NETWORK, 8, operations, forms)
    assert (space.offered["reduction"][-1], space.alphabet.unary[-1]) == ("conv1", "tanh")
    assert str(space.frozen) == "@normal = tanh(x)"
    with pytest.raises(EvobnnError, match="form"):
        SpaceSettings(freeze="@normal = tanh(x)").build(NETWORK, 8)


PUBLISHED_NETWORKS = {"bnas": BNAS, "bnas-cifar10": BNAS, "bats": BATS, "cpnas": CPNAS,
                      "gaaf": RESNET18}  # fmt: skip


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_has_a_space_that_its_network_can_be_built_from(name: str) -> None:
    experiment = read(preset_table(name))
    size = experiment.dataset.size or {"cifar10": 32, "npz": 16}.get(experiment.dataset.name, 8)
    space = experiment.space.build(experiment.network, size)
    space.check(space.sample(generator(0)))
    if name not in PUBLISHED_NETWORKS:
        assert space == dataclasses.replace(joint(experiment.network, size), nodes=experiment.space.nodes)
        return
    published = PUBLISHED_NETWORKS[name]
    kept = ("skip", "padding", "scale", "stem", "macro", "style", "head")
    assert {one: getattr(experiment.network, one) for one in kept} == {one: getattr(published, one) for one in kept}
    assert (experiment.network == published) is (name == "bnas-cifar10")
    assert space.name == name.split("-")[0]


def test_the_preset_of_gaaf_has_its_clips_and_one_function_for_all() -> None:
    experiment = read(preset_table("gaaf"))
    assert (experiment.recipe.clip, experiment.recipe.latent_clip) == (CLIP, CLIP) == (1.3, 1.3)
    assert experiment.space.build(experiment.network, 8).sites == ("net",)
    assert experiment.objectives == ("error", "elementwise")


def test_the_groups_of_the_bats_preset_hold_more_than_one_channel() -> None:
    width = read(preset_table("bats")).network.width
    assert (groups(width), width // groups(width)) == (12, 2)
