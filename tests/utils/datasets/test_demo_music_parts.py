"""What demo songs are made of: scores, tones at their pitch, voices on their notes, rooms."""

import itertools

import numpy as np
import pytest

from utils.datasets.demo_music_band import bass, drums, other
from utils.datasets.demo_music_room import EQ_KNOTS_HZ, panned, placed, room
from utils.datasets.demo_music_score import (
    MODES,
    Note,
    Score,
    bass_line,
    compose,
    drum_pattern,
    melody,
    voicing,
)
from utils.datasets.demo_music_tones import (
    PARTIALS,
    SAMPLE_RATE,
    Timbre,
    held,
    hertz,
    pitch_track,
    plucked,
    read,
    timbre,
)
from utils.datasets.demo_music_voice import sing, singer

FLAT = (0.0,) * len(EQ_KNOTS_HZ)


def generators(count=30):
    return [np.random.default_rng([7, number]) for number in range(count)]


def pure():
    """A timbre of one partial."""
    strengths = np.zeros(PARTIALS)
    strengths[0] = 1.0
    return Timbre(strengths, np.full(PARTIALS, -0.5 * np.pi), np.empty(0), np.empty(0))


def plain(**changes):
    told = {
        "seconds": 16.0, "beat": 0.5, "swing": 0.0, "key": 0, "mode": "major",
        "degrees": (0, 3, 4, 0, 0, 3, 4, 0), "sevenths": False, "rests": {},
    }  # fmt: skip
    return Score(**told | changes)


def pitch_of(samples, low_hz, high_hz):
    """Fundamental frequency by the highest peak of the autocorrelation."""
    spectrum = np.fft.rfft(samples * np.hanning(samples.size), 2 * samples.size)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)
    lags = np.arange(int(SAMPLE_RATE / high_hz), int(SAMPLE_RATE / low_hz))
    return SAMPLE_RATE / lags[np.argmax(correlation[lags])]


def test_chords_are_thirds_of_the_scale():
    score = plain()
    assert score.scale == (0, 2, 4, 5, 7, 9, 11)
    assert [score.chord(bar) for bar in (0, 1, 2)] == [(0, 4, 7), (5, 9, 0), (7, 11, 2)]
    assert plain(key=9, mode="minor", sevenths=True).chord(0) == (9, 0, 4, 7)
    assert plain(swing=0.1).at(2, 1.5) == pytest.approx(4.0 + 0.5 * 1.6)
    assert plain(swing=0.1).at(2, 1.25) == pytest.approx(4.0 + 0.5 * 1.25)


def test_voicings_hold_the_chord_upwards():
    for rng in generators(10):
        pitches = voicing(plain(), 2, low=50, count=4, rng=rng)
        assert pitches == sorted(pitches)
        assert len(pitches) == 4
        assert 50 <= pitches[0] < 62
        assert {pitch % 12 for pitch in pitches} == {7, 11, 2}


def test_melodies_stay_in_scale_range_and_time():
    for rng in generators():
        score = compose(rng, 20.0)
        notes = melody(score, rng, low=50.3, high=66.0, density=0.8)
        assert notes[0].start < 4 * score.beat
        assert all(51 <= note.pitch <= 66 and note.pitch % 12 in score.scale for note in notes)
        assert all(note.start + note.seconds <= score.seconds + 1e-9 for note in notes)
        swing = score.swing * score.beat + 1e-9
        for before, after in itertools.pairwise(notes):
            assert before.start + before.seconds <= after.start + swing
            assert before.start < after.start


def test_melodies_rest_between_phrases():
    score = plain()
    notes = melody(score, np.random.default_rng(0), low=50, high=66, density=1.0)
    gaps = [
        after.start - before.start - before.seconds
        for before, after in itertools.pairwise(notes)
        if not after.joined
    ]
    assert len(gaps) == 3
    assert all(gap >= 0.5 * score.beat - 1e-9 for gap in gaps)


def test_songs_differ_in_key_tempo_and_mode():
    scores = [compose(rng, 20.0) for rng in generators()]
    assert len({score.key for score in scores}) > 8
    assert {score.mode for score in scores} == set(MODES)
    beats = [score.beat for score in scores]
    assert max(beats) / min(beats) > 1.8
    assert all(0 not in bars for score in scores for bars in score.rests.values())


def test_players_rest_where_the_score_says():
    rests = {"drums": (2,), "bass": (2, 3), "other": (5,)}
    score, rng = plain(rests=rests), np.random.default_rng(3)
    assert not [note for note in bass_line(score, rng) if 4.0 <= note.start < 8.0]
    hits = [start for each in drum_pattern(score, rng).values() for start, _ in each]
    assert not [start for start in hits if 4.05 < start < 5.95]
    notes = melody(score, rng, low=50, high=66, density=1.0)
    sound = other(score, rng, sung=notes)
    silent, loud = (int(s * SAMPLE_RATE) for s in (10.1, 11.9)), slice(0, 2 * SAMPLE_RATE)
    assert np.abs(sound[:, slice(*silent)]).max() < 1e-4 < np.abs(sound[:, loud]).max()


@pytest.mark.parametrize("play", [drums, bass])
def test_players_are_heard_from_the_first_bar_on(play):
    for rng in generators(4):
        sound = play(compose(rng, 3.0), rng)
        assert sound.shape == (2, 3 * SAMPLE_RATE)
        assert sound.dtype == np.float32
        assert np.sqrt(np.mean(sound[:, : 2 * SAMPLE_RATE] ** 2)) > 0.01


def test_the_wave_of_one_partial_is_a_sine():
    frequency = np.linspace(200.0, 800.0, 20_000)
    sound = read(pure().cycle(800.0), frequency)
    phase = 2.0 * np.pi * np.cumsum(frequency) / SAMPLE_RATE
    np.testing.assert_allclose(sound, np.sqrt(2.0) * np.sin(phase), atol=2e-4)


def test_partials_do_not_fold_over():
    of = timbre(np.random.default_rng(0), fall=0.0)
    sound = read(of.cycle(3000.0), np.full(SAMPLE_RATE, 3000.0))
    power = np.abs(np.fft.rfft(sound)) ** 2
    partials = np.arange(3000, 19_000, 3000)
    assert power[partials].sum() > (1.0 - 1e-6) * power.sum()
    assert np.all(power[partials] > 1e-3 * power.max())


def test_resonances_stay_where_they_are():
    of = Timbre(np.ones(PARTIALS), np.zeros(PARTIALS), np.array([1000.0]), np.array([20.0]))
    for pitch in (100.0, 125.0, 200.0):
        spectrum = np.abs(np.fft.rfft(of.cycle(pitch)[:-1]))
        assert np.argmax(spectrum) * pitch == 1000.0


def test_dull_waves_have_weaker_high_partials():
    of = timbre(np.random.default_rng(1), fall=1.0)
    bright, dull = (np.abs(np.fft.rfft(of.cycle(200.0, dull=d)[:-1])) for d in (0.0, 1.0))
    ratio = (dull / dull[1])[1:20] / (bright / bright[1])[1:20]
    np.testing.assert_allclose(ratio, 1.0 / np.arange(1, 20), rtol=1e-4)


def test_lines_glide_from_note_to_note():
    notes = [Note(0.0, 1.0, 50.0), Note(1.0, 0.5, 55.0, joined=True), Note(2.0, 0.5, 60.0)]
    track = pitch_track(notes, seconds=3.0, glide_seconds=0.1)
    at = {seconds: track[round(seconds / 0.005)] for seconds in (0.0, 0.9, 1.0, 1.1, 1.6, 1.9, 3.0)}
    assert [at[s] for s in (0.0, 0.9, 1.1, 1.6, 1.9, 3.0)] == pytest.approx(
        [50, 50, 55, 55, 60, 60]
    )
    assert 51.5 < at[1.0] < 53.5
    assert np.all(np.diff(track) >= -1e-9)


def test_plucked_tones_fall_and_held_tones_stay():
    rng = np.random.default_rng(2)
    note = Note(0.0, 1.0, 60.0)
    string = plucked(note, pure(), ring_seconds=0.3, thump=np.zeros(10))
    organ = held(note, pure(), rng=rng, attack_seconds=0.02, release_seconds=0.1)
    for sound, early_over_late in ((string, np.exp(0.5 / 0.3)), (organ, 1.0)):
        early, late = (
            np.sqrt(np.mean(sound[int(s * SAMPLE_RATE) :][:4410] ** 2)) for s in (0.3, 0.8)
        )
        assert early / late == pytest.approx(early_over_late, rel=0.06)
        assert abs(sound[0]) < 1e-3 > abs(sound[-1])
        assert pitch_of(sound[4410:26_460], 150.0, 500.0) == pytest.approx(261.6, rel=0.01)


def test_voices_sing_the_notes():
    for build, rng in zip((0.1, 0.5, 0.9), generators(3), strict=True):
        who = singer(rng, build)
        low = round(who.low) + 1
        assert low + 12 <= who.high + 1
        notes = [Note(0.6 + 1.2 * n, 1.1, low + step) for n, step in enumerate((0, 4, 7, 11))]
        sound = sing(notes, who, seconds=6.0, rng=rng)
        assert sound.shape == (6 * SAMPLE_RATE,)
        for note in notes:
            start = int((note.start + 0.35) * SAMPLE_RATE)
            frequency = float(hertz(note.pitch))
            heard = pitch_of(sound[start : start + 26_000], 0.7 * frequency, 1.4 * frequency)
            assert abs(12.0 * np.log2(heard / frequency)) < 0.6
            assert np.sqrt(np.mean(sound[start : start + 22_050] ** 2)) > 0.3


def test_voices_are_silent_in_rests_but_for_a_breath():
    rng = np.random.default_rng(5)
    who = singer(rng, 0.5)
    sound = sing([Note(1.5, 1.0, who.low + 5.0)], who, seconds=5.0, rng=rng)
    loud = np.sqrt(np.mean(np.square(sound[: 5 * SAMPLE_RATE]).reshape(50, -1), axis=1))
    assert loud[:6].max() < 1e-3
    assert 1e-3 < loud[10:13].max() < 0.5 * loud[17:24].max()
    assert loud[28:44].max() < 1e-3


def test_voices_have_vibrato():
    rng = np.random.default_rng(6)
    who = singer(rng, 0.3)
    sound = sing([Note(0.5, 4.0, who.low + 6.0)], who, seconds=5.0, rng=rng)
    frequency = float(hertz(who.low + 6.0))
    starts = range(SAMPLE_RATE, 4 * SAMPLE_RATE, 441)
    heard = [pitch_of(sound[s : s + 1764], 0.8 * frequency, 1.25 * frequency) for s in starts]
    moving = 12.0 * np.log2(np.array(heard) / frequency)
    spectrum = np.abs(np.fft.rfft((moving - moving.mean()) * np.hanning(moving.size)))
    rates = np.fft.rfftfreq(moving.size, 0.01)
    fast = rates > 2.5
    assert rates[fast][np.argmax(spectrum[fast])] == pytest.approx(who.vibrato_hz, rel=0.15)


def test_panning_keeps_the_power():
    sound = np.random.default_rng(0).standard_normal(1000)
    left, middle, right = (panned(sound, place) for place in (-1.0, 0.0, 1.0))
    for stereo in (left, middle, right):
        assert np.sum(stereo**2) == pytest.approx(np.sum(sound**2), rel=1e-5)
    assert np.abs(left[1]).max() < 1e-6 > np.abs(right[0]).max()
    np.testing.assert_array_equal(*middle)


def test_a_room_adds_a_tail_of_its_level():
    where = room(np.random.default_rng(1))
    assert np.mean(np.sum(where.tail**2, axis=1)) == pytest.approx(1.0, rel=1e-4)
    click = np.zeros((2, 90_000), np.float32)
    click[:, 100] = 1.0
    dry = placed(click, where, wet_db=-200.0, tone_db=FLAT)
    np.testing.assert_allclose(dry, click, atol=1e-5)
    wet = placed(click, where, wet_db=-10.0, tone_db=FLAT) - dry
    assert np.mean(np.sum(wet**2, axis=1)) == pytest.approx(0.1 * 1.96, rel=0.01)
    assert np.abs(wet[:, :150]).max() < 1e-5
    early, late = (np.sum(wet[:, part] ** 2) for part in (slice(0, 8000), slice(8000, None)))
    assert early > late
    louder = placed(click, where, wet_db=-200.0, tone_db=(6.0206,) * len(FLAT))
    np.testing.assert_allclose(louder, 2.0 * click, atol=1e-4)
