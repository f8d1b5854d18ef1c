"""One network trained to the end: what decides it (`settings`), what it works with (`setup`), the folder it leaves
(`folder`), training, resuming and the one reading of the test images (`session`), and what it yielded (`result`).
"""

from evobnn.experiment.final import FinalSettings, is_training, open_settings
from evobnn.runs.final.session import FinalSession, Progress, create

__all__ = ["FinalSession", "FinalSettings", "Progress", "create", "is_training", "open_settings"]
