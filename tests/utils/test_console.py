import ast
from pathlib import Path

import pytest
from rich.text import Text

from utils.console import bar, terminal

PROJECT = Path(__file__).resolve().parents[2]
NAMES = "root:x:0 :smile: [b]bus[/b] 12"


@pytest.mark.parametrize("errors", [False, True])
def test_names_are_printed_as_they_are(capsys, errors):
    console = terminal(errors=errors)
    console.print(NAMES, style="red")
    console.print(Text("cell"))
    printed = capsys.readouterr()
    shown, other = (printed.err, printed.out) if errors else (printed.out, printed.err)
    assert shown.splitlines() == [NAMES, "cell"]
    assert other == ""


def test_no_other_module_makes_a_console():
    makers = set()
    for path in [*(PROJECT / "utils").rglob("*.py"), *PROJECT.glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Console"):
                makers.add(path.relative_to(PROJECT).as_posix())
    assert makers == {"utils/console.py"}


def test_a_bar_is_gone_when_the_work_is_done(capsys):
    with bar(terminal(), "mixing") as progress:
        progress(1, 2)
        progress(2, 2)
    assert "mixing" not in capsys.readouterr().out.strip()
