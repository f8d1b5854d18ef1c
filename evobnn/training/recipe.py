"""How to train, as plain data: the fields of a recipe, and which of them can stand together."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from evobnn._checks import check_at_least, check_between, check_name
from evobnn.data.augment import check_augmentation
from evobnn.errors import ExperimentError, message
from evobnn.nn import KERNELS, PRECISIONS, SURROGATES, WEIGHTS_QUANTISERS

OPTIMISERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "onecycle", "linear", "steps", "restarts", "bnas", "trunk")

WEIGHTS = ("binary", "real")
ACTIVATIONS = ("binary", "real")


@dataclass(frozen=True)
class Recipe:
    """How to train: fields of the protocol.

    Attributes:
        epochs: passes over the training part.
        batch: images per step.
        optimiser: `adam`, `adamw` or `sgd` (with Nesterov's momentum).
        learning_rate: at its highest.
        schedule: `constant`, `cosine` (to 0), `onecycle` (linear up over the first quarter, cosine to 0), `linear` (to
            0), `steps` (see `milestones`), `restarts` (see `cycles`), `bnas` (from a 20th linearly up over 45 % of the
            steps, down again over 45 %, then to a 2000th) or `trunk` (linearly up over the first half epoch, then
            constant, so that it can be gone on with to any length; scores come from a branch, see `decay`); closed
            forms in `evobnn.training.schedule`.
        weight_decay: of convolution and linear weights; norms, biases, expressions, shifts and scales have none.
        surrogate: gradient behind every sign, a name of `evobnn.nn.SURROGATES`.
        clip: half-width of the surrogate's support.
        latent_clip: latent weights are kept in [-latent_clip, latent_clip]; 0 for no bound. A quantiser that wants
            something else of its latent weights gets that instead.
        gradient_norm: bound on the norm of the whole gradient; 0 for none.
        augmentation: parts joined by hyphens, see `evobnn.data.augment`; `auto` is written out for the data set before
            anything is trained or recorded.
        precision: of binary convolutions, `fp32` or `bf16` (see `evobnn.nn.BinaryConv2d`); the rest is fp32.
        weights: `binary`, or `real` for real weights behind binary activations, with which BATS searches (Bulat et al.
            2020, section 3.3); whoever builds the network reads it, and costs stay those of the binary network.
        threads: torch threads of one training.
        momentum: of `sgd`; the first beta of `adam` and `adamw`.
        low_momentum: momentum moves against the rate and is this low where the rate is highest; 0 for a constant one.
        milestones: of `steps`: shares of the training, rising, from which on the rate is that of `factors`.
        factors: of `steps`: shares of the highest rate, one per milestone.
        cycles: of `restarts`: how many cosine periods of equal length there are, each to 0.
        decay: of `trunk`: epochs, or a part of one, of the branch that goes off after the last epoch, in which the rate
            falls linearly to 0 before the network is scored. They come on top of `epochs`.
        label_smoothing: share of a target that is spread evenly over all classes.
        drop_path: highest probability to drop an edge or branch, see `evobnn.nn.set_drop_path`; it rises linearly with
            the epochs from 0 (as in DARTS: drop_path * epoch / epochs, the first epoch being 0).
        ema: decay of the running mean of the weights, with which the network is scored; 0 for none.
        mixup: alpha of the Beta distribution that mixes pairs of images; 0 for none.
        quantiser: of weights, a name of `evobnn.nn.WEIGHTS_QUANTISERS`; empty for the network's own (`network.scale`).
            Whoever builds the network reads it.
        shift: a learnable shift per channel before every sign (RSign of ReActNet). Read where the network is built.
        activations: `binary`, or `real` for clipped real activations, as in the real-valued twin.
        distillation: share of the teacher's term in the loss, 0 for no teacher. The teacher is the network as the stage
            before left it.
        temperature: by which both logits are divided in that term.
        kernel_loss: factor of `losses.kernel_reconstruction` (CP-NAS); 0 for none.
        centre_loss: factor of `losses.centre_loss` (CP-NAS); 0 for none.
        kernels: how binary layers are computed on a CPU: `torch`, operation by operation, or `fused`, the same up to
            rounding in a third of the passes over memory (see `evobnn.nn.fast.layer`). Read where the network is built.

    Raises:
        ExperimentError: a value out of its range, or settings that cannot stand together.
    """

    epochs: int = 8
    batch: int = 64
    optimiser: str = "adam"
    learning_rate: float = 5e-3
    schedule: str = "onecycle"
    weight_decay: float = 0.0
    surrogate: str = "clipped_identity"
    clip: float = 1.0
    latent_clip: float = 1.3
    gradient_norm: float = 5.0
    augmentation: str = "none"
    precision: str = "fp32"
    weights: str = "binary"
    threads: int = 1
    momentum: float = 0.9
    low_momentum: float = 0.0
    milestones: tuple[float, ...] = ()
    factors: tuple[float, ...] = ()
    cycles: int = 1
    label_smoothing: float = 0.0
    drop_path: float = 0.0
    ema: float = 0.0
    mixup: float = 0.0
    quantiser: str = ""
    shift: bool = False
    activations: str = "binary"
    distillation: float = 0.0
    temperature: float = 1.0
    kernel_loss: float = 0.0
    centre_loss: float = 0.0
    kernels: str = "torch"
    decay: float = 0.5

    def __post_init__(self) -> None:
        for name in ("milestones", "factors"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name, least in (("epochs", 1), ("batch", 2), ("threads", 1), ("cycles", 1)):
            check_at_least(f"recipe.{name}", getattr(self, name), least)
        check_name("recipe.optimiser", self.optimiser, OPTIMISERS)
        check_name("recipe.schedule", self.schedule, SCHEDULES)
        check_name("recipe.surrogate", self.surrogate, SURROGATES)
        check_augmentation(self.augmentation)
        check_name("recipe.precision", self.precision, PRECISIONS)
        check_name("recipe.kernels", self.kernels, KERNELS)
        check_name("recipe.weights", self.weights, WEIGHTS)
        check_name("recipe.activations", self.activations, ACTIVATIONS)
        if self.quantiser:
            check_name("recipe.quantiser", self.quantiser, WEIGHTS_QUANTISERS)
        check_between("recipe.learning_rate", self.learning_rate, 1e-9, 100.0)
        check_between("recipe.clip", self.clip, 1e-3, 1e3)
        check_between("recipe.temperature", self.temperature, 1e-3, 1e3)
        check_between("recipe.decay", self.decay, 1e-3, 1e3)
        for name in ("weight_decay", "latent_clip", "gradient_norm", "kernel_loss", "centre_loss"):
            check_between(f"recipe.{name}", getattr(self, name), 0.0, 1e6)
        for name, most in _SHARES.items():
            check_between(f"recipe.{name}", getattr(self, name), 0.0, most)
        if self.mixup:
            check_between("recipe.mixup", self.mixup, 1e-3, 1e3)
        self._check_schedule()
        if self.mixup and self.centre_loss:
            _refuse("recipe.centre_loss = 0 with mixup", f"{self.centre_loss:g}", "A mixed image is of no one class.")

    @property
    def branches(self) -> bool:
        """Whether scores come from a branch."""
        return self.schedule == "trunk"

    @property
    def length(self) -> float:
        """Epochs of a whole training, its branch included."""
        return self.epochs + (self.decay if self.branches else 0.0)

    def said(self) -> dict[str, Any]:
        """Return the fields as text holds them: all, but a default of `decay` where there is no branch."""
        found = asdict(self)
        if not self.branches and self.decay == LATER["decay"]:
            del found["decay"]
        return found

    def _check_schedule(self) -> None:
        """Raise ExperimentError for a momentum that falls upwards, or steps that cannot be climbed down."""
        if self.low_momentum > self.momentum:
            check_between("recipe.low_momentum", self.low_momentum, 0.0, self.momentum)
        if len(self.milestones) != len(self.factors):
            got = f"{len(self.milestones)} milestones and {len(self.factors)} factors"
            _refuse("as many recipe.factors as recipe.milestones", got, "Give one factor per milestone.")
        for name in ("milestones", "factors"):
            for value in getattr(self, name):
                check_between(f"every one of recipe.{name}", value, 0.0, 1.0)
        if list(self.milestones) != sorted(set(self.milestones)):
            _refuse("recipe.milestones that rise", str(list(self.milestones)), "Put them in order.")


_SHARES = {
    **{"momentum": 0.9999, "low_momentum": 0.9999, "ema": 0.999999},
    **{"label_smoothing": 0.99, "drop_path": 0.99, "distillation": 1.0},
}
"""Fields between 0 and, at most, this."""

LATER: dict[str, Any] = {
    "weights": "binary",
    "momentum": 0.9,
    "low_momentum": 0.0,
    "milestones": (),
    "factors": (),
    "cycles": 1,
    "label_smoothing": 0.0,
    "drop_path": 0.0,
    "ema": 0.0,
    "mixup": 0.0,
    "quantiser": "",
    "shift": False,
    "activations": "binary",
    "distillation": 0.0,
    "temperature": 1.0,
    "kernel_loss": 0.0,
    "centre_loss": 0.0,
    "kernels": "torch",
    "decay": 0.5,
}
"""Fields that the first recipes did not have, with the value that says what these did."""


def _refuse(expected: str, got: str, do: str) -> None:
    raise ExperimentError(message(expected, got, do))
