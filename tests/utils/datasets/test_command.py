"""What commands that write data sets share: exit status, the folder to write."""

import pytest

from utils.datasets.command import progress_bar, require_new, run
from utils.errors import DataError, UserError


def test_the_exit_status_tells_how_it_ended(capsys):
    def fail(_):
        raise DataError("no sounds [b]here[/b].")

    def stop(_):
        raise KeyboardInterrupt

    assert run(lambda console: console.print("made"), stopped="x") == 0
    assert capsys.readouterr().out == "made\n"
    assert run(fail, stopped="x") == 2
    assert capsys.readouterr().err == "error: no sounds [b]here[/b].\n"
    assert run(stop, stopped="nothing was written") == 130
    assert capsys.readouterr().err == "\nstopped; nothing was written\n"


def test_a_bug_is_not_taken_for_an_error_of_the_user():
    def fail(_):
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        run(fail, stopped="x")


def test_only_an_absent_or_empty_folder_is_new(tmp_path, monkeypatch):
    require_new(tmp_path / "absent")
    require_new(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    for name, problem in (
        (".", "the current folder, a link or a disk"),
        ("../link", "the current folder, a link or a disk"),
        ("../file", "is not empty"),
        ("..", "is not empty"),
    ):
        with pytest.raises(UserError, match=problem):
            require_new(tmp_path / "empty" / name)


def test_progress_may_be_told(capsys):
    from utils.console import terminal

    with progress_bar(terminal(), "mixing") as progress:
        progress(1, 2)
        progress(2, 2)
    assert "mixing" not in capsys.readouterr().out.strip()
