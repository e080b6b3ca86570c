"""The examples run as they stand, and need no more than they say."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.utils.export.systems import AUDIO, system
from utils.export.samples import export_samples
from utils.inference import FilePredictor, load_predictor

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "classify_tflite.py"
WITHOUT = """
import runpy, sys
for name in ("tensorflow", "keras", "librosa", "scipy", "soundfile", "utils", "models"):
    sys.modules[name] = None  # importing it fails
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def classify(model: Path, recording: Path) -> subprocess.CompletedProcess:
    """Run the example where neither TensorFlow nor this project can be imported."""
    command = [sys.executable, "-c", WITHOUT, str(EXAMPLE), str(model), str(recording)]
    return subprocess.run(
        command, cwd=recording.parent, capture_output=True, text=True, check=False
    )


@pytest.fixture
def made(tmp_path, rng):
    """A function of differences in the audio to a file that takes samples."""
    return lambda **audio: export_samples(
        system(tmp_path, rng, formats=("int8",), audio=audio)[0]["int8"]
    )


@pytest.mark.parametrize("short", ["zeros", "loop", "reflect"])
@pytest.mark.parametrize("bits", [16, 24])
def test_it_says_what_the_program_says(tmp_path, rng, made, bits, short):
    model, path = made(short_clips=short), tmp_path / "two and a fifth clips.wav"
    samples = 0.3 * rng.standard_normal((880, 2))
    soundfile.write(path, samples, AUDIO.sample_rate, subtype=f"PCM_{bits}")
    done = classify(model, path)
    assert done.returncode == 0, done.stderr
    predictor = FilePredictor.of(load_predictor(model))
    expected = predictor(path)
    order = np.argsort(-expected)
    told = [line.split(" ", 1) for line in done.stdout.splitlines()]
    assert [name for _, name in told] == [predictor.classes[place] for place in order]
    np.testing.assert_allclose([float(value) for value, _ in told], expected[order], atol=6e-4)


@pytest.mark.parametrize(
    ("rate", "bytes_", "form", "samples"),
    [(8000, 2, "PCM_16", 400), (1000, 1, "PCM_U8", 400), (1000, 2, "PCM_16", 0)],
)
def test_another_form_is_a_sentence(tmp_path, made, rate, bytes_, form, samples):
    path = tmp_path / "other.wav"
    soundfile.write(path, np.zeros(samples), rate, subtype=form)
    done = classify(made(), path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    told = done.stderr.splitlines()[-1]
    assert told.startswith(f"{path}: must be 1000 Hz, 16 bits or more; is _wave_params(")
    assert f"sampwidth={bytes_}, framerate={rate}, nframes={samples}" in told


def test_it_is_short():
    assert len(EXAMPLE.read_text().splitlines()) <= 40
