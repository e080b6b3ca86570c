"""The metadata JSON: there and back, inside a flatbuffer, and refused where it is wrong."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from utils.config.schema import AudioSettings, FeatureSettings
from utils.errors import UserError
from utils.inference.metadata import (
    ALIGNMENT,
    Metadata,
    checked_section,
    embed,
    read_metadata,
    required,
    write_metadata,
)

METADATA = Metadata(
    set_id="task1a",
    classes=("metro_station", "rue piétonne"),
    audio={"sample_rate": 44100, "seconds": 10.0},
    features={"n_mels": 40, "f_max": None},
    normaliser={"mean": [0.1, -7.25], "std": [1.5, 2.0]},
    data="demo",
)


def tensors(schema_model, alignment_of):
    """Data of all buffers, checked for where they start in the file."""
    kept = []
    for index in range(schema_model.BuffersLength()):
        buffer = schema_model.Buffers(index)
        data = buffer.DataAsNumpy() if buffer.DataLength() else np.empty(0, np.uint8)
        if len(data):
            assert alignment_of(data) % ALIGNMENT == 0
        kept.append(data.tobytes())
    return kept


@pytest.fixture
def tiny_tflite():
    """A .tflite file of three buffers and no operator, made by the schema alone."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT()
    model.version, model.description, model.subgraphs = 3, "tiny", []
    model.buffers = []
    for size in (0, 5, 64):
        buffer = schema.BufferT()
        buffer.data = np.arange(size, dtype=np.uint8)
        model.buffers.append(buffer)
    builder = flatbuffers.Builder(64)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def test_json_there_and_back():
    assert Metadata.from_json(METADATA.to_json(), where=Path("model.keras")) == METADATA


def test_decisions_on_events_there_and_back():
    decisions = {"method": "median", "lengths": [7, 9], "thresholds": [0.5, 0.25]}
    told = replace(METADATA, decisions=decisions)
    assert Metadata.from_json(told.to_json(), where=Path("model.keras")) == told
    assert json.loads(METADATA.to_json())["decisions"] is None


def test_masks_there_and_back():
    separation = {"exponent": 2.0, "extension": "average", "add_up": False, "overlap": 0.5}
    told = replace(METADATA, separation=separation)
    assert Metadata.from_json(told.to_json(), where=Path("model.keras")) == told
    assert json.loads(METADATA.to_json())["separation"] is None


@pytest.mark.parametrize(("version", "without"), [(2, "decisions"), (3, "separation")])
def test_a_file_of_an_earlier_version_is_refused(tmp_path, version, without):
    content = json.loads(METADATA.to_json()) | {"version": version}
    del content[without]
    with pytest.raises(UserError, match=f"version {version}, this program reads version 4; train"):
        Metadata.from_json(json.dumps(content), where=tmp_path)


def test_beside_a_keras_file(tmp_path):
    path = tmp_path / "model.keras"
    assert read_metadata(path) is None
    assert write_metadata(path, METADATA) == tmp_path / "model.metadata.json"
    assert read_metadata(path) == METADATA


def test_inside_a_tflite_file_the_buffers_stay_as_they_are_and_aligned(tmp_path, tiny_tflite):
    from ai_edge_litert import schema_py_generated as schema

    content = embed(tiny_tflite, METADATA)
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    assert read_metadata(path) == METADATA
    start = np.frombuffer(content, np.uint8).ctypes.data
    before = tensors(schema.Model.GetRootAs(tiny_tflite, 0), lambda data: 0)
    after = tensors(schema.Model.GetRootAs(content, 0), lambda data: data.ctypes.data - start)
    assert after[:-1] == before
    assert after[-1] == METADATA.to_json().encode("utf-8")


def test_a_second_call_replaces_the_first(tmp_path, tiny_tflite):
    other = Metadata("other", ("x",), {}, {}, None, "demo")
    once = embed(tiny_tflite, other)
    twice = embed(embed(tiny_tflite, METADATA), other)
    path = tmp_path / "model.tflite"
    path.write_bytes(twice)
    assert read_metadata(path) == other
    assert len(twice) == len(once)


def test_a_tflite_file_of_others_has_none(tmp_path, tiny_tflite):
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_tflite)
    assert read_metadata(path) is None


def test_reading_needs_no_tensorflow(tmp_path, tiny_tflite):
    path = tmp_path / "model.tflite"
    path.write_bytes(embed(tiny_tflite, METADATA))
    program = (
        "import sys; from pathlib import Path; from utils.inference import read_metadata; "
        f"print(read_metadata(Path({str(path)!r})).set_id, 'tensorflow' in sys.modules, "
        "'keras' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[3]
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["task1a", "False", "False"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 3}, "version 3, this program reads version 4"),
        ({"version": None}, "version None, this program reads version 4"),
        ({"classes": []}, "wrong value for classes"),
        ({"classes": "bus"}, "wrong value for classes"),
        ({"classes": [1, 2]}, "wrong value for classes"),
        ({"audio": [], "data": 3}, "wrong value for audio, data"),
        ({"normaliser": [1.0]}, "wrong value for normaliser"),
        ({"decisions": [1.0]}, "wrong value for decisions"),
        ({"decisions": "median"}, "wrong value for decisions"),
        ({"separation": [1.0]}, "wrong value for separation"),
        ({"separation": True}, "wrong value for separation"),
        ({"extra": 1}, "does not have the fields"),
    ],
)
def test_wrong_content_is_a_sentence(tmp_path, change, message):
    content = {**json.loads(METADATA.to_json()), **change}
    (tmp_path / "model.metadata.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=message):
        read_metadata(tmp_path / "model.keras")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", "\x00"])
def test_what_is_no_such_json_is_a_sentence(text):
    with pytest.raises(UserError, match="its metadata"):
        Metadata.from_json(text, where=Path("model.tflite"))


def test_a_model_without_metadata_is_of_no_use_on_audio():
    assert required(METADATA, names="class names", where=Path("m.keras")) is METADATA
    with pytest.raises(UserError, match=r"^m\.keras: carries no class names and feature param"):
        required(None, names="class names", where=Path("m.keras"))


@pytest.mark.parametrize(
    ("section", "content", "place"),
    [
        (AudioSettings, {"sample_rate": "many"}, r"sample_rate \(.* integer\)"),
        (AudioSettings, {"rate": 8000}, r"rate \("),
        (FeatureSettings, {"normalise": {"method": "no"}}, r"normalise\.method \("),
        (FeatureSettings, {"kind": "mfcc", "log": "none"}, r"features\.log \(mfcc are"),
    ],
)
def test_a_section_that_is_wrong_names_its_first_value(section, content, place):
    with pytest.raises(UserError, match=rf"^m\.keras: its metadata is wrong at {place}"):
        checked_section(section, content, where=Path("m.keras"))


def test_a_section_is_its_settings():
    found = checked_section(AudioSettings, METADATA.audio, where=Path("m.keras"))
    assert found == AudioSettings(sample_rate=44100, seconds=10.0)
