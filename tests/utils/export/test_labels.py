"""The standard description: read slot by slot, as readers of the published schema do."""

import io
import zipfile

import numpy as np
import pytest

from tests.utils.export.systems import AUDIO, CLASSES, system
from utils.errors import UserError
from utils.export.labels import finished, label_text
from utils.export.samples import export_samples
from utils.inference import load_predictor, read_metadata
from utils.inference.metadata import STANDARD_ENTRY, flatbuffer


class Reader:
    """A table of a flatbuffer by the slots of metadata_schema.fbs."""

    def __init__(self, content, place):
        import flatbuffers

        self.table = flatbuffers.table.Table(content, place)

    @classmethod
    def of(cls, path):
        """``ModelMetadata`` of a file, found as the schema says."""
        with flatbuffer(path) as model:
            entries = [model.Metadata(index) for index in range(model.MetadataLength())]
            (buffer,) = (e.Buffer() for e in entries if e.Name() == STANDARD_ENTRY.encode())
            content = model.Buffers(buffer).DataAsNumpy().tobytes()
        assert content[4:8] == b"M001"
        return cls(content, int(np.frombuffer(content, "<u4", 1)[0]))

    def _place(self, slot):
        return self.table.Offset(4 + 2 * slot)

    def text(self, slot):
        return self.table.String(self._place(slot) + self.table.Pos).decode()

    def number(self, slot, kind):
        return int(np.frombuffer(self.table.Bytes, kind, 1, self._place(slot) + self.table.Pos)[0])

    def child(self, slot):
        return Reader(self.table.Bytes, self.table.Indirect(self._place(slot) + self.table.Pos))

    def children(self, slot):
        if not self._place(slot):
            return []
        start = self.table.Vector(self._place(slot))
        count = self.table.VectorLen(self._place(slot))
        return [
            Reader(self.table.Bytes, self.table.Indirect(start + 4 * number))
            for number in range(count)
        ]


@pytest.fixture
def files(tmp_path, rng):
    """A file that takes features, and the one of the same system that takes samples."""
    paths, _, _ = system(tmp_path, rng, formats=("int8",))
    return paths["int8"], export_samples(paths["int8"])


def test_the_label_file_lies_behind_the_model(files):
    for path in files:
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            (entry,) = archive.infolist()
            assert (entry.filename, entry.compress_type) == ("labels.txt", zipfile.ZIP_STORED)
            assert archive.read("labels.txt").decode().splitlines() == list(CLASSES)
        assert path.read_bytes()[4:8] == b"TFL3"
        assert load_predictor(path).metadata == read_metadata(path)


def test_tensors_are_described(files):
    for path, kind in zip(files, (1, 4), strict=True):
        model = Reader.of(path)
        assert model.text(0) == "small"
        (graph,) = model.children(3)
        (given,), (said,) = graph.children(2), graph.children(3)
        assert given.child(3).number(0, "u1") == kind  # FeatureProperties, AudioProperties
        (labels,) = said.children(6)
        assert labels.text(0) == "labels.txt" and labels.number(2, "i1") == 2  # TENSOR_AXIS_LABELS
    audio = given.child(3).child(1)
    assert (audio.number(0, "<u4"), audio.number(1, "<u4")) == (AUDIO.sample_rate, 1)
    assert Reader.of(files[0]).text(7) == "1.0.0" and model.text(7) == "1.3.0"


def test_what_is_no_score_has_no_labels(files):
    metadata = read_metadata(files[0])
    assert metadata is not None
    content = files[0].read_bytes()
    more = metadata.__class__(**{**vars(metadata), "classes": (*CLASSES, "fourth")})
    files[0].write_bytes(finished(content, more))
    (graph,) = Reader.of(files[0]).children(3)
    assert graph.children(3)[0].children(6) == []


def test_a_second_time_replaces_the_first(files):
    metadata = read_metadata(files[0])
    content = files[0].read_bytes()
    again = finished(finished(content, metadata), metadata)
    assert len(again) == len(content)
    with zipfile.ZipFile(io.BytesIO(again)) as archive:
        assert archive.namelist() == ["labels.txt"]


def test_a_file_whose_end_is_missing_is_a_sentence(files):
    content = files[1].read_bytes()
    for missing in (1, 20, 80):
        files[1].write_bytes(content[:-missing])
        with pytest.raises(UserError, match=r"samples\.tflite: is damaged \(its end is missing\)"):
            load_predictor(files[1])


def test_a_class_is_a_line():
    assert label_text(("street\nmusic", "café", " dog  bark ")) == "street music\ncafé\ndog bark\n"
