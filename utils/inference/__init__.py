"""A trained model as a function of features or files, whatever its format."""

from utils.inference.files import FilePredictor
from utils.inference.metadata import Metadata, read_metadata, write_metadata
from utils.inference.predictor import Predictor, load_predictor

__all__ = [
    "FilePredictor",
    "Metadata",
    "Predictor",
    "load_predictor",
    "read_metadata",
    "write_metadata",
]
