"""Stems as wav files, and those of test files that a run keeps."""

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from utils.audio import Facts
from utils.datasets import Clip
from utils.errors import UserError
from utils.experiment import SeparationExperiment, stem_files
from utils.experiment.stem_files import write_stems

STEMS = ("low", "high")
RATE = 8000


def estimates(peak=0.5, seconds=1.0):
    """float32 (2, samples, 2); the second stem is half of the first."""
    wave = peak * np.sin(np.arange(round(RATE * seconds)))[:, np.newaxis] * [1.0, -1.0]
    return np.stack([wave, wave / 2]).astype(np.float32)


def read(folder):
    return np.stack([soundfile.read(folder / f"{name}.wav", always_2d=True)[0] for name in STEMS])


def test_blocks_become_whole_files(tmp_path):
    given, told = estimates(), []
    facts = Facts(RATE, RATE, 2)
    blocks = np.split(given, [1, 3000], axis=1)
    done = write_stems(tmp_path / "x", STEMS, blocks, facts, progress=told.append)
    assert done == (1.0, np.abs(given).max())
    assert told == [1 / RATE, 3000 / RATE, 1.0]
    np.testing.assert_allclose(read(tmp_path / "x"), given, atol=2**-23)
    assert {path.name for path in (tmp_path / "x").iterdir()} == {"low.wav", "high.wav"}


def test_a_stem_that_cannot_be_converted_leaves_the_stems_of_before(tmp_path, monkeypatch):
    folder, facts = tmp_path / "x", Facts(RATE, RATE, 2)
    write_stems(folder, STEMS, [estimates()], facts)
    convert, count = stem_files._to_24_bits, []

    def full(part):
        count.append(part)
        if len(count) == 2:
            raise UserError("the disk is full")
        convert(part)

    monkeypatch.setattr(stem_files, "_to_24_bits", full)
    with pytest.raises(UserError, match="full"):
        write_stems(folder, STEMS, [estimates(peak=0.1)], facts)
    np.testing.assert_allclose(read(folder), estimates(), atol=2**-23)
    assert {path.name for path in folder.iterdir()} == {"low.wav", "high.wav"}


# --- those that a run keeps ---


@pytest.fixture
def keep(tmp_path):
    """Keep what was separated of test files, as a test of a run does."""

    def run(*separated, examples):
        settings = SimpleNamespace(report=SimpleNamespace(examples=examples))
        job = SimpleNamespace(settings=settings, data=SimpleNamespace(classes=STEMS))
        place = SimpleNamespace(folder=tmp_path)
        experiment = SeparationExperiment(job, SimpleNamespace(place=lambda: place))
        experiment.heard = SimpleNamespace(sample_rate=RATE)
        for number, (name, stems) in enumerate(separated):
            experiment._keep(number, Clip(name, tmp_path / name), stems)
        return tmp_path / "separated"

    return run


def test_kept_stems_are_not_clipped(keep):
    loud, quiet = estimates(peak=1.5), estimates(peak=0.5)
    folder = keep(("test/A", loud), ("test/B", quiet), examples=2)
    np.testing.assert_array_equal(read(folder / "test_A"), loud)
    np.testing.assert_allclose(read(folder / "test_B"), quiet, atol=2**-23)
    assert soundfile.info(folder / "test_A" / "high.wav").subtype == "FLOAT"
    assert soundfile.info(folder / "test_B" / "low.wav").subtype == "PCM_24"


def test_stems_that_an_earlier_test_kept_go(keep):
    files = [(name, estimates()) for name in ("test/A", "test/B", "test/C")]
    folder = keep(*files, examples=3)
    assert len(list(folder.iterdir())) == 3
    keep(*files, examples=1)
    assert [path.name for path in folder.iterdir()] == ["test_A"]
    keep(*files, examples=0)
    assert not folder.exists()
