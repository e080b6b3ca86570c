"""TFLite files in four formats, and what is really inside them."""

from utils.export.convert import export_formats, require_possible
from utils.export.flatbuffer import FileFacts, measure

__all__ = ["FileFacts", "export_formats", "measure", "require_possible"]
