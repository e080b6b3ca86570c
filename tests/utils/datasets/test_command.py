"""What commands that write data sets share: exit status, the folder to write, options."""

import argparse

import pytest
from pydantic import ValidationError

from utils.config.schema import SpeakerSettings, ValidationSettings
from utils.datasets.command import (
    add_options,
    names_in,
    option_error,
    require_new,
    require_rate,
    run,
)
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


def test_options_have_a_type_a_meaning_and_a_default():
    parser = argparse.ArgumentParser()
    add_options(parser, {"clips": (int, "how many", 7), "level_db": (float, "how loud", 2.5)})
    assert vars(parser.parse_args(["--clips=3"])) == {"clips": 3, "level_db": 2.5}
    told = parser.format_help()
    assert "--clips N" in told
    assert "--level_db X" in told
    assert "how many (default: 7)" in told


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda: SpeakerSettings(number=1),
            "--number: input should be greater than or equal to 2, received 1.",
        ),
        (
            lambda: ValidationSettings(amount=1.0),
            "--validation_amount: input should be less than 1, received 1.0.",
        ),
        (
            lambda: SpeakerSettings(length="min", overlap=0.5),
            "--overlap: mixtures that end with the shorter utterance overlap",
        ),
    ],
)
def test_a_wrong_option_is_named_as_the_user_knows_it(wrong, message):
    with pytest.raises(ValidationError) as caught:
        wrong()
    told = str(option_error(caught.value, {"amount": "validation_amount"}))
    assert told.startswith(message)


def test_names_stand_between_commas():
    assert names_in("file, word ,,a") == ["file", "word", "", "a"]


def test_a_rate_too_low_is_refused():
    require_rate(1000)
    with pytest.raises(UserError, match="1000 hertz or more are needed, received 999"):
        require_rate(999)
