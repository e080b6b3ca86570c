"""TFLite files in four formats, of features or of samples; C source; what is inside a file.

``samples`` and ``c_array`` are commands too, so they are imported by their own names.
"""

from utils.export.convert import converted, evenly, export_formats, require_possible
from utils.export.flatbuffer import FileFacts, measure
from utils.export.memory import peak_memory

__all__ = [
    "FileFacts",
    "converted",
    "evenly",
    "export_formats",
    "measure",
    "peak_memory",
    "require_possible",
]
