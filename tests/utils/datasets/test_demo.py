"""Demo data: the published layout, and class structure that is neither trivial nor absent."""

import itertools
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from utils import datasets
from utils.config.schema import AudioSettings, DatasetSettings
from utils.datasets import demo, load_evaluation
from utils.datasets.demo import DemoSize
from utils.datasets.demo_devices import DEVICES, capture
from utils.datasets.demo_sounds import SAMPLE_RATE, SCENES, place, record
from utils.datasets.tau import SCENES as TAU_SCENES
from utils.errors import UserError

load = partial(datasets.load, audio=AudioSettings(), cache=Path("cache"))
SMALL = DemoSize(training_a=5, training_rare=1, test=1, evaluation=3, seconds=1.5)
TINY = DemoSize(training_a=2, training_rare=0, test=0, evaluation=0, seconds=0.5)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return demo.make(tmp_path_factory.mktemp("demo"), seed=0, size=SMALL, jobs=1)


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_loader_reads_it_as_the_published_set(small):
    data = load(DatasetSettings(), root=small, name="demo")
    fold = data.folds[0]
    assert data.name == "demo"
    assert data.classes == TAU_SCENES == tuple(SCENES)
    assert len(fold.train) + len(fold.validation) == 100
    assert len(fold.test) == 90
    assert data.unseen_devices == ("s4", "s5", "s6")
    assert data.notes == ()
    assert {clip.device for clip in fold.test} == set(DEVICES)
    assert sum(clip.device == "a" for clip in fold.train + fold.validation) == 50


def test_the_default_size_has_the_shares_of_the_real_set():
    size = DemoSize()
    training = size.training_a + 5 * size.training_rare
    assert 0.68 < size.training_a / training < 0.75
    clips = 10 * (training + 9 * size.test) + size.evaluation
    assert clips * (44 + 2 * size.seconds * SAMPLE_RATE) < 300e6


def test_clips_are_pcm16_of_the_asked_length(small):
    clip = load(DatasetSettings(), root=small).clips[0]
    info = soundfile.info(clip.path)
    assert (info.samplerate, info.channels, info.frames) == (44_100, 1, 66_150)
    assert info.subtype == "PCM_16"


def test_evaluation_clips_tell_nothing(small):
    clips = load_evaluation(DatasetSettings(), root=small)
    assert [clip.name for clip in clips] == ["audio/0.wav", "audio/1.wav", "audio/2.wav"]
    assert all(clip.labels == () for clip in clips)


def test_the_same_seed_gives_the_same_files(tmp_path):
    one = demo.make(tmp_path / "one", seed=3, size=TINY, jobs=1)
    steps = []
    two = demo.make(
        tmp_path / "two", seed=3, size=TINY, jobs=2, progress=lambda *step: steps.append(step)
    )
    other = demo.make(tmp_path / "one", seed=4, size=TINY, jobs=1)
    assert files(one) == files(two)
    assert one.name != other.name
    assert not set(files(one).values()) & {
        content for name, content in files(other).items() if name.endswith(".wav")
    }
    assert steps[-1] == (20, 20)


def test_a_complete_folder_is_used_again_and_a_part_is_completed(tmp_path, monkeypatch):
    complete = demo.make(tmp_path, seed=0, size=TINY, jobs=1)
    before = files(complete)
    times = {path: path.stat().st_mtime_ns for path in complete.rglob("*.wav")}
    assert demo.make(tmp_path, seed=0, size=TINY, jobs=1) == complete
    assert times == {path: path.stat().st_mtime_ns for path in complete.rglob("*.wav")}
    part = tmp_path / f".{complete.name}.part"
    complete.rename(part)
    kept, lost = sorted(part.rglob("*.wav"))[:2]
    kept_at = kept.stat().st_mtime_ns
    lost.unlink()
    lost.with_suffix(".1.part").write_bytes(b"half")
    demo.make(tmp_path, seed=0, size=TINY, jobs=1)
    assert files(complete) == before
    assert (complete / kept.relative_to(part)).stat().st_mtime_ns == kept_at
    assert not part.exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="cannot be written"):
        demo.make(tmp_path / "file" / "demo", seed=0, size=TINY, jobs=1)


@pytest.mark.parametrize("scene", SCENES)
def test_each_scene_sounds_and_is_finite(scene):
    rng = np.random.default_rng(0)
    samples = record(scene, place(rng), seconds=1.0, rng=rng)
    assert samples.dtype == np.float32
    assert samples.shape == (SAMPLE_RATE,)
    assert np.isfinite(samples).all()
    assert 0.01 < np.sqrt(np.mean(samples**2)) < 0.7


def test_devices_colour_and_device_a_does_not(rng):
    samples = (0.2 * rng.standard_normal(SAMPLE_RATE)).astype(np.float32)
    heard = {name: capture(samples, name, rng=np.random.default_rng(0)) for name in DEVICES}
    edges = [60, 200, 500, 1200, 2800, 6000, 12000]
    colours = {
        name: 10 * np.log10(np.add.reduceat(np.abs(np.fft.rfft(signal)) ** 2, edges))
        for name, signal in heard.items()
    }
    assert np.corrcoef(heard["a"], samples)[0, 1] > 0.99
    for one, other in itertools.combinations(DEVICES, 2):
        assert np.abs(colours[one] - colours[other]).max() > 2.0


def log_mels(clips):
    import librosa

    frames = []
    for clip in clips:
        samples, rate = soundfile.read(clip.path, dtype="float32")
        mel = librosa.feature.melspectrogram(
            y=samples, sr=rate, n_fft=2048, hop_length=882, win_length=1764, n_mels=40, power=1
        )
        frames.append(np.log(mel + 1e-9))
    return np.stack(frames)


def test_mean_spectra_do_not_tell_the_scenes_but_their_course_does(small):
    """Nearest class mean of clip-mean log-mels stays under 55 %; a modulation spectrum helps."""
    from sklearn.ensemble import RandomForestClassifier

    fold = load(DatasetSettings(), root=small).folds[0]
    known = fold.train + fold.validation
    truth, answers = ([clip.labels[0] for clip in part] for part in (known, fold.test))
    training, test = log_mels(known), log_mels(fold.test)
    centres = {scene: training[np.array(truth) == scene].mean(axis=(0, 2)) for scene in TAU_SCENES}
    nearest = [
        min(centres, key=lambda scene: np.sum((centres[scene] - spectrum) ** 2))
        for spectrum in test.mean(axis=2)
    ]
    assert np.mean(np.array(nearest) == np.array(answers)) < 0.55

    def course(mels):
        steps = np.diff(mels, axis=2)
        spectrum = np.abs(np.fft.rfft(mels - mels.mean(axis=2, keepdims=True), axis=2))
        rises = [np.percentile(steps, q, axis=(1, 2)) for q in (1, 5, 25, 75, 95, 99)]
        return np.concatenate([np.log(spectrum.mean(axis=1)), np.stack(rises, 1)], axis=1)

    forest = RandomForestClassifier(200, random_state=0).fit(course(training), truth)
    assert forest.score(course(test), answers) > 0.3
