"""TFLite files in four formats, of features or of samples; C source; what is inside a file.

``samples`` and ``c_array`` are commands too, so they are imported by their own names.
"""

from utils.export.convert import converted, export_formats, require_possible
from utils.export.flatbuffer import FileFacts, measure

__all__ = ["FileFacts", "converted", "export_formats", "measure", "require_possible"]
