"""Own files searched for sound events: tables, label tracks, pictures, and files without sound."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from utils.errors import AudioError, UserError
from utils.events import Events
from utils.experiment import detect_files, event_labels
from utils.inference.event_files import FoundEvents

CLASSES = ("Cat", "Dog")
FOUND = {  # class, onset, offset
    "a.wav": [(1, 0.5, 2.25), (0, 0.5, 1.0), (1, 4.0, 4.5)],
    "b.wav": [],
    "c.flac": [(0, 0.0, 0.125)],
}


class Stand:
    """A model that knows what sounds in some files."""

    @classmethod
    def of(cls, predictor):
        assert predictor.classes == CLASSES
        return cls()

    def __call__(self, path):
        if path.name not in FOUND:
            raise AudioError(f"{path}: is no audio file.")
        columns = list(zip(*FOUND[path.name], strict=True)) or [(), (), ()]
        events = Events.of(
            np.zeros(len(columns[0]), int), *columns, file_count=1, class_count=len(CLASSES)
        )
        return FoundEvents(np.zeros((40, 2)), events, 5.0, np.zeros((8, 500)), 0.01)


@pytest.fixture
def detect(tmp_path, monkeypatch):
    """Search files; give the folder that was written."""
    monkeypatch.setattr(event_labels, "EventFilePredictor", Stand)
    monkeypatch.setattr(event_labels, "FilePredictor", SimpleNamespace(of=lambda model: model))

    def run(*names):
        text = io.StringIO()
        output = tmp_path / "events"
        try:
            detect_files(
                SimpleNamespace(classes=CLASSES),
                [tmp_path / name for name in names],
                output,
                Console(file=text, width=200),
            )
        finally:
            run.printed = text.getvalue()
        return output

    return run


def rows(printed):
    """Words of the lines below the table's heading and its rules."""
    lines = [line.split() for line in printed.splitlines()]
    return [line for line in lines if line and line[0] in FOUND]


def test_all_events_stand_in_one_table_and_one_json(detect):
    output = detect("c.flac", "b.wav", "a.wav")
    assert (output / "events.tsv").read_text().splitlines() == [
        "event_label\tonset\toffset\tfilename",
        "Cat\t0.0\t0.125\tc.flac",
        "Cat\t0.5\t1.0\ta.wav",
        "Dog\t0.5\t2.25\ta.wav",
        "Dog\t4.0\t4.5\ta.wav",
    ]
    told = json.loads((output / "events.json").read_text())
    assert told["classes"] == ["Cat", "Dog"]
    assert list(told["files"]) == ["c.flac", "b.wav", "a.wav"]
    assert told["files"]["b.wav"] == []
    assert told["files"]["a.wav"][2] == {"event_label": "Dog", "onset": 4.0, "offset": 4.5}


def test_each_file_has_a_label_track_and_a_picture(detect):
    output = detect("a.wav", "b.wav")
    assert {path.name for path in output.iterdir()} == {
        "events.tsv", "events.json", "a.wav.txt", "a.wav.png", "b.wav.txt", "b.wav.png",
    }  # fmt: skip
    assert (output / "a.wav.txt").read_text() == (
        "0.500000\t1.000000\tCat\n0.500000\t2.250000\tDog\n4.000000\t4.500000\tDog\n"
    )
    assert (output / "b.wav.txt").read_text() == ""
    for name in ("a.wav.png", "b.wav.png"):
        assert (output / name).read_bytes().startswith(b"\x89PNG")


def test_events_are_printed_in_time_and_silence_is_told(detect, tmp_path):
    detect("b.wav", "a.wav")
    assert rows(detect.printed) == [
        ["b.wav", "nothing"],
        ["a.wav", "0.50", "1.00", "Cat"],
        ["a.wav", "0.50", "2.25", "Dog"],
        ["a.wav", "4.00", "4.50", "Dog"],
    ]
    assert f"written to {tmp_path / 'events'}" in detect.printed


def test_files_of_several_folders_keep_them(detect):
    output = detect("one/a.wav", "two/a.wav")
    assert (output / "one" / "a.wav.txt").read_text() == (output / "two" / "a.wav.txt").read_text()
    assert (output / "two" / "a.wav.png").is_file()
    assert "Dog\t4.0\t4.5\ttwo/a.wav" in (output / "events.tsv").read_text()


def test_a_file_by_two_spellings_is_searched_once(detect, tmp_path):
    output = detect("a.wav", "one/../a.wav")
    assert (output / "a.wav.txt").is_file()
    assert len((output / "events.tsv").read_text().splitlines()) == 4
    detect("one/../a.wav", "b.wav")
    assert {path.name for path in tmp_path.iterdir()} == {"events"}


def test_files_without_sound_are_told_of_after_the_others_are_searched(detect, tmp_path):
    with pytest.raises(UserError, match=r"(?s)x\.wav: is no audio.*\n.*y\.wav: is no audio"):
        detect("x.wav", "a.wav", "y.wav")
    assert "4.00" in detect.printed
    assert len((tmp_path / "events" / "events.tsv").read_text().splitlines()) == 4


def test_without_any_sound_nothing_is_written(detect, tmp_path):
    with pytest.raises(UserError, match=r"x\.wav"):
        detect("x.wav")
    assert not (tmp_path / "events").exists()
    assert detect.printed == ""
