import json

import numpy as np
import pytest

from utils.evaluation.event_files import (
    write_detections,
    write_event_json,
    write_label_track,
    write_operating_points,
)
from utils.evaluation.sed import THRESHOLDS
from utils.events import Events

FILES, CLASSES = ("a.wav", "b.wav", "c.wav"), ("Cat", "Dog")


@pytest.fixture
def events():
    """A late cat, an early dog, and a dog in the third file; none in the second."""
    return Events.of(
        [0, 0, 2], [0, 1, 1], [3.2, 0.1 + 0.2, 0.0], [4.0, 1.0, 9.9840001], file_count=3,
        class_count=2,
    )  # fmt: skip


def test_a_table_is_as_the_challenge_has_it_in_the_order_of_time(tmp_path, events):
    write_detections(tmp_path / "said.tsv", events, files=FILES, classes=CLASSES)
    assert (tmp_path / "said.tsv").read_bytes() == (
        b"event_label\tonset\toffset\tfilename\n"
        b"Dog\t0.3\t1.0\ta.wav\n"
        b"Cat\t3.2\t4.0\ta.wav\n"
        b"Dog\t0.0\t9.984\tc.wav\n"
    )


def test_each_threshold_has_a_table_named_after_it(tmp_path, events):
    nothing = events.taken(np.zeros(3, dtype=bool))
    tables = {threshold: events if threshold < 0.5 else nothing for threshold in THRESHOLDS}
    write_operating_points(tmp_path / "new" / "said", tables, files=FILES, classes=CLASSES)
    names = [path.name for path in sorted((tmp_path / "new" / "said").iterdir())]
    assert len(names) == 50
    assert names[0] == "predictions_th_0.01.tsv" and names[-1] == "predictions_th_0.99.tsv"
    header = "event_label\tonset\toffset\tfilename\n"
    assert (tmp_path / "new" / "said" / names[-1]).read_text() == header
    near = {0.3: events, 0.1 + 0.2: events}
    with pytest.raises(ValueError, match="six digits"):
        write_operating_points(tmp_path, near, files=FILES, classes=CLASSES)


def test_json_lists_every_file(tmp_path, events):
    path = tmp_path / "said.json"
    write_event_json(path, events, files=FILES, classes=CLASSES)
    dog = {"event_label": "Dog", "onset": 0.3, "offset": 1.0}
    cat = {"event_label": "Cat", "onset": 3.2, "offset": 4.0}
    last = {"event_label": "Dog", "onset": 0.0, "offset": 9.984}
    assert json.loads(path.read_text()) == {
        "classes": ["Cat", "Dog"],
        "files": {"a.wav": [dog, cat], "b.wav": [], "c.wav": [last]},
    }
    scores = np.array([0.5, 0.75, 0.25])  # of the events as they are sorted: cat, dog, dog
    write_event_json(path, events, files=FILES, classes=CLASSES, scores=scores)
    assert json.loads(path.read_text())["files"]["a.wav"] == [
        {**dog, "score": 0.75}, {**cat, "score": 0.5},
    ]  # fmt: skip
    with pytest.raises(ValueError, match="3 scores are needed"):
        write_event_json(path, events, files=FILES, classes=CLASSES, scores=scores[:2])


def test_a_label_track_holds_one_file(tmp_path, events):
    path = tmp_path / "a.txt"
    write_label_track(path, events, file=0, classes=CLASSES)
    assert path.read_text() == "0.300000\t1.000000\tDog\n3.200000\t4.000000\tCat\n"
    write_label_track(path, events, file=1, classes=CLASSES)
    assert path.read_text() == ""
