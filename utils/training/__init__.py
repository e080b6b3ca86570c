"""Training: fit with full-state checkpoints, keep the best epoch's weights."""

from utils.training.compiling import compile_model
from utils.training.loop import Trained, fit

__all__ = ["Trained", "compile_model", "fit"]
