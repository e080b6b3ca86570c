import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.audio import fit_length, read_audio, read_blocks, read_facts, read_header
from utils.errors import AudioError

RATE = 44_100
ONE_CHANNEL = {"sample_rate": RATE, "channels": 1, "block": 5000}


def tone(rate: int, seconds: float = 0.5, hz: float = 1000.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)).astype("f4")


@pytest.mark.parametrize(
    ("suffix", "subtype", "tolerance"),
    [
        ("wav", "PCM_16", 2**-15),
        ("wav", "PCM_24", 2**-23),
        ("wav", "PCM_32", 2**-23),
        ("wav", "FLOAT", 0.0),
        ("flac", "PCM_24", 2**-23),
        ("ogg", "VORBIS", 0.05),
        ("mp3", None, 0.05),
        ("aiff", "PCM_16", 2**-15),
    ],
)
def test_formats_come_back(tmp_path, suffix, subtype, tolerance):
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, tone(RATE), RATE, subtype=subtype)
    samples = read_audio(path, sample_rate=RATE)
    assert samples.dtype == np.float32
    assert samples.shape == (RATE // 2,)
    middle = slice(2000, -2000)
    assert np.abs(samples - tone(RATE))[middle].max() <= tolerance


def test_stereo_of_another_rate_is_mixed_and_resampled(tmp_path):
    path = tmp_path / "stereo.wav"
    left = tone(48_000)
    soundfile.write(path, np.stack([left, 0.5 * left], axis=1), 48_000, subtype="FLOAT")
    samples = read_audio(path, sample_rate=RATE)
    assert samples.shape == (RATE // 2,)
    middle = slice(2000, -2000)
    assert np.abs(samples - 0.75 * tone(RATE))[middle].max() < 1e-3


@pytest.mark.parametrize("rate", [RATE, 48_000])
def test_reads_no_more_than_asked(tmp_path, rate):
    path = tmp_path / "long.wav"
    soundfile.write(path, tone(rate, 2.0), rate, subtype="FLOAT")
    whole = read_audio(path, sample_rate=RATE)
    part = read_audio(path, sample_rate=RATE, seconds=0.7)
    assert part.shape == (round(0.7 * RATE),)
    np.testing.assert_allclose(part, whole[: len(part)], atol=1e-6)


@pytest.mark.parametrize("count", [1, 2])
def test_one_sample_is_enough(tmp_path, count):
    path = tmp_path / "click.wav"
    soundfile.write(path, np.full(count, 0.5, "f4"), 48_000, subtype="FLOAT")
    samples = read_audio(path, sample_rate=16_000)
    assert samples.size >= 1
    assert fit_length(samples, length=100, short="reflect").shape == (100,)


def refused(path: Path) -> str:
    with pytest.raises(AudioError) as error:
        read_audio(path, sample_rate=RATE)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("suffix", "subtype"),
    [
        ("wav", "PCM_16"),
        ("wav", "PCM_24"),
        ("wav", "FLOAT"),
        ("flac", "PCM_16"),
        ("ogg", "VORBIS"),
        ("mp3", None),
        ("aiff", "PCM_16"),
    ],
)
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_cut_off_files_are_refused(tmp_path, noise, suffix, subtype, share):
    path = tmp_path / f"cut.{suffix}"
    soundfile.write(path, noise, RATE, subtype=subtype)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "cut off" in refused(path) or suffix == "flac"


@pytest.mark.parametrize("suffix", ["wav", "ogg", "rf64"])
def test_one_missing_byte_is_noticed(tmp_path, noise, suffix):
    path = tmp_path / f"cut.{suffix}"
    soundfile.write(path, noise, RATE, format=suffix.upper())
    path.write_bytes(path.read_bytes()[:-1])
    assert "cut off" in refused(path)


def test_odd_24_bit_wav_with_pad_byte_and_further_chunk_is_whole(tmp_path, noise):
    path = tmp_path / "odd.wav"
    soundfile.write(path, noise[:101], RATE, subtype="PCM_24")
    content = path.read_bytes()
    assert len(content) % 2 == 0
    note = b"note" + struct.pack("<I", 4) + b"abcd"
    riff = b"RIFF" + struct.pack("<I", len(content) + len(note) - 8)
    path.write_bytes(riff + content[8:] + note)
    assert read_audio(path, sample_rate=RATE).shape == (101,)


@pytest.mark.parametrize("sizes", [(8, 0), (0x7FFF_FF24, 0x7FFF_FF00), (0xFFFF_FFFF,) * 2])
@pytest.mark.parametrize("channels", [1, 2])
def test_wav_written_to_a_pipe_has_no_size_and_is_read(tmp_path, noise, sizes, channels):
    path = tmp_path / "piped.wav"
    soundfile.write(path, np.stack([noise] * channels, axis=1), RATE, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    assert content[36:40] == b"data"
    content[4:8], content[40:44] = (struct.pack("<I", size) for size in sizes)
    path.write_bytes(content)
    assert read_audio(path, sample_rate=RATE).shape == noise.shape
    assert read_header(path) == (RATE, len(noise))


def test_flac_written_to_a_pipe_is_refused_in_a_sentence(tmp_path, noise):
    """Its header has 0 where the length belongs; libsndfile opens it and cannot read it."""
    path = tmp_path / "piped.flac"
    soundfile.write(path, noise, RATE, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the last 36 bits of rate, channels, width and length
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert "states no length" in refused(path)
    for read in (read_header, read_facts, lambda path: list(read_blocks(path, **ONE_CHANNEL))):
        with pytest.raises(AudioError, match=r"piped\.flac: states no length"):
            read(path)


def test_an_mp3_whose_length_is_a_guess_is_not_cut_off(tmp_path):
    """Without its first frame, which tells the length; it begins with silence, in few bytes."""
    rng = np.random.default_rng(0)
    noise = 0.5 * rng.uniform(-1, 1, 3 * RATE)
    samples = np.concatenate([np.zeros(RATE // 2), noise]).astype(np.float32)
    path = tmp_path / "guessed.mp3"
    soundfile.write(path, samples, RATE, bitrate_mode="VARIABLE")
    content = path.read_bytes()
    first, second = (content.find(content[:2], place) for place in (0, 4))
    assert b"Xing" in content[first:second]
    path.write_bytes(content[second:])
    assert soundfile.info(path).frames > 1.1 * len(samples)
    assert abs(len(read_audio(path, sample_rate=RATE)) - len(samples)) < 3 * 1152
    blocks = list(read_blocks(path, **ONE_CHANNEL))
    assert abs(sum(map(len, blocks)) - len(samples)) < 3 * 1152


@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64", "FLAC", "OGG", "AIFF"])
@pytest.mark.parametrize("samples", [1, 801])
def test_headers_tell_rate_and_length(tmp_path, kind, samples):
    path = tmp_path / "x.audio"
    soundfile.write(path, np.zeros((samples, 2)), 22_050, format=kind)
    assert read_header(path) == (22_050, samples)


def test_a_wav_without_samples_has_none_in_its_header(tmp_path):
    soundfile.write(tmp_path / "none.wav", np.zeros(0), RATE)
    assert read_header(tmp_path / "none.wav") == (RATE, 0)


def test_plain_wav_headers_are_read_without_libsndfile(tmp_path, noise, monkeypatch):
    for subtype in ("PCM_U8", "PCM_16", "PCM_24"):
        soundfile.write(tmp_path / f"{subtype}.wav", noise[:101], RATE, subtype=subtype)
    monkeypatch.delattr(soundfile, "info")
    for path in tmp_path.iterdir():
        assert read_header(path) == (RATE, 101)


def test_headers_of_what_is_no_audio(tmp_path):
    for name, content in (("empty.wav", b""), ("text.wav", b"no sound" * 9), ("x.raw", b"12" * 9)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(AudioError, match=rf"{name}: is broken or no audio file \("):
            read_header(tmp_path / name)
    for path in (tmp_path, tmp_path / "gone.wav"):
        with pytest.raises(AudioError, match=r"cannot be opened \("):
            read_header(path)


def test_files_that_are_no_audio(tmp_path):
    path = tmp_path / "x.wav"
    assert "missing" in refused(path)
    path.write_bytes(b"")
    assert "empty" in refused(path)
    path.write_bytes(b"this is no sound at all" * 100)
    assert "no audio file" in refused(path)
    soundfile.write(path, np.zeros(0, "f4"), RATE)
    assert "no samples" in refused(path)
    raw = tmp_path / "x.raw"
    raw.write_bytes(b"\1\2" * 100)
    assert "no audio file" in refused(raw)
    assert "cannot be opened" in refused(tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(tmp_path, noise, value):
    noise[RATE // 2] = value
    path = tmp_path / "nan.wav"
    soundfile.write(path, noise, RATE, subtype="FLOAT")
    message = refused(path)
    assert "1 samples" in message
    assert "0.500 s" in message


@given(content=st.binary(max_size=300), magic=st.sampled_from([b"RIFF", b"RF64", b"FORM", b"OggS"]))
@settings(max_examples=60, deadline=None)
def test_rubbish_behind_a_magic_word_is_an_audio_error(tmp_path_factory, content, magic):
    path = tmp_path_factory.mktemp("rubbish") / "x.wav"
    path.write_bytes(magic + content)
    refused(path)
    with pytest.raises(AudioError):
        read_header(path)


def test_fit_length_cuts_and_extends():
    clip = np.array([1, 2, 3], np.float32)

    def fit(length, short):
        return fit_length(clip, length=length, short=short).tolist()

    assert fit(2, "zeros") == [1, 2]
    assert fit(5, "zeros") == [1, 2, 3, 0, 0]
    assert fit(8, "loop") == [1, 2, 3, 1, 2, 3, 1, 2]
    assert fit(10, "reflect") == [1, 2, 3, 2, 1, 2, 3, 2, 1, 2]
    assert fit(3, "reflect") == [1, 2, 3]


@given(count=st.integers(1, 40), length=st.integers(1, 200))
def test_reflect_is_numpys_for_any_length(count, length):
    clip = np.arange(count, dtype=np.float32)
    expected = np.pad(clip, (0, max(0, length - count)), mode="reflect")[:length]
    np.testing.assert_array_equal(fit_length(clip, length=length, short="reflect"), expected)


def test_fit_length_refuses():
    with pytest.raises(ValueError, match="without samples"):
        fit_length(np.zeros(0, np.float32), length=3, short="zeros")
    with pytest.raises(ValueError, match="'mirror'"):
        fit_length(np.zeros(1, np.float32), length=3, short="mirror")


@pytest.mark.real_audio
def test_real_files_are_read(real_audio):
    found = sorted(real_audio.glob("tau2022_mini/audio/*.wav"))[:20]
    found += sorted(real_audio.glob("esc10/audio/*.ogg"))[:20]
    found += sorted(real_audio.glob("librispeech_speakers/**/*.flac"))[:5]
    if not found:
        pytest.skip(f"no clips below {os.fspath(real_audio)}")
    for path in found:
        samples = read_audio(path, sample_rate=RATE)
        info = soundfile.info(path)
        assert abs(len(samples) / RATE - info.duration) < 0.001
