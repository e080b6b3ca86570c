"""Songs in MUSDB's folders: parts, published validation songs, stems, and what is refused."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from utils import datasets
from utils.audio import read_audio
from utils.config.schema import AudioSettings, DatasetSettings, MusicSettings, ValidationSettings
from utils.datasets import load_evaluation
from utils.datasets.base import Clip
from utils.datasets.music import STEMS, VALIDATION
from utils.datasets.music_songs import check_songs
from utils.errors import AudioError, DataError

RATE = 1000
TWO = {"vocals": ("vocals",), "accompaniment": ("drums", "bass", "other")}
load = partial(datasets.load, audio=AudioSettings(), cache=Path("cache"))


def settings(stems=None, amount=0.3, **changes):
    drawn = {"method": changes.pop("method", "group"), "seed": changes.pop("seed", 0)}
    validation = ValidationSettings(amount=amount, **drawn)
    music = MusicSettings(stems=stems or {})
    return DatasetSettings(name="musdb", music=music, validation=validation, **changes)


def write(path, frames=500, *, rate=RATE, channels=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full((frames, channels), 0.25), rate)


def song(folder, **lengths):
    for name in ("mixture", *STEMS):
        write(folder / f"{name}.wav", lengths.get(name, 500))


@pytest.fixture
def tree(tmp_path):
    """Ten training songs A to J, two test songs, all complete."""
    for name in "ABCDEFGHIJ":
        song(tmp_path / "train" / name)
    for name in "XY":
        song(tmp_path / "test" / name)
    return tmp_path


def names(clips):
    return [clip.name for clip in clips]


def test_songs_are_clips_with_four_stems(tree):
    data = load(settings(), root=tree)
    assert (data.name, data.classes, data.notes) == ("musdb", STEMS, ())
    (fold,) = data.folds
    assert (fold.name, names(fold.test)) == ("fold1", ["test/X", "test/Y"])
    assert sorted(names(fold.train + fold.validation)) == [f"train/{name}" for name in "ABCDEFGHIJ"]
    folder = tree / "test" / "X"
    assert fold.test[0] == Clip(
        name="test/X",
        path=folder / "mixture.wav",
        group="X",
        stems=tuple((folder / f"{stem}.wav",) for stem in ("vocals", "drums", "bass", "other")),
    )


def test_classes_are_sums_of_stems_in_the_order_of_the_setting(tree):
    turned = {"accompaniment": ("other", "drums", "bass"), "vocals": ("vocals",)}
    data = load(settings(turned), root=tree)
    assert data.classes == ("accompaniment", "vocals")
    accompaniment, vocals = data.folds[0].test[1].stems
    folder = tree / "test" / "Y"
    assert accompaniment == tuple(folder / f"{stem}.wav" for stem in ("other", "drums", "bass"))
    assert vocals == (folder / "vocals.wav",)
    assert load(settings(TWO), root=tree).classes == ("vocals", "accompaniment")


def test_the_published_folder_may_lie_inside(tree, tmp_path_factory):
    outside = tmp_path_factory.mktemp("data")
    tree.rename(outside / "musdb18hq")
    assert len(load(settings(), root=outside).clips) == 12


def test_whole_songs_are_drawn_for_validation(tree):
    first, again, other = (load(settings(seed=seed), root=tree).folds[0] for seed in (0, 0, 1))
    assert (len(first.train), len(first.validation)) == (7, 3)
    assert first.validation == again.validation != other.validation
    assert len(load(settings(amount=0.5), root=tree).folds[0].validation) == 5
    assert all(clip.labels == () for clip in first.clips)


def test_the_published_validation_songs_are_taken(tmp_path):
    assert len(VALIDATION) == 14
    for name in (*VALIDATION, "A Classic Education - NightOwl", "zz"):
        song(tmp_path / "train" / name)
    song(tmp_path / "test" / "X")
    data = load(settings(amount=0.5), root=tmp_path)
    (fold,) = data.folds
    assert {clip.group for clip in fold.validation} == VALIDATION
    assert "Actions - One Minute Smile" in VALIDATION
    assert names(fold.train) == ["train/A Classic Education - NightOwl", "train/zz"]
    assert data.notes == ()


def test_a_part_of_the_published_validation_songs_is_noted(tree):
    song(tree / "train" / "Leaf - Summerghost")
    data = load(settings(), root=tree)
    assert names(data.folds[0].validation) == ["train/Leaf - Summerghost"]
    assert "1 of the 14 validation songs of MUSDB are there" in data.notes[0]


def test_songs_that_are_all_published_for_validation_are_drawn_from(tmp_path):
    for name in sorted(VALIDATION)[:4]:
        song(tmp_path / "train" / name)
    song(tmp_path / "test" / "X")
    (fold,) = load(settings(), root=tmp_path).folds
    assert (len(fold.train), len(fold.validation)) == (3, 1)


def test_cross_validation_holds_the_test_songs_out(tree):
    data = load(settings(), root=tree, folds=2)
    assert names(data.held_out) == ["test/X", "test/Y"]
    assert [len(fold.test) for fold in data.folds] == [5, 5]
    assert all(clip.labels == () and clip.stems for clip in data.clips)


def test_what_is_no_song_is_passed_over(tree):
    (tree / "train" / ".DS_Store").write_bytes(b"")
    (tree / "train" / "notes.txt").write_text("no song")
    for folder in (tree / "train" / "__MACOSX", tree / "train" / ".cache"):
        folder.mkdir()
    write(tree / "test" / "X" / "._vocals.wav")
    assert len(load(settings(), root=tree).clips) == 12


def test_other_formats_are_read_and_wav_comes_first(tree):
    for path in list((tree / "test" / "X").iterdir()):
        samples, rate = soundfile.read(path)
        soundfile.write(path.with_suffix(".flac"), samples, rate)
        path.unlink()
    soundfile.write(tree / "test" / "Y" / "vocals.FLAC", np.zeros((500, 2)), RATE, format="FLAC")
    first, second = load(settings(), root=tree).folds[0].test
    assert first.path.name == "mixture.flac"
    assert [path.name for (path,) in first.stems] == [f"{stem}.flac" for stem in STEMS]
    assert second.stems[0][0].name == "vocals.wav"
    assert read_audio(first.stems[0][0], sample_rate=RATE).shape == (500,)


def test_the_same_title_in_both_parts_is_a_leak(tree):
    song(tree / "test" / "A")
    notes = load(settings(), root=tree).notes
    assert any("1 groups" in note and "test part" in note and "A:" in note for note in notes)


def test_stems_without_a_class_are_noted(tree):
    data = load(settings({"vocals": ("vocals",), "drums": ("drums",)}), root=tree)
    assert data.notes[0].startswith("dataset.music.stems leaves out bass, other:")


def test_files_of_a_song_that_no_class_has_are_more_than_its_stems(tree):
    assert not load(settings(), root=tree).have_more
    few = {"vocals": ("vocals",), "drums": ("drums",)}
    assert load(settings(few), root=tree).have_more


def test_a_song_may_have_other_stems(tree):
    for folder in (*(tree / "train").iterdir(), *(tree / "test").iterdir()):
        write(folder / "choir.wav")
    stems = {"choir": ("choir",), "rest": ("drums", "bass", "other", "vocals")}
    data = load(settings(stems), root=tree)
    assert (data.classes, data.notes) == (("choir", "rest"), ())
    (folder / "choir.wav").unlink()
    with pytest.raises(DataError, match=r"choir\.wav: is missing, a stem of song"):
        load(settings(stems), root=tree)


@pytest.mark.parametrize(
    ("stems", "message"),
    [
        ({"vocals": ()}, "dataset.music.stems: 'vocals' has no stems"),
        (
            {"voice": ("vocal",)},
            "no stem 'vocal', which dataset.music.stems names. Did you mean 'v",
        ),
        ({"all": ("mixture",)}, "no stem 'mixture'"),
        ({"out": ("../vocals",)}, "no stem '../vocals'"),
        ({"a": ("drums",), "b": ("bass", "drums")}, "'drums' is named twice, by 'a' and by 'b'"),
    ],
)
def test_stems_that_cannot_be(tree, stems, message):
    with pytest.raises(DataError) as caught:
        load(settings(stems), root=tree)
    assert message in str(caught.value)


def test_classes_are_those_of_the_stems(tree):
    assert load(settings(TWO, classes=tuple(TWO)), root=tree).classes == tuple(TWO)
    with pytest.raises(DataError, match=r"dataset\.classes: .*leave dataset\.classes out"):
        load(settings(TWO, classes=("accompaniment", "vocals")), root=tree)


@pytest.mark.parametrize(
    ("file", "kind"), [("train/C/bass.wav", "a stem"), ("test/X/mixture.wav", "the mixture")]
)
def test_a_missing_file_is_named(tree, file, kind):
    (tree / file).unlink()
    with pytest.raises(DataError) as caught:
        load(settings(TWO), root=tree)
    assert str(caught.value) == (
        f"{tree / file}: is missing, {kind} of song '{file.split('/')[1]}' (1 of 60 files of songs"
        " are missing); restore it or take the song out."
    )


def test_stems_of_another_rate_are_refused(tree):
    write(tree / "train" / "D" / "drums.wav", rate=2 * RATE, frames=1000)
    with pytest.raises(DataError) as caught:
        load(settings(), root=tree)
    assert str(caught.value) == (
        f"{tree / 'train' / 'D' / 'drums.wav'}: has 2000 Hz, mixture.wav has 1000 Hz; bring all"
        " files of a song to one rate."
    )


def test_stems_of_little_different_length_are_counted(tree):
    song(tree / "train" / "B", vocals=600)
    song(tree / "test" / "X", other=499)
    (note,) = load(settings(), root=tree).notes
    assert note.startswith("In 2 of 12 songs (such as test/X) the mixture and the stems differ in")


def test_stems_of_very_different_length_are_refused(tree):
    song(tree / "train" / "B", vocals=601)
    with pytest.raises(DataError, match=r"mixture\.wav: lasts 0\.500 s, vocals\.wav 0\.601 s; "):
        load(settings(), root=tree)
    song(tree / "train" / "B", bass=450, vocals=551)
    with pytest.raises(DataError, match=r"bass\.wav: lasts 0\.450 s, vocals\.wav 0\.551 s; "):
        load(settings(), root=tree)


def test_mono_among_stereo_is_counted(tree):
    for stem in ("vocals", "bass"):
        write(tree / "train" / "A" / f"{stem}.wav", channels=1)
    (note,) = load(settings(), root=tree).notes
    assert note.startswith("2 of 60 files of songs are mono, others stereo:")


def test_songs_that_are_all_mono_are_fine(tree):
    for path in tree.rglob("*.wav"):
        write(path, channels=1)
    assert load(settings(), root=tree).notes == ()


def test_a_broken_file_is_named(tree):
    (tree / "train" / "E" / "other.wav").write_bytes(b"no audio")
    with pytest.raises(AudioError, match=r"other\.wav: is broken or no audio file"):
        load(settings(), root=tree)


def test_folders_that_are_not_the_data_set(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: there is no such folder"):
        load(settings(), root=tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"neither train nor musdb18hq/train is there"):
        load(settings(), root=tmp_path)
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match=r"train: holds no songs"):
        load(settings(), root=tmp_path)
    (tmp_path / "train" / "A - B.stem.mp4").write_bytes(b"")
    with pytest.raises(DataError, match=r"train: holds the compressed songs .* take MUSDB18-HQ"):
        load(settings(), root=tmp_path)
    song(tmp_path / "train" / "A")
    with pytest.raises(DataError, match=r"test: holds no songs"):
        load(settings(), root=tmp_path)


def test_one_song_cannot_be_divided(tmp_path):
    song(tmp_path / "train" / "A")
    song(tmp_path / "test" / "X")
    with pytest.raises(DataError) as caught:
        load(settings(), root=tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: of 1 training songs some are to be drawn for validation, which takes 2 or"
        " more; add songs."
    )


@pytest.mark.parametrize("method", ["group", "random"])
@pytest.mark.parametrize("count", [2, 3, 7])
def test_one_song_at_least_validates(tmp_path, method, count):
    for name in "ABCDEFG"[:count]:
        song(tmp_path / "train" / name)
    song(tmp_path / "test" / "X")
    (fold,) = load(settings(amount=0.05, method=method), root=tmp_path).folds
    assert (len(fold.train), len(fold.validation)) == (count - 1, 1)


def test_both_methods_draw_whole_songs(tree):
    group, random = (load(settings(method=method), root=tree) for method in ("group", "random"))
    assert group.folds == random.folds


def test_songs_have_no_cities(tree):
    with pytest.raises(DataError) as caught:
        load(settings(method="location_city"), root=tree)
    assert str(caught.value) == (
        "dataset.validation.method: 'location_city' does not apply to songs, which have no city;"
        " choose 'group' or 'random', whole songs either way."
    )
    song(tree / "train" / "Leaf - Summerghost")
    assert load(settings(method="location_city"), root=tree).folds[0].validation


def test_there_is_no_evaluation_set(tree):
    with pytest.raises(DataError, match="'musdb' set has no unlabelled clips for -m eval"):
        load_evaluation(settings(), root=tree)


def test_stated_lengths_are_compared_with_the_mixture(tmp_path):
    song(tmp_path)
    stems = ((tmp_path / "vocals.wav",),)
    path = tmp_path / "mixture.wav"
    right, near, wrong = (
        Clip(name, path, seconds=seconds, stems=stems)
        for name, seconds in (("right", 0.5), ("near", 0.59), ("wrong", 0.61))
    )
    assert check_songs([right, near]) == ()
    (note,) = check_songs([right, near, wrong])
    assert note.startswith("The stated length of 1 of 3 songs (such as wrong) is not that of")
