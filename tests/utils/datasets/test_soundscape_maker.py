"""Clips of soundscapes: made of the right sounds, and labelled where these sound."""

import numpy as np
import pytest
import soundfile

from utils.datasets.sound_portions import Trim
from utils.datasets.soundbank import UNDIVIDED, Pool, Sound, divide
from utils.datasets.soundscape_maker import PARTS, file_name, prepare
from utils.datasets.soundscape_recipes import Style
from utils.errors import AudioError, DataError

RATE = 8000
STYLE = Style(seconds=3.0, events=(1, 3), event_seconds=(0.3, 1.0), snr_db=(40.0, 45.0), overlap=1)
FREQUENCIES = {"low": 500.0, "high": 2000.0}
STRONG, WEAK, UNLABELLED, VALIDATION, TEST = PARTS


def tone(frequency_hz, seconds, rate):
    return 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * rate)) / rate)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Tones of half a second to two, in silence, of two classes and several rates."""
    root = tmp_path_factory.mktemp("bank")
    made = []
    for label, frequency in FREQUENCIES.items():
        for number, rate in enumerate((RATE, 16_000, 44_100, 22_050)):
            seconds = 0.5 * (number + 1)
            silence = np.zeros(round(0.3 * rate))
            path = root / f"{label}{number}.wav"
            samples = np.concatenate([silence, tone(frequency, seconds, rate), silence])
            soundfile.write(path, samples, rate)
            made.append(Sound(path.name, path, label, path.stem))
    return tuple(made)


@pytest.fixture(scope="module")
def backgrounds(tmp_path_factory):
    root = tmp_path_factory.mktemp("backgrounds")
    rng = np.random.default_rng(0)
    made = []
    for number, seconds in enumerate((1.0, 5.0, 9.0)):
        path = root / f"{number}.wav"
        soundfile.write(path, 0.01 * rng.standard_normal(round(seconds * 16_000)), 16_000)
        made.append(Sound(path.name, path, "home", path.stem))
    return tuple(made)


def maker_of(sounds, backgrounds=(), *, style=STYLE, seed=0, skip_bad=False, progress=None):
    bank = divide({UNDIVIDED: Pool(sounds, backgrounds)}, held_out=0.5, strong=0.5, seed=seed)
    return prepare(
        bank,
        style=style,
        trim=Trim(),
        sample_rate=RATE,
        seed=seed,
        skip_bad=skip_bad,
        jobs=1,
        progress=progress,
    )


@pytest.fixture(scope="module")
def maker(sounds):
    return maker_of(sounds)[0]


def levels_db(samples, frequency_hz):
    """Level of one frequency in windows of 25 ms, decibels."""
    pieces = samples[: samples.size // 200 * 200].reshape(-1, 200)
    wave = np.exp(-2j * np.pi * frequency_hz * np.arange(200) / RATE)
    return 20 * np.log10(np.abs(pieces @ wave) / 100 + 1e-9)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_labels_are_where_the_sound_is(maker, part):
    seen = set()
    for number in range(12):
        recipe = maker.recipe(part, number)
        samples = maker.samples(part, number)
        assert samples.shape == (3 * RATE,)
        for label, frequency in FREQUENCIES.items():
            levels = levels_db(samples, frequency)
            centres = (np.arange(levels.size) + 0.5) * 200 / RATE
            inside = np.zeros(levels.size, bool)
            near = np.zeros(levels.size, bool)
            for event in recipe.labelled(RATE):
                if event.label == label:
                    seen.add(label)
                    inside |= (centres > event.onset + 0.05) & (centres < event.offset - 0.05)
                near |= (centres > event.onset - 0.05) & (centres < event.offset + 0.05)
            loud = levels > levels.max() - 20.0
            assert loud[inside].all()
            if inside.any():
                assert not loud[~near].any()
    assert seen == set(FREQUENCIES)


def test_parts_are_mixed_of_sounds_of_their_own(maker):
    used = {
        part.name: {
            maker.stocks[part.pool].sounds[event.sound].name
            for number in range(60)
            for event in maker.recipe(part, number).events
        }
        for part in PARTS
    }
    train = used["strong"] | used["weak"] | used["unlabelled"]
    assert not train & (used["validation"] | used["test"])
    assert len(train) == len(used["test"]) == len(used["validation"]) == 4
    assert used["strong"] < train
    assert used["weak"] == used["unlabelled"] == train


def test_clips_are_functions_of_seed_part_and_number(sounds, maker):
    again, other = maker_of(sounds)[0], maker_of(sounds, seed=1)[0]
    np.testing.assert_array_equal(maker.samples(WEAK, 7), again.samples(WEAK, 7))
    assert not np.array_equal(maker.samples(WEAK, 7), maker.samples(WEAK, 8))
    assert not np.array_equal(maker.samples(WEAK, 7), maker.samples(UNLABELLED, 7))
    assert not np.array_equal(maker.samples(WEAK, 7), other.samples(WEAK, 7))
    assert not np.array_equal(maker.samples(VALIDATION, 0), maker.samples(TEST, 0))


def test_sounds_of_other_rates_keep_their_length(maker):
    for name in ("train", "validation"):
        stock = maker.stocks[name]
        for materials in stock.materials.values():
            for material in materials:
                ((start, end),) = material.portions
                seconds = 0.5 * (int(stock.sounds[material.sound].path.stem[-1]) + 1)
                assert start / RATE == pytest.approx(0.3, abs=0.03)
                assert (end - start) / RATE == pytest.approx(seconds, abs=0.05)


def test_weak_clips_always_have_events(sounds):
    maker, _ = maker_of(sounds, style=Style(seconds=3.0, events=(0, 1)))
    assert all(maker.recipe(WEAK, number).events for number in range(30))
    assert not all(maker.recipe(UNLABELLED, number).events for number in range(30))


def test_backgrounds_are_recordings_where_there_are_some(sounds, backgrounds):
    maker, notes = maker_of(sounds, backgrounds, style=Style(seconds=3.0, events=(0, 0)))
    assert notes == ()
    for name in ("train", "validation"):
        stock = maker.stocks[name]
        assert stock.lengths == tuple(
            RATE * {"0": 1, "1": 5, "2": 9}[sound.path.stem] for sound in stock.backgrounds
        )
    train, held = ({s.name for s in maker.stocks[n].backgrounds} for n in ("train", "validation"))
    assert not train & held
    for part in (STRONG, TEST):
        for number in range(8):
            recipe = maker.recipe(part, number)
            sound = maker.stocks[part.pool].backgrounds[recipe.background]
            whole = soundfile.read(sound.path)[0]
            start = recipe.background_start * 2
            mixed = maker.samples(part, number)
            if whole.size >= start + 6 * RATE:  # long enough not to be extended
                piece = np.abs(np.fft.rfft(whole[start : start + 6 * RATE]))[100:3000]
                heard = np.abs(np.fft.rfft(mixed))[100:3000]
                assert np.corrcoef(piece, heard)[0, 1] > 0.9
            assert np.isfinite(mixed).all()


def test_silent_and_broken_sounds_are_told_or_left_out(sounds, tmp_path):
    silent, broken = tmp_path / "silent.wav", tmp_path / "broken.wav"
    soundfile.write(silent, np.zeros(RATE), RATE)
    broken.write_bytes(b"no audio")
    bad = tuple(Sound(path.name, path, "low", path.stem) for path in (broken, silent))
    for one, problem in zip(bad, ("broken.wav: is broken", "silent.wav: is silent"), strict=True):
        with pytest.raises(AudioError, match=problem):
            maker_of((*sounds, one))
    maker, notes = maker_of(sounds + bad, skip_bad=True)
    (note,) = notes
    assert note.startswith("2 of 10 recordings cannot be used and were left out; the first: ")
    used = [m.sound for s in maker.stocks.values() for here in s.materials.values() for m in here]
    assert used
    for stock in maker.stocks.values():
        for materials in stock.materials.values():
            assert not {stock.sounds[m.sound].name for m in materials} & {s.name for s in bad}


def test_a_class_that_has_only_bad_sounds_is_told(sounds, tmp_path):
    for number in range(2):
        soundfile.write(tmp_path / f"{number}.wav", np.zeros(RATE), RATE)
    bad = tuple(Sound(p.name, p, "none", p.stem) for p in sorted(tmp_path.iterdir()))
    with pytest.raises(DataError, match="class 'none' has no usable sound in the train part"):
        maker_of(sounds + bad, skip_bad=True)


def test_a_texture_is_one_portion(tmp_path):
    made = []
    for number in range(2):
        path = tmp_path / f"{number}.wav"
        pause = np.zeros(round(0.8 * RATE))
        soundfile.write(path, np.concatenate([tone(500, 1, RATE), pause, tone(500, 1, RATE)]), RATE)
        made.append(Sound(path.name, path, "fan", path.stem, onset=False, offset=False))
    maker, _ = maker_of(tuple(made), style=Style(seconds=3.0, events=(1, 1)))
    ((material,),) = maker.stocks["train"].materials.values()
    assert len(material.portions) == 1
    for number in range(3):
        (event, *others) = maker.recipe(STRONG, number).labelled(RATE)
        assert not others
        assert (event.onset, event.offset) == pytest.approx((0.0, 2.8), abs=0.03)


def test_progress_counts_the_sounds(sounds):
    steps = []
    maker_of(sounds, progress=lambda *step: steps.append(step))
    assert steps == [(number, 8) for number in range(1, 9)]


def test_names_sort_by_number():
    assert file_name(WEAK, 7) == "weak_00007.wav"
    assert file_name(STRONG, 12_345) == "synthetic_12345.wav"
