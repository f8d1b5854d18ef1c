"""Training: a network, images, a recipe and a seed in; weights and learning curves out. Knows no genome.

`train` is the brief training of a search. A `StagedTraining` has several stages, can be stopped and gone on
with; both take the same steps (`loop`). Recipes and plans are data.
"""

from evobnn.training.average import Average
from evobnn.training.brief import TrainResult, check_alone, train
from evobnn.training.epoch import Epoch, EpochRecord
from evobnn.training.inherit import ALONE, Edges, Heritage, inherit_, placed, shared
from evobnn.training.loop import Loop, torch_threads
from evobnn.training.losses import centre_loss, cross_entropy, distillation, kernel_reconstruction
from evobnn.training.optimiser import make_optimiser
from evobnn.training.plan import STARTS, Plan, Stage
from evobnn.training.recipe import ACTIVATIONS, LATER, OPTIMISERS, SCHEDULES, WEIGHTS, Recipe
from evobnn.training.schedule import drop_path_at, momentum_at, rate_at
from evobnn.training.scoring import score, tally
from evobnn.training.staged import Diverged, StagedTraining, State
from evobnn.training.trunk import Trunk, load_trunk, save_trunk

__all__ = [
    "ACTIVATIONS",
    "ALONE",
    "LATER",
    "OPTIMISERS",
    "SCHEDULES",
    "STARTS",
    "WEIGHTS",
    "Average",
    "Diverged",
    "Edges",
    "Epoch",
    "EpochRecord",
    "Heritage",
    "Loop",
    "Plan",
    "Recipe",
    "Stage",
    "StagedTraining",
    "State",
    "TrainResult",
    "Trunk",
    "centre_loss",
    "check_alone",
    "cross_entropy",
    "distillation",
    "drop_path_at",
    "inherit_",
    "kernel_reconstruction",
    "load_trunk",
    "make_optimiser",
    "momentum_at",
    "placed",
    "rate_at",
    "save_trunk",
    "score",
    "shared",
    "tally",
    "torch_threads",
    "train",
]
