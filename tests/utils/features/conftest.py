"""Seventy quarter-second clips and what is computed of them, for the tests of extraction."""

import pytest
import soundfile

from utils.config.schema import AudioSettings, FeatureSettings
from utils.datasets import Clip
from utils.features import from_settings

RATE = 8_000


@pytest.fixture
def clips(tmp_path, rng):
    folder = tmp_path / "audio"
    folder.mkdir()
    made = []
    for number in range(70):
        path = folder / f"{number:03}.wav"
        soundfile.write(path, 0.1 * rng.standard_normal(RATE // 4), RATE)
        made.append(Clip(f"audio/{path.name}", path))
    return made


@pytest.fixture
def representation():
    audio = AudioSettings(sample_rate=RATE, seconds=0.25)
    return from_settings(audio, FeatureSettings(n_fft=512, n_mels=12, frames=None))
