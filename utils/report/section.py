"""Blocks of which a report is made; a page knows these, never a task."""

from dataclasses import dataclass

from utils.report.plots import Picture
from utils.report.tables import Table


@dataclass(frozen=True)
class Section:
    """A block of a report.

    Attributes:
        title: heading; it also stands in the page's list of contents.
        text: a paragraph under the heading; "" for none.
        items: points of a list under the text.
        tables: tables, each with its own title.
        figures: pictures, each with its own caption.
        listing: text shown as written (YAML); "" for none.
        folded: whether a reader opens the block first (long tables).
    """

    title: str
    text: str = ""
    items: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Picture, ...] = ()
    listing: str = ""
    folded: bool = False
