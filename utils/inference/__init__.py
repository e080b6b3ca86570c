"""A trained model as a function of features or files, whatever its format."""

from utils.inference.decisions import Decisions
from utils.inference.files import FilePredictor
from utils.inference.metadata import Metadata, read_metadata, write_metadata
from utils.inference.predictor import (
    MemoryPredictor,
    Predictor,
    compare,
    latency_ms,
    load_keras,
    load_predictor,
    save_keras,
)
from utils.inference.refinement import Refinement
from utils.inference.separator import Separator

__all__ = [
    "Decisions",
    "FilePredictor",
    "MemoryPredictor",
    "Metadata",
    "Predictor",
    "Refinement",
    "Separator",
    "compare",
    "latency_ms",
    "load_keras",
    "load_predictor",
    "read_metadata",
    "save_keras",
    "write_metadata",
]
