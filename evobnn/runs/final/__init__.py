"""One network trained to the end: what decides it (`settings`), what it works with (`setup`), the folder it leaves
(`folder`), training, resuming and the one reading of the test images (`session`), what it yielded (`result`), the
network with its weights, ready for raw images (`loading`), and all of it in one call (`face`).
"""

from evobnn.experiment.final import FinalSettings, is_training, open_settings
from evobnn.runs.final.face import train
from evobnn.runs.final.loaded import LoadedNetwork
from evobnn.runs.final.loading import load_network
from evobnn.runs.final.session import FinalSession, Progress, create
from evobnn.runs.final.training import Training

__all__ = [
    "FinalSession",
    "FinalSettings",
    "LoadedNetwork",
    "Progress",
    "Training",
    "create",
    "is_training",
    "load_network",
    "open_settings",
    "train",
]
