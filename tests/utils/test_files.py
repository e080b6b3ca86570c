"""Files appear whole or not at all; refusals of the system become sentences."""

import errno
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.errors import UserError
from utils.files import digest, read_json, whole_file, write_json, write_text, writing


def test_an_error_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "results.json"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), whole_file(path) as stream:
        stream.write(b"half of the new")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.json"]


def test_the_folder_is_made(tmp_path):
    write_json(tmp_path / "a" / "b.json", {"x": [1, 2]})
    assert json.loads((tmp_path / "a" / "b.json").read_text()) == {"x": [1, 2]}


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "No space left"), (errno.EROFS, "Read-only")]
)
def test_a_refusal_of_the_system_is_one_sentence(tmp_path, number, words):
    with pytest.raises(UserError, match=words) as caught, writing(tmp_path / "x"):
        raise OSError(number, words + " on device")
    assert str(tmp_path / "x") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_one_sentence():
    """/dev/full refuses every byte, as a full disk does."""
    device = Path("/dev/full")
    with pytest.raises(UserError, match="No space left"), writing(device):
        device.write_bytes(b"x")


def test_json_that_is_none_is_named(tmp_path):
    path = tmp_path / "stages.json"
    path.write_text("{")
    with pytest.raises(UserError, match=r"stages\.json: cannot be read as JSON"):
        read_json(path)


def test_nan_never_reaches_a_json_file(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none(), min_size=1))
def test_the_identity_does_not_depend_on_the_order_of_keys(content):
    backwards = dict(reversed(content.items()))
    assert digest(content) == digest(backwards)
    key = next(iter(content))
    assert digest(content) != digest({**content, key: [content[key]]})
