"""What each published search may be told. What its paper or code says is the default; what nobody confirmed says so."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evobnn._checks import check_at_least, check_between, check_name
from evobnn.errors import ExperimentError, message
from evobnn.experiment.settings import refuse_unknown, validated

EXPRESSIONS = "relax.expressions"
MODES: dict[str, dict[str, str]] = {
    "real": {"weights": "real", "activations": "real"},
    "activations": {"weights": "real", "activations": "binary"},
    "binary": {"weights": "binary", "activations": "binary"},
}
"""What of a recipe is binary in each of the three ways of searching that BATS compares (section 3.3)."""
GENOTYPES = ("best", "last")


@dataclass(frozen=True)
class Descent:
    """What BNAS and BATS share: DARTS, first order (Liu et al., ICLR 2019), with the numbers of its search.

    Attributes:
        epochs: passes over both halves of the training images.
        batch: images of a step, of the weights and of alpha alike.
        learning_rate, lowest_rate: of the weights, from the one to the other along a cosine.
        momentum, weight_decay: of the weights, by SGD.
        gradient_norm: bound on the norm of the weights' gradient; 0 for none.
        travel: by how much alpha can move in the whole search; its rate is this over the number of steps. 5.865 is 3e-4
            in the 50 x 391 steps that were published.
        alpha_decay: weight decay of alpha, by Adam with betas of 0.5 and 0.999.
        alpha_start: standard deviation of alpha as it begins.
        genotype: of which epoch the genome is, the `best` on the second half or the `last`.
        expressions: of a space that searches expressions, how many with learnable vectors every site keeps; each batch
            then has drawn ones. 0 for the plain sign throughout.
    """

    epochs: int = 50
    batch: int = 64
    learning_rate: float = 0.025
    lowest_rate: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 3e-4
    gradient_norm: float = 0.0
    travel: float = 5.865
    alpha_decay: float = 1e-3
    alpha_start: float = 1e-3
    genotype: str = "best"
    expressions: int = 0

    def __post_init__(self) -> None:
        check_at_least("relax.epochs", self.epochs, 1)
        check_at_least("relax.batch", self.batch, 2)
        check_at_least("relax.expressions", self.expressions, 0)
        check_between("relax.learning_rate", self.learning_rate, 1e-9, 100.0)
        check_between("relax.lowest_rate", self.lowest_rate, 0.0, self.learning_rate)
        check_between("relax.momentum", self.momentum, 0.0, 0.999)
        check_between("relax.travel", self.travel, 1e-6, 1e6)
        for name in ("weight_decay", "gradient_norm", "alpha_decay", "alpha_start"):
            check_between(f"relax.{name}", getattr(self, name), 0.0, 1e6)
        check_name("relax.genotype", self.genotype, GENOTYPES)


@dataclass(frozen=True)
class Bnas(Descent):
    """Settings of BNAS's search (Kim, Singh, Choi, ECCV 2020, section 3, and its code).

    Attributes:
        diversity: lambda, the factor of the mean entropy in the loss of alpha; 0 for none.
        tau: epochs in which that fades to 1/e.
        gamma: by which the share of Zeroise is divided for a second genotype, as for ImageNet.
        quantiser: of weights; `bnas` has the published gradient.
        as_released: with the bugs of the published code, see `evobnn.relax.published.bnas`.

    >>> import evobnn.relax
    >>> evobnn.relax.Bnas().tau
    7.7
    """

    diversity: float = 1.0
    tau: float = 7.7
    gamma: float = 3.0
    quantiser: str = "bnas"
    as_released: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between("relax.diversity", self.diversity, 0.0, 1e3)
        check_between("relax.tau", self.tau, 1e-3, 1e6)
        check_between("relax.gamma", self.gamma, 1e-3, 1e3)


@dataclass(frozen=True)
class Bats(Descent):
    """Settings of BATS's search (Bulat et al., ECCV 2020, section 3.3). Confirmed are the temperature, below 1, and the
    three modes; its values, the schedule and all else are DARTS's or this toolkit's own.

    Attributes:
        temperature: T of the first epoch.
        last_temperature: of the last one, reached in equal ratios; 0 for a constant one.
        mode: what is binary in the search: `activations`, `binary` or `real`, that is nothing.
        excluded: operations that are not chosen in the end; DARTS excludes `zero`.

    >>> import evobnn.relax
    >>> evobnn.relax.Bats(temperature=0.2).mode
    'activations'
    """

    gradient_norm: float = 5.0
    genotype: str = "last"
    temperature: float = 0.5
    last_temperature: float = 0.0
    mode: str = "activations"
    excluded: tuple[str, ...] = ("zero",)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "excluded", tuple(self.excluded))
        check_temperature(self.temperature)
        check_between("relax.last_temperature", self.last_temperature, 0.0, 1e3)
        check_name("relax.mode", self.mode, MODES)


@dataclass(frozen=True)
class Cpnas:
    """Settings of CP-NAS's search (Zhuo et al., IJCAI 2020, section 3). Confirmed are the indicator and the dropping.

    Attributes:
        repeats: T, how often each stage draws all operations; 3 in a third party's version of a sibling.
        beta: of the indicator; 2 is published as best, and rewards a bad child, see `evobnn.relax.formulas.indicator`.
        shared: whether a draw goes on with the weights that others left; otherwise each begins with those of the start.
        batch: images of a step; the rate and all else are those of the recipe, at a constant rate.
        expressions: see `Descent`.

    >>> import evobnn.relax
    >>> evobnn.relax.Cpnas().beta
    2.0
    """

    repeats: int = 3
    beta: float = 2.0
    shared: bool = True
    batch: int = 32
    expressions: int = 0

    def __post_init__(self) -> None:
        check_at_least("relax.repeats", self.repeats, 1)
        check_between("relax.beta", self.beta, -100.0, 100.0)
        check_at_least("relax.batch", self.batch, 2)
        check_at_least("relax.expressions", self.expressions, 0)


Settings = Bnas | Bats | Cpnas
SEARCHES: dict[str, type[Bnas] | type[Bats] | type[Cpnas]] = {"bnas": Bnas, "bats": Bats, "cpnas": Cpnas}
"""The settings of each search by its name, which is also that of its preset and space."""


def check_temperature(value: float) -> float:
    """Return a temperature; raise ExperimentError for one that no alpha can be divided by."""
    if not 1e-3 <= value <= 1e3:
        do = "Give one below 1 to sharpen, such as 0.2; 1 is DARTS's."
        raise ExperimentError(message("relax.temperature above 0, from 0.001 to 1000", repr(value), do))
    return value


def settings_of(search: str, table: Mapping[str, Any]) -> Settings:
    """Return the settings of a search from a table; raise ExperimentError for what is not understood."""
    kind = SEARCHES[check_name("search", search, SEARCHES)]
    refuse_unknown(table, kind, "relax.")
    found: Settings = validated(kind, table, "relax.")
    return found


def written(settings: Settings) -> dict[str, Any]:
    """Return settings as a table that TOML can say."""
    table = dataclasses.asdict(settings)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in table.items()}
