"""One table model for the console, Markdown and HTML, so that no table is written three times."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_SHORTEST_WORDS = 12  # terminal cells that a column of words keeps at least
_MARKDOWN_SPECIAL = str.maketrans(
    {"|": r"\|", "\n": " ", "<": "&lt;", ">": "&gt;", "&": "&amp;", "*": r"\*", "_": r"\_"}
)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: heading.
        short: heading where the terminal is narrow; "" keeps the name.
        words: True for words, which stand left and may be shortened or wrapped; False for numbers,
            which stand right and are never broken.
        group: heading over this column and its neighbours of the same group (in HTML).
    """

    name: str
    short: str = ""
    words: bool = False
    group: str = ""


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        cells: one text a column.
        summary: whether it sums up the rows above it; a line is drawn before the first such row.
        tone: ``good`` and ``bad`` colour the last cell.
    """

    cells: tuple[str, ...]
    summary: bool = False
    tone: Literal["", "good", "bad"] = ""


@dataclass(frozen=True)
class Table:
    """A table of text: numbers are formatted by who makes it.

    Attributes:
        title: what it shows.
        columns: headings, left to right.
        rows: rows, top to bottom.
        note: a sentence below it.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(
                    f"{self.title}: a row of {len(row.cells)} cells for {len(self.columns)} "
                    f"columns: {row.cells}"
                )

    @property
    def groups(self) -> tuple[tuple[str, int], ...]:
        """Headings over neighbouring columns with the number of columns each; () without any."""
        spans: list[tuple[str, int]] = []
        for column in self.columns:
            if spans and column.group and spans[-1][0] == column.group:
                spans[-1] = (column.group, spans[-1][1] + 1)
            else:
                spans.append((column.group, 1))
        return tuple(spans) if any(name for name, _ in spans) else ()


def to_markdown(table: Table) -> str:
    """The table in Markdown: title in bold, table, note."""
    lines = [
        f"**{_escaped(table.title)}**",
        "",
        "| " + " | ".join(_escaped(column.name) for column in table.columns) + " |",
        "|" + "|".join(":--" if column.words else "--:" for column in table.columns) + "|",
    ]
    for row in table.rows:
        cells = [_escaped(cell) for cell in row.cells]
        if row.summary:
            cells = [f"**{cell}**" if cell else "" for cell in cells]
        lines.append("| " + " | ".join(cells) + " |")
    if table.note:
        lines += ["", _escaped(table.note)]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.translate(_MARKDOWN_SPECIAL)


def show(console: "Console", *tables: Table) -> None:
    """Print tables so that no number is broken, however narrow the terminal is.

    A table without rows is passed over.
    """
    for table in tables:
        if not table.rows:
            continue
        console.print()
        console.print(to_rich(table, width=console.width))


@dataclass(frozen=True)
class _Layout:
    """Which columns stand side by side, how wide, how far apart, under which headings."""

    columns: tuple[int, ...]
    widths: tuple[int, ...]
    gap: int
    short: bool


def to_rich(table: Table, *, width: int) -> "RenderableType":
    """The table for a terminal.

    What does not fit gives way in this order: the gaps between columns, long headings, words; then
    the table is folded into several below each other, each with the first column.

    Args:
        table: the table.
        width: width of the terminal in cells.

    Returns:
        Something that ``rich`` prints.
    """
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [Text(table.title, style="bold")]
    for number, layout in enumerate(_layouts(table, width)):
        if number:
            parts.append(Text())
        parts.append(_drawn(table, layout))
    if table.note:
        parts.append(Text(table.note, style="dim"))
    return Group(*parts)


def _layouts(table: Table, width: int) -> list[_Layout]:
    every = tuple(range(len(table.columns)))
    for gap, short in ((3, False), (2, False), (2, True), (1, True)):
        widths = _natural_widths(table, every, short=short)
        if sum(widths) + gap * (len(every) - 1) <= width:
            return [_Layout(every, widths, gap, short)]
    widths = _natural_widths(table, every, short=True)
    squeezed = _squeezed(table, every, widths, width)
    if squeezed is not None:
        return [_Layout(every, squeezed, 1, True)]
    return _folded(table, every, widths, width)


def _natural_widths(table: Table, columns: Sequence[int], *, short: bool) -> tuple[int, ...]:
    from rich.cells import cell_len

    return tuple(
        max(
            cell_len(_heading(table.columns[index], short=short)),
            *(cell_len(row.cells[index]) for row in table.rows),
            0,
        )
        for index in columns
    )


def _heading(column: Column, *, short: bool) -> str:
    return (column.short or column.name) if short else column.name


def _squeezed(
    table: Table, columns: Sequence[int], widths: Sequence[int], width: int
) -> tuple[int, ...] | None:
    """Columns of words narrowed until all fit: the widest first, the first column (names) last.

    None where that is not enough.
    """
    fitted = list(widths)
    words = [place for place, index in enumerate(columns) if table.columns[index].words]
    for _ in range(sum(widths) + len(widths) - 1 - width):
        loose = [place for place in words if fitted[place] > _SHORTEST_WORDS]
        if not loose:
            return None
        widest = max(loose, key=lambda place: (place > 0, fitted[place]))
        fitted[widest] -= 1
    return tuple(fitted)


def _folded(
    table: Table, columns: Sequence[int], widths: Sequence[int], width: int
) -> list[_Layout]:
    """Split the columns into parts that fit, each of which opens with the first column."""
    narrowest = [
        min(natural, _SHORTEST_WORDS) if table.columns[index].words else natural
        for index, natural in zip(columns, widths, strict=True)
    ]
    parts: list[list[int]] = [[0]]
    for index in columns[1:]:
        taken = sum(narrowest[i] for i in parts[-1]) + len(parts[-1])
        if len(parts[-1]) > 1 and taken + narrowest[index] > width:
            parts.append([0])
        parts[-1].append(index)
    fitted = []
    for part in parts:
        natural = [widths[index] for index in part]
        squeezed = _squeezed(table, part, natural, width)
        fitted.append(list(squeezed or (narrowest[index] for index in part)))
    names = min(part[0] for part in fitted)  # the same in all parts, so that names stay the same
    return [
        _Layout(tuple(part), (names, *others), 1, True)
        for part, (_, *others) in zip(parts, fitted, strict=True)
    ]


def _drawn(table: Table, layout: _Layout) -> "RenderableType":
    from rich.box import Box
    from rich.table import Table as RichTable
    from rich.text import Text

    line = " ── \n"
    blank = "    \n"
    rules = Box(blank + blank + line + blank + line + blank * 3)
    drawn = RichTable(
        box=rules, padding=(0, layout.gap - 1, 0, 0), pad_edge=False, show_edge=False,
        header_style="", collapse_padding=True,
    )  # fmt: skip
    for place, (index, width) in enumerate(zip(layout.columns, layout.widths, strict=True)):
        column = table.columns[index]
        wraps = column.words and place > 0
        drawn.add_column(
            Text(_heading(column, short=layout.short), style="bold"),
            justify="left" if column.words else "right",
            width=width, no_wrap=not wraps, overflow="fold",
        )  # fmt: skip
    summed = False
    for row in table.rows:
        if row.summary and not summed:
            drawn.add_section()
        summed = row.summary
        drawn.add_row(
            *(
                _cell_text(row, index, len(table.columns), width if index == 0 else None)
                for index, width in zip(layout.columns, layout.widths, strict=True)
            ),
            style="bold" if row.summary else "",
        )
    return drawn


def _cell_text(row: Row, index: int, count: int, width: int | None) -> "RenderableType":
    from rich.text import Text

    text = row.cells[index]
    if width is not None and len(text) > width:
        tail = (width - 1) // 2  # the middle goes: names of sets and classes differ at their ends
        text = f"{text[: width - 1 - tail]}…{text[-tail:]}"
    tone = row.tone if index == count - 1 else ""
    return Text(text, style={"good": "green", "bad": "bold red", "": ""}[tone])
