"""Training: fit with full-state checkpoints, keep the best epoch's weights."""

from utils.training.compiling import (
    check,
    compile_model,
    scores_of,
    selection_note,
    stopping_note,
)
from utils.training.devices import require_devices
from utils.training.loop import Judge, Trained, fit
from utils.training.steps import DivergedError

__all__ = [
    "DivergedError",
    "Judge",
    "Trained",
    "check",
    "compile_model",
    "fit",
    "require_devices",
    "scores_of",
    "selection_note",
    "stopping_note",
]
