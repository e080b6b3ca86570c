"""Files of generated audio: their form, and which of them are written."""

import io

import numpy as np
import pytest
import soundfile

from utils.datasets.demo_folder import BATCH, wav, write_missing


@pytest.mark.parametrize(("channels", "subtype"), [(1, "PCM_16"), (2, "PCM_24")])
def test_a_file_holds_the_samples_in_the_form_that_is_asked(channels, subtype):
    samples = np.random.default_rng(0).uniform(-1.0, 1.0, (50, channels))
    content = wav(samples, 22_050, subtype)
    info = soundfile.info(io.BytesIO(content))
    assert (info.samplerate, info.channels, info.subtype) == (22_050, channels, subtype)
    read, _ = soundfile.read(io.BytesIO(content), always_2d=True)
    np.testing.assert_allclose(read, samples, atol=2.0 ** -(int(subtype[-2:]) - 1))
    assert wav(samples, 22_050) == wav(samples, 22_050, "PCM_16")


def test_what_is_there_is_not_written_again(tmp_path):
    paths = [f"{number}.bin" for number in range(BATCH + 3)]
    (tmp_path / paths[4]).write_bytes(b"before")
    steps = []
    write_missing(
        tmp_path, paths, str.encode, jobs=1, progress=lambda *step: steps.append(step)
    )  # fmt: skip
    assert {path: (tmp_path / path).read_bytes() for path in paths} == {
        **{path: path.encode() for path in paths},
        paths[4]: b"before",
    }
    assert steps == [(BATCH + 1, BATCH + 3), (BATCH + 3, BATCH + 3)]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(paths)
