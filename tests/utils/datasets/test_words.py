"""Isolated words read from tables and folders, and the mixtures made of them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from utils.config.schema import (
    AudioSettings,
    ColumnSettings,
    DatasetSettings,
    MixingSettings,
    ValidationSettings,
)
from utils.datasets.words import load_words
from utils.errors import DataError

AUDIO = AudioSettings(sample_rate=8000, seconds=0.05)
COLUMNS = ColumnSettings(filename="file", label="word", group="speaker", split="part")
WORDS = ("go", "no", "off", "yes")
SPEAKERS = {"train": "abcd", "validation": "efg", "test": "hij"}


def settings(columns=COLUMNS, mixing=None, **changes):
    small = {"words": 3, "train": 12, "validation": 6, "test": 5} | (mixing or {})
    given = {"metadata": "words.csv", "audio_folder": "sound", "columns": columns} | changes
    return DatasetSettings(name="words", mixing=MixingSettings(**small), **given)


def sound(path, seed=0, rate=8000, samples=400):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(0.0, 0.1, samples)
    soundfile.write(path, noise, rate, "PCM_16")


def every_take():
    """Word, speaker and part of each recording."""
    return [
        (word, speaker, part)
        for part, speakers in SPEAKERS.items()
        for speaker in speakers
        for word in WORDS
    ]


def write_table(root, header="file,word,speaker,part", folder="sound", **changed):
    lines = [header]
    for number, (word, speaker, part) in enumerate(every_take()):
        file = f"{speaker}/{word}.wav"
        sound(root / folder / file, number)
        row = {"file": file, "word": word, "speaker": speaker, "part": part}
        row |= changed.get(f"row{number}", {})
        lines.append(",".join(row[name] for name in header.split(",")))
    (root / "words.csv").write_text("\n".join(lines), "utf-8")
    return root


def write_folders(root, lists=("validation", "test")):
    names = {"validation": "validation_list.txt", "test": "testing_list.txt"}
    for number, (word, speaker, _) in enumerate(every_take()):
        sound(root / word / f"{speaker}_nohash_0.wav", number)
    for part in lists:
        files = [f"{word}/{who}_nohash_0.wav" for word, who, where in every_take() if where == part]
        (root / names[part]).write_text("\n".join(files) + "\n", "utf-8")
    (root / "_background_noise_").mkdir()
    (root / "_background_noise_" / "hum.wav").write_bytes(b"")
    return root


def load(root, chosen=None, *, cache=None, folds=None, audio=AUDIO):
    return load_words(
        chosen or settings(),
        audio=audio,
        root=root,
        cache=cache or root.parent / "cache",
        folds=folds,
        name="words",
    )


@pytest.fixture
def root(tmp_path):
    return write_table(tmp_path / "words")


def sources(clip, root):
    """Speakers of a mixture, as its folder's table tells."""
    lines = (clip.path.parent.parent / "mixtures.csv").read_text("utf-8").splitlines()
    rows = dict(line.split(",", 1) for line in lines)
    return set(rows[clip.path.stem].split(",")[2].split("|"))


def test_training_words_stay_as_they_are_and_the_rest_is_mixed(root):
    data = load(root)
    fold = data.folds[0]
    assert data.classes == WORDS
    assert data.mixing == settings().mixing
    assert [(clip.name, clip.labels, clip.group) for clip in fold.train[:2]] == [
        ("a/go.wav", ("go",), "a"),
        ("a/no.wav", ("no",), "a"),
    ]
    assert (len(fold.train), len(fold.validation), len(fold.test)) == (16, 6, 5)
    for clip in fold.validation + fold.test:
        assert len(clip.labels) == 3
        assert sum(clip.weights) == pytest.approx(1.0)
        samples, rate = soundfile.read(clip.path, dtype="int16")
        assert (rate, samples.shape, np.abs(samples).max()) == (8000, (400,), 30_000)
    for part, clips in (("validation", fold.validation), ("test", fold.test)):
        used = set().union(*(sources(clip, root) for clip in clips))
        assert used <= set(SPEAKERS[part])
    assert (
        data.notes[0] == "The words are those of the table words.csv, divided by its column 'part'."
    )
    assert "train 4 words by 4 speakers in 16 recordings" in data.notes[1]
    assert len(data.notes) == 2


def test_mixtures_hold_the_words_that_they_are_labelled_with(root):
    """Without level and shift, a mixture is the levelled sum of its words' recordings."""
    data = load(root, settings(mixing={"level_db": 0.0, "shift_seconds": 0.0}))
    for clip in data.folds[0].test:
        (lines,) = (
            line.split(",")
            for line in (clip.path.parent.parent / "mixtures.csv").read_text().splitlines()
            if line.startswith(clip.path.stem + ",")
        )
        assert tuple(sorted(lines[2].split("|"))) == clip.labels
        words = [soundfile.read(root / "sound" / file)[0] for file in lines[4].split("|")]
        expected = sum(word / np.sqrt(np.mean(word**2)) for word in words)
        expected *= 30_000 / np.abs(expected).max()
        got = soundfile.read(clip.path, dtype="int16")[0]
        np.testing.assert_allclose(got, expected, atol=0.6)


def test_not_fresh_training_clips_are_mixed_too(root):
    data = load(root, settings(mixing={"fresh": False}))
    fold = data.folds[0]
    assert data.mixing is None
    assert len(fold.train) == 12
    assert fold.train[-1].name.endswith("/train/train_00011.wav")
    assert fold.validation[0].name.endswith("/train/train_00012.wav")
    assert set().union(*(sources(clip, root) for clip in fold.train)) <= set(SPEAKERS["train"])


def test_mixtures_are_written_once_and_do_not_depend_on_the_root(root, tmp_path):
    data = load(root)
    times = {clip.path: clip.path.stat().st_mtime_ns for clip in data.folds[0].test}
    again = load(root)
    assert again.folds == data.folds
    assert {clip.path: clip.path.stat().st_mtime_ns for clip in again.folds[0].test} == times
    moved = load(shutil.copytree(root, tmp_path / "elsewhere" / "copy"))
    assert moved.identity == data.identity
    assert [c.path.read_bytes() for c in moved.folds[0].test] == [
        c.path.read_bytes() for c in data.folds[0].test
    ]
    assert not list((tmp_path / "cache").rglob("*.part"))


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"level_db": 1.0}, {"shift_seconds": 0.01}, {"test": 4}]
)
def test_other_mixing_is_another_data_set(root, change):
    assert load(root, settings(mixing=change)).identity != load(root).identity


def test_a_changed_recording_gives_new_mixtures(root):
    before = load(root).folds[0].test
    for speaker in SPEAKERS["test"]:
        sound(root / "sound" / speaker / "go.wav", seed=99, samples=390)
    after = load(root).folds[0].test
    assert [clip.labels for clip in after] == [clip.labels for clip in before]
    assert {clip.path for clip in after}.isdisjoint(clip.path for clip in before)
    assert {clip.name for clip in after}.isdisjoint(clip.name for clip in before)


def test_what_a_killed_start_left_is_no_mixture(root):
    clip = load(root).folds[0].test[0]
    complete = clip.path.parent.parent
    content = clip.path.read_bytes()
    complete.rename(complete.with_name(f".{complete.name}.part"))
    (complete.with_name(f".{complete.name}.part") / "test" / clip.path.name).write_bytes(b"half")
    assert load(root).folds[0].test[0].path.read_bytes() == content


def test_short_long_and_resampled_recordings(root):
    sound(root / "sound" / "h" / "go.wav", samples=100)
    sound(root / "sound" / "i" / "go.wav", samples=4000)
    sound(root / "sound" / "j" / "go.wav", rate=16_000, samples=800)
    chosen = settings(mixing={"words": 1, "test": 30})
    for clip in load(root, chosen).folds[0].test:
        assert soundfile.info(clip.path).frames == 400
        assert clip.weights == (1.0,)


def test_folders_of_words_as_published(tmp_path):
    root = write_folders(tmp_path / "words")
    (root / "go" / "notes.txt").write_text("x", "utf-8")
    data = load(root)
    assert len(data.folds[0].train) == 16
    assert {clip.group for clip in data.folds[0].train} == set(SPEAKERS["train"])
    assert data.folds[0].train[0].name == "go/a_nohash_0.wav"
    assert data.notes[1] == "They are divided by validation_list.txt and testing_list.txt."
    assert any(note.startswith("1 files not named SPEAKER_nohash") for note in data.notes)


def test_the_order_of_the_file_system_does_not_matter(tmp_path, monkeypatch):
    root = write_folders(tmp_path / "words")
    straight = load(root, cache=tmp_path / "one").identity
    forwards = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: reversed(list(forwards(self))))
    assert load(root, cache=tmp_path / "two").identity == straight


def test_speakers_are_drawn_where_no_part_is_given(tmp_path):
    root = write_folders(tmp_path / "words", lists=("test",))
    chosen = settings(test_amount=0.3, validation=ValidationSettings(amount=0.4))
    data = load(root, chosen)
    train = {clip.group for clip in data.folds[0].train}
    validation, test = (
        set().union(*(sources(clip, root) for clip in part))
        for part in (data.folds[0].validation, data.folds[0].test)
    )
    assert (len(train), len(validation), len(test)) == (4, 3, 3)
    assert len(train | validation | test) == 10
    assert "testing_list.txt was not used, as the other list is missing." in data.notes
    assert "The speakers of each part were drawn (seed 0)." in data.notes
    others = load(root, chosen.model_copy(update={"mixing": settings(mixing={"seed": 3}).mixing}))
    assert {clip.group for clip in others.folds[0].train} != train


def test_a_choice_of_words_in_its_own_order(tmp_path):
    root = write_folders(tmp_path / "words")
    (root / "docs").mkdir()
    data = load(root, settings(classes=("yes", "go", "no")))
    assert data.classes == ("yes", "go", "no")
    assert "Not among dataset.classes, so left out: docs, off." in data.notes
    assert {label for clip in data.clips for label in clip.labels} == {"yes", "go", "no"}


@pytest.mark.parametrize("folder", ["", "."])
def test_audio_beside_the_table(tmp_path, folder):
    root = write_table(tmp_path / "words", folder=".")
    assert load(root, settings(audio_folder=folder)).folds[0].train[0].path.is_file()


def test_cross_validation_by_speaker(root):
    chosen = settings(mixing={"words": 2})
    data = load(root, chosen, folds=3)
    assert [fold.name for fold in data.folds] == ["fold1", "fold2", "fold3"]
    development, tested = set(SPEAKERS["train"] + SPEAKERS["validation"]), []
    for fold in data.folds:
        train = {clip.group for clip in fold.train}
        validation, test = (
            set().union(*(sources(clip, root) for clip in part))
            for part in (fold.validation, fold.test)
        )
        assert not (train & validation or train & test or validation & test)
        assert train | validation | test <= development
        assert (len(fold.validation), len(fold.test)) == (6, 5)
        tested += sorted(test)
    assert sorted(tested) == sorted(development)
    assert len(data.held_out) == 5
    assert set().union(*(sources(clip, root) for clip in data.held_out)) <= set(SPEAKERS["test"])
    names = [clip.name for fold in data.folds for clip in fold.validation + fold.test]
    assert len({*names, *(clip.name for clip in data.held_out)}) == 3 * 11 + 5
    single = load(root, chosen)
    assert [c.path.read_bytes() for c in single.folds[0].test] == [
        c.path.read_bytes() for c in data.held_out
    ]
    one = load(root, chosen.model_copy(update={"folds": (2,)}), folds=3)
    assert one.folds == data.folds[1:2]


def test_words_missing_from_a_part_are_noted(root):
    text = (root / "words.csv").read_text("utf-8")
    kept = [line for line in text.splitlines() if not (",no," in line and line.endswith("test"))]
    (root / "words.csv").write_text("\n".join(kept), "utf-8")
    assert "The test part has no recording of no." in load(root).notes


@pytest.mark.parametrize(
    ("changed", "chosen", "message"),
    [
        ({"row3": {"part": "dev set"}}, {}, "line 5: unknown part 'dev set'. Known are: test"),
        ({"row3": {"speaker": ""}}, {}, "line 5: column 'speaker' has no value"),
        ({"row3": {"file": "a/go.wav"}}, {}, "line 5: 'a/go.wav' is listed twice"),
        ({"row3": {"file": "a/gone.wav"}}, {}, "1 of 40 listed audio files are missing"),
        ({"row3": {"file": "../x.wav"}}, {}, "not inside the folder"),
        ({"row3": {"speaker": "h"}}, {}, "1 speakers are in both the train and the test part (h)"),
        (
            {f"row{n}": {"part": "train"} for n in range(28, 40)},
            {},
            "the test part has no recordin",
        ),
        ({f"row{n}": {"word": "no"} for n in (3, 7, 11, 15)}, {}, "train part has no recording of"),
        ({}, {"classes": ("go", "no", "yes", "up")}, "train part has no recording of up"),
        ({}, {"classes": ("go", "no", "go")}, "dataset.classes (--classes of the mixer): 'go' is"),
        ({}, {"classes": ("go", " ")}, "word 2 of 2 is empty; remove it"),
        ({}, {"classes": ("left", "right")}, "holds no recording of a word of dataset.classes"),
        ({}, {"columns": ColumnSettings()}, "dataset.columns.group: words are divided by speaker"),
        ({}, {"metadata": "gone.csv"}, "neither the table gone.csv (dataset.metadata) nor folders"),
        ({}, {"folds": (2,)}, "has no fold 2, only 1"),
        ({}, {"mixing": {"words": 4}}, "validation part (12 recordings): clips of 4 words by diff"),
        (
            {},
            {"mixing": {"words": 5, "repeat_speakers": True}},
            "train part (16 recordings): clips of 5 different words cannot be mixed of 4 words",
        ),
    ],
)
def test_bad_tables_and_settings_are_one_sentence(tmp_path, changed, chosen, message):
    root = write_table(tmp_path / "words", **changed)
    with pytest.raises(DataError) as caught:
        load(root, settings(**chosen))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_folders_are_one_sentence(tmp_path):
    root = write_folders(tmp_path / "words")
    (root / "up").mkdir()
    with pytest.raises(DataError, match="up: holds no file named SPEAKER_nohash_NUMBER"):
        load(root)
    (root / "up").rmdir()
    (root / "testing_list.txt").write_text("go/e_nohash_0.wav\n", "utf-8")
    with pytest.raises(DataError, match=r"1 files are in both .* \(such as go/e_nohash_0\.wav\)"):
        load(root)
    (root / "testing_list.txt").write_text("go/h_nohash_0.wav\n", "utf-8")
    with pytest.raises(DataError, match="1 speakers are in both the train and the test part"):
        load(root)
    (root / "testing_list.txt").write_bytes(b"\xff")
    with pytest.raises(DataError, match="the list is not UTF-8 text"):
        load(root)
    with pytest.raises(DataError, match="there is no such folder"):
        load(tmp_path / "nowhere")


def test_too_few_speakers_for_folds(root):
    with pytest.raises(DataError, match="7 development speakers are too few for 3 folds of 3"):
        load(root, folds=3)
    with pytest.raises(DataError, match=r"training\.folds: 7 .* 2 folds of 2 .*, 8 in all; change"):
        load(root, settings(mixing={"words": 2}), folds=2)


def test_a_listed_file_that_is_not_there_is_noted(tmp_path):
    root = write_folders(tmp_path / "words")
    (root / "go" / "h_nohash_0.wav").unlink()
    assert "1 files of testing_list.txt are not there (go/h_nohash_0.wav)." in load(root).notes


def test_silent_and_broken_recordings_stop_or_are_left_out(root):
    soundfile.write(root / "sound" / "a" / "go.wav", np.zeros(400), 8000)
    (root / "sound" / "h" / "go.wav").write_bytes(b"no audio")
    with pytest.raises(DataError, match=r"a/go\.wav: is silent .* 2 of 40 recordings"):
        load(root)
    skipping = AUDIO.model_copy(update={"on_bad_audio": "skip"})
    data = load(root, audio=skipping)
    assert len(data.folds[0].train) == 15
    wanted = "2 of 40 recordings cannot be used and were left out: a/go.wav, h/go.wav."
    assert wanted in data.notes
    assert load(root, audio=skipping).identity == data.identity


@pytest.mark.real_audio
def test_real_words(real_audio, tmp_path):
    columns = ColumnSettings(filename="file", label="word", group="speaker", split="split")
    chosen = settings(columns, audio_folder=".", mixing={"words": 4})
    audio = AudioSettings(sample_rate=16_000, seconds=1.0)
    data = load(real_audio / "arabic_words", chosen, cache=tmp_path, audio=audio)
    assert (len(data.classes), len(data.folds[0].train)) == (30, 1080)
    data = load(
        real_audio / "speech_commands_mini",
        settings(audio_folder=".", mixing={"words": 3}),
        cache=tmp_path,
        audio=audio,
    )
    assert (len(data.classes), data.classes[0], data.classes[-1]) == (30, "bed", "zero")
