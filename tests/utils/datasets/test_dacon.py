"""Overlapped words in the layout of DACON 235616, whole, mixed and broken."""

import inspect
import wave

import pytest
import soundfile

from utils.config.schema import (
    AudioSettings,
    DatasetSettings,
    MixingSettings,
    ValidationSettings,
)
from utils.datasets import LOADERS, load, load_evaluation
from utils.datasets.base import Clip
from utils.datasets.dacon import load_dacon, load_dacon_evaluation, template_ids
from utils.datasets.mixtures import draw_part, write_new
from utils.errors import DataError

AUDIO = AudioSettings(sample_rate=1600, seconds=1.0)
WORDS = ("no", "off", "on", "yes")
RANDOM = ValidationSettings(method="random", amount=0.25)
SETTINGS = DatasetSettings(name="dacon", validation=RANDOM)
HEADER = ",".join(("id", *WORDS))
SHARES = ("0.5,0,0.5,0", "0.25,0.25,0.25,0.25", "0,1.0,0,0", "0,0.5,0.25,0.25")


def read(root, *, folds=None, **changes):
    settings = SETTINGS.model_copy(update=changes)
    return load_dacon(settings, audio=AUDIO, root=root, folds=folds, name="dacon")


def wav(path, samples=1600, rate=1600):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as stream:
        stream.setparams((1, 2, rate, 0, "NONE", ""))
        stream.writeframes(bytes(2 * samples))


def lines(path, rows, header=HEADER):
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")


def published(folder, count=16, ids=str, files="train_{:05d}.wav"):
    """The folder as the competition publishes it: no answers of the test clips."""
    for number in range(count):
        wav(folder / "train" / files.format(number))
    answers = [f"{ids(number)},{SHARES[number % 4]}" for number in range(count)]
    lines(folder / "train_answer.csv", answers)
    for number in range(4):
        wav(folder / "test" / f"test_{number:05d}.wav")
    lines(folder / "submission.csv", [f"{number},0,0,0,0" for number in range(4)])
    return folder


def mixed(folder, **changes):
    """The folder as the mixer makes it: answers of all clips, and the parts."""
    published(folder, ids="train_{:05d}".format, **changes)
    answers = [f"test_{number:05d},{SHARES[number]}" for number in range(4)]
    lines(folder / "test_answer.csv", answers)
    parts = [f"train_{n:05d},{'train' if n < 12 else 'validation'},x|y" for n in range(16)]
    parts += [f"test_{number:05d},test,x|z" for number in range(4)]
    lines(folder / "mixtures.csv", parts, header="id,part,words")
    return folder


def change(path, old, new):
    text = path.read_bytes().decode()
    assert old in text
    path.write_bytes(text.replace(old, new, 1).encode())


def test_published_layout(tmp_path):
    data = read(published(tmp_path))
    assert data.classes == WORDS
    assert len(data.clips) == 16
    (fold,) = data.folds
    assert [len(part) for part in (fold.train, fold.validation, fold.test)] == [8, 3, 5]
    assert data.notes == (
        "The test part was drawn: 5 of 16 clips of train_answer.csv (seed 0, method 'random').",
    )
    clip = data.clips[3]
    assert clip.name == "train/train_00003.wav"
    assert clip.path == tmp_path / clip.name
    assert clip.labels == ("off", "on", "yes")
    assert clip.weights == (0.5, 0.25, 0.25)
    assert data.clips[2].labels == ("off",)
    assert data.clips[2].weights == (1.0,)
    assert (data.held_out, data.mixing, data.unseen_devices) == ((), None, ())


def test_it_is_found_by_its_name(tmp_path):
    published(tmp_path)
    data = load(SETTINGS, audio=AUDIO, root=tmp_path, cache=tmp_path)
    assert data == read(tmp_path)
    assert len(load_evaluation(SETTINGS, root=tmp_path, known=data.clips)) == 4


def test_words_have_no_evaluation_clips(tmp_path):
    words = SETTINGS.model_copy(update={"name": "words"})
    with pytest.raises(DataError, match="'words' set has no unlabelled clips for -m eval"):
        load_evaluation(words, root=tmp_path)


def test_loaders_take_what_they_are_promised():
    """No loader is handed what it does not use, none lacks what it needs."""
    for name, loader in LOADERS.items():
        taken = set(inspect.signature(loader.read).parameters)
        assert taken == {"settings", "root", "folds", "name", *loader.needs}, name


@pytest.mark.parametrize(
    ("ids", "files"),
    [
        (str, "{}.wav"),
        (str, "{:05d}.wav"),
        ("{:05d}".format, "train_{:05d}.wav"),
        ("train_{:05d}".format, "train_{:05d}.wav"),
        ("train_{:05d}.wav".format, "train_{:05d}.WAV"),
        ('"clip {}"'.format, "clip {}.wav"),
    ],
)
def test_ids_are_numbers_stems_or_file_names(tmp_path, ids, files):
    data = read(published(tmp_path, ids=ids, files=files))
    assert {clip.name for clip in data.clips} == {f"train/{files.format(n)}" for n in range(16)}
    by_name = {clip.name: clip for clip in data.clips}
    assert by_name[f"train/{files.format(11)}"].weights == (0.5, 0.25, 0.25)


def test_a_mixed_set_has_its_parts(tmp_path):
    data = read(mixed(tmp_path))
    (fold,) = data.folds
    assert [clip.name[-8:-4] for clip in fold.validation] == ["0012", "0013", "0014", "0015"]
    assert [clip.name for clip in fold.test] == [f"test/test_0000{n}.wav" for n in range(4)]
    assert fold.test[3].weights == (0.5, 0.25, 0.25)
    assert data.notes == ()


def test_cross_validation(tmp_path):
    data = read(mixed(tmp_path), folds=4)
    assert [len(fold.test) for fold in data.folds] == [4] * 4
    assert [clip.name for clip in data.held_out] == [f"test/test_0000{n}.wav" for n in range(4)]
    assert data.notes[0].startswith("mixtures.csv: the folds are made of mixtures, so one speaker")
    (tmp_path / "test_answer.csv").unlink()
    assert [note for note in read(tmp_path).notes if note.startswith("mixtures.csv")] == [
        "mixtures.csv: the test part is drawn from mixtures, so one speaker may be on both sides."
    ]
    (tmp_path / "mixtures.csv").unlink()
    without = read(tmp_path, folds=4)
    assert without.held_out == ()
    assert without.notes == (
        "16 clips were divided at random into 4 folds (seed 0, method 'random').",
    )
    assert sorted(c.name for fold in without.folds for c in fold.test) == sorted(
        clip.name for clip in without.clips
    )


def test_tables_as_programs_leave_them(tmp_path):
    expected = read(published(tmp_path))
    path = tmp_path / "train_answer.csv"
    text = path.read_text("utf-8").replace(HEADER, '"id","no","off","on","yes"')
    path.write_bytes(("\ufeff" + text + "\n\n").replace("\n", "\r\n").encode())
    (tmp_path / "train/._train_00000.wav").write_bytes(b"")
    (tmp_path / "train/readme.txt").write_bytes(b"")
    assert read(tmp_path) == expected


def test_the_template_orders_the_evaluation_clips(tmp_path):
    published(tmp_path)
    lines(tmp_path / "submission.csv", ["2,,,,", "00,,,,", "test_00003,,,,", "1.wav,,,,"])
    clips = load_dacon_evaluation(SETTINGS, root=tmp_path)
    assert [clip.name for clip in clips] == [f"test/test_0000{n}.wav" for n in (2, 0, 3, 1)]
    assert clips[0].path == tmp_path / "test/test_00002.wav"
    assert {clip.labels for clip in clips} == {()}
    assert template_ids(tmp_path) == (("2", "00", "test_00003", "1.wav"), WORDS)
    (tmp_path / "train_answer.csv").unlink()
    assert load_dacon_evaluation(SETTINGS, root=tmp_path) == clips


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("train_answer", "\n3,", "\n2,", "train_answer.csv: line 5: id '2' stands in line 4"),
        ("train_answer", "\n3,", "\n002,", "line 5: id '002' stands in line 4 already"),
        ("train_answer", "\n3,", "\n16,", "line 5: id '16' has no wav file in"),
        ("train_answer", "\n15,0,0.5,0.25,0.25", "", "train_00015.wav: has no row in train_answ"),
        ("train_answer", "0.5,0,0.5,0", "0.5,0,0.25,0", "line 2: id '0' has shares that sum to"),
        ("train_answer", "0.5,0,0.5,0", "0.5,x,0.5,0", "line 2: id '0' has 'x' in column 'off'"),
        ("train_answer", "off,on", "on,off", "column 3 is 'off' where train_answer.csv has 'on'"),
        ("train_answer", "yes", "yess", "'yes' in the first and 'yess' in the second; correct o"),
        ("submission", "yes", "yess", "train_answer.csv differ in column 5: 'yess' in the first"),
    ],
)
def test_bad_tables_are_one_sentence(tmp_path, file, old, new, message):
    change(published(tmp_path) / f"{file}.csv", old, new)
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("submission", "\n3,", "\n4,", "submission.csv: line 5: id '4' has no wav file in"),
        ("submission", "\n3,", "\n1,", "line 5: id '1' stands in line 3 already"),
        ("submission", "\n3,0,0,0,0", "", "test_00003.wav: has no row in submission.csv (1 of 4"),
        ("submission", "off,on", "on,off", "column 3 is 'on' where train_answer.csv has 'off'"),
    ],
)
def test_a_bad_template_is_one_sentence(tmp_path, file, old, new, message):
    change(published(tmp_path) / f"{file}.csv", old, new)
    with pytest.raises(DataError) as caught:
        load_dacon_evaluation(SETTINGS, root=tmp_path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("mixtures", "validation", "valid", "unknown part 'valid'. Did you mean 'validation'?"),
        ("mixtures", "train_00003,", "train_00002,", "id 'train_00002' is listed twice"),
        ("mixtures", "train_00003,train", "train_00003,test", "1 of 16 clips are in neither"),
        ("mixtures", "id,part", "id,port", "no column 'part'. Did you mean 'port'?"),
        ("test_answer", "off,on", "on,off", "test_answer.csv: column 3 is 'on' where train_answ"),
        ("test_answer", "test_00003", "test_00004", "line 5: id 'test_00004' has no wav file"),
    ],
)
def test_bad_tables_of_a_mixed_set_are_one_sentence(tmp_path, file, old, new, message):
    change(mixed(tmp_path) / f"{file}.csv", old, new)
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    assert message in str(caught.value)


def test_a_mixed_set_needs_training_clips(tmp_path):
    parts = mixed(tmp_path) / "mixtures.csv"
    parts.write_text(parts.read_text("utf-8").replace(",train,", ",validation,"), "utf-8")
    with pytest.raises(DataError, match=r"mixtures\.csv: no clip is in the training part"):
        read(tmp_path)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match=r"train_answer\.csv is not there; --data names"):
        read(tmp_path)
    with pytest.raises(DataError, match=r"submission\.csv is not there; --data names"):
        template_ids(tmp_path)
    with pytest.raises(DataError, match="there is no such folder"):
        read(tmp_path / "nowhere")
    published(tmp_path)
    (tmp_path / "train").rename(tmp_path / "trainn")
    with pytest.raises(DataError, match="train: the folder of audio is missing"):
        read(tmp_path)
    (tmp_path / "trainn").rename(tmp_path / "train")
    wav(tmp_path / "train/7.wav")
    with pytest.raises(DataError, match=r"train: '7\.wav' and 'train_00007\.wav' are the same id"):
        read(tmp_path)


def test_settings_that_do_not_apply_are_refused(tmp_path):
    published(tmp_path)
    for wanted in ((2,), (1, 2), ()):
        chosen = SETTINGS.model_copy(update={"folds": wanted})
        with pytest.raises(DataError, match=r"dataset\.folds: "):
            load_dacon(chosen, audio=AUDIO, root=tmp_path, folds=None, name="dacon")
    with pytest.raises(DataError, match=r"leave dataset\.classes out"):
        read(tmp_path, classes=WORDS[::-1])
    assert read(tmp_path, classes=WORDS) == read(tmp_path)
    with pytest.raises(DataError, match="choose method 'group' or 'random'"):
        read(tmp_path, validation=ValidationSettings())


def test_test_amount(tmp_path):
    assert len(read(published(tmp_path), test_amount=0.5).folds[0].test) == 8


def test_other_rates_and_lengths_are_counted(tmp_path):
    published(tmp_path)
    wav(tmp_path / "train/train_00004.wav", samples=800)
    wav(tmp_path / "train/train_00002.wav", samples=1200)
    wav(tmp_path / "train/train_00009.wav", samples=1700)
    wav(tmp_path / "train/train_00005.wav", samples=3200, rate=3200)
    (tmp_path / "train/train_00006.wav").write_bytes(b"")
    assert read(tmp_path).notes[:3] == (
        "1 of 16 files of train/ have another rate than audio.sample_rate (1600 Hz); they are"
        " resampled. The first is train_00005.wav (3200 Hz).",
        "2 of 16 files of train/ have less than audio.seconds (1 s); they are extended as"
        " audio.short_clips says. The first is train_00002.wav (0.75 s).",
        "1 of 16 files of train/ have more than audio.seconds (1 s); they are cut. The first is"
        " train_00009.wav (1.0625 s).",
    )


def test_one_rate_of_all_files_is_told_once(tmp_path):
    mixed(tmp_path)
    (tmp_path / "train/train_00006.wav").write_bytes(b"")
    wav(tmp_path / "train/train_00004.wav", samples=800)
    resampled = AUDIO.model_copy(update={"sample_rate": 2205})
    data = load_dacon(SETTINGS, audio=resampled, root=tmp_path, folds=None, name="dacon")
    assert data.notes == (
        "The files have 1600 Hz; they are resampled to audio.sample_rate (2205 Hz).",
        "1 of 16 files of train/ have less than audio.seconds (1 s); they are extended as"
        " audio.short_clips says. The first is train_00004.wav (0.5 s).",
    )


def test_a_file_of_the_usual_size_and_another_rate_is_found(tmp_path):
    published(tmp_path)
    wav(tmp_path / "train/train_00007.wav", rate=800)
    assert read(tmp_path).notes[0].endswith("The first is train_00007.wav (800 Hz).")


def test_clips_that_are_answered_without_labels_are_looked_at_too(tmp_path):
    published(tmp_path)
    wav(tmp_path / "test/test_00001.wav", samples=800)
    assert "1 of 4 files of test/ have less than audio.seconds (1 s)" in read(tmp_path).notes[0]


def test_headers_with_more_chunks_are_read_too(tmp_path):
    published(tmp_path)
    soundfile.write(tmp_path / "train/train_00007.wav", [0.0] * 800, 800, format="WAVEX")
    assert read(tmp_path).notes[0].endswith("The first is train_00007.wav (800 Hz).")


def test_a_set_that_the_mixer_made(tmp_path, rng):
    """What ``utils.datasets.mixtures`` writes is read as its own parts."""
    words = []
    for place, word in enumerate(WORDS):
        for speaker in range(4):
            path = tmp_path / "words" / word / f"{speaker}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, 0.1 * rng.standard_normal(1600), 1600)
            words.append(Clip(f"{place}-{speaker}", path, (word,), f"speaker{speaker}"))
    mixing = MixingSettings(words=2, level_db=0.0)
    parts, first = [], 0
    for name, count in (("train", 6), ("validation", 3), ("test", 2)):
        parts.append(
            draw_part(
                name, words, count, classes=WORDS, mixing=mixing,
                first=0 if name == "test" else first,
            )
        )  # fmt: skip
        first += count
    write_new(tmp_path / "mixed", parts, classes=WORDS, audio=AUDIO)
    data = read(tmp_path / "mixed")
    (fold,) = data.folds
    assert [len(part) for part in (fold.train, fold.validation, fold.test)] == [6, 3, 2]
    assert {weight for clip in data.clips for weight in clip.weights} == {0.5}
    assert data.notes == ()
    assert len(load_dacon_evaluation(SETTINGS, root=tmp_path / "mixed")) == 2
