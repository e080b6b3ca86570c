import io

import pytest
from rich.console import Console

from utils.report.tables import Column, Row, Table, show, to_markdown


def _printed(table: Table, width: int) -> str:
    stream = io.StringIO()
    show(Console(file=stream, width=width, color_system=None), table)
    return stream.getvalue()


@pytest.fixture
def wide() -> Table:
    """One name, twelve numbers of seven digits, a sentence."""
    numbers = tuple(Column(f"Quantity {i}", f"Q{i}") for i in range(12))
    rows = tuple(
        Row(
            (
                f"a_rather_long_name_{row}",
                *(f"{1000003 + 100 * row + i}" for i in range(12)),
                "some words that may well be wrapped",
            ),
            summary=row == 2,
        )
        for row in range(3)
    )
    columns = (Column("Name", words=True), *numbers, Column("Remark", words=True))
    return Table("Wide table", columns, rows, "A note.")


@pytest.mark.parametrize("width", [200, 120, 80, 40, 24])
def test_no_number_is_broken_and_no_line_too_long(wide: Table, width: int) -> None:
    text = _printed(wide, width)
    assert max(len(line) for line in text.splitlines()) <= width
    words = text.split()
    for row in wide.rows:
        for cell in row.cells[1:-1]:
            assert words.count(cell) == 1


@pytest.mark.parametrize("width", [120, 80, 40])
def test_names_that_differ_at_the_end_stay_apart(wide: Table, width: int) -> None:
    text = _printed(wide, width)
    names = {line.split()[0] for line in text.splitlines() if line.startswith("a_")}
    assert len(names) == 3


def test_what_fits_stands_on_one_line_under_full_headings(wide: Table) -> None:
    lines = _printed(wide, 250).splitlines()
    heading = next(line for line in lines if line.startswith("Name"))
    assert "Quantity 11" in heading and "Remark" in heading
    row = next(line for line in lines if line.startswith("a_rather_long_name_1"))
    assert row.endswith("some words that may well be wrapped")


def test_every_part_of_a_folded_table_opens_with_the_names(wide: Table) -> None:
    headings = [line for line in _printed(wide, 60).splitlines() if line.startswith("Name")]
    assert len(headings) > 1
    assert sum(line.count("Q") for line in headings) == 12


def test_a_line_parts_the_summary_from_the_rows(wide: Table) -> None:
    lines = _printed(wide, 250).splitlines()
    rules = [number for number, line in enumerate(lines) if line.startswith("──")]
    assert len(rules) == 2
    assert lines[rules[1] + 1].startswith("a_rather_long_name_2")


def test_rich_markup_in_names_is_shown_as_it_is() -> None:
    table = Table("[bold]T[/bold]", (Column("[red]N[/red]", words=True),), (Row(("[/x] [a]",)),))
    text = _printed(table, 80)
    assert "[bold]T[/bold]" in text and "[red]N[/red]" in text and "[/x] [a]" in text


@pytest.mark.parametrize("width", [80, 24])
def test_names_in_square_brackets_survive(width: int) -> None:
    columns = (Column("file", words=True), Column("[a]"), Column("[b]", words=True))
    rows = (Row(("x [live].wav", "0.9", "[/b]")), Row(("[red]", "0.1", ":bus: [b]"), summary=True))
    text = _printed(Table("[Live]", columns, rows, "a [note]"), width)
    for name in ("x [live].wav", "[red]", "[/b]", ":bus: [b]", "[a]", "[b]", "[Live]", "a [note]"):
        assert name in text, name
    assert "| x [live].wav | 0.9 | [/b] |" in to_markdown(Table("T", columns, rows))


def test_a_table_without_rows_is_left_out() -> None:
    assert _printed(Table("Empty", (Column("Name", words=True),), ()), 80) == ""


def test_markdown_has_the_same_cells(wide: Table) -> None:
    lines = to_markdown(wide).splitlines()
    assert lines[0] == "**Wide table**"
    assert lines[3].startswith("|:--|--:|")
    assert "| 1000103 |" in lines[5]
    assert "| **1000203** |" in lines[6]
    assert lines[-1] == "A note."


def test_markdown_escapes_what_would_break_the_table() -> None:
    columns = (Column("A|B", words=True),)
    text = to_markdown(Table("t", columns, (Row(("x|y <b> a_b\nnext",)),)))
    assert r"| A\|B |" in text
    assert r"| x\|y &lt;b&gt; a\_b next |" in text


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="T: a row of 2 cells for 1 columns"):
        Table("T", (Column("A"),), (Row(("1", "2")),))


def test_neighbouring_columns_share_a_group() -> None:
    columns = (Column("N"), Column("A", group="g"), Column("B", group="g"), Column("C"))
    assert Table("T", columns, ()).groups == (("", 1), ("g", 2), ("", 1))
    assert Table("T", (Column("N"),), ()).groups == ()
