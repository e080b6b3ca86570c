"""DESED trees: whole, with the gaps that users have, and broken ones."""

import shutil
import wave
from functools import partial
from pathlib import Path

import pytest

from utils import datasets
from utils.config.data_sections import DesedSettings
from utils.config.schema import AudioSettings, DatasetSettings, ValidationSettings
from utils.datasets.base import Event
from utils.errors import DataError

load = partial(datasets.load, audio=AudioSettings(), cache=Path("cache"))
SPLIT = ValidationSettings(method="random", amount=0.1, seed=42)
STRONG, WEAK = "filename\tonset\toffset\tevent_label\n", "filename\tevent_labels\n"
SYNTHETIC = STRONG + "0.wav\t1.0\t2.0\tDog\n0.wav\t0.5\t9.0\tFrying_nOn_nOff\n1.wav\t\t\t\n"

UNLEARNT = "No training clip has {}: what nobody shows cannot be learnt."


def settings(**given):
    return DatasetSettings(name="desed", **{"validation": SPLIT, **given})


def parts(**given):
    return settings(desed=DesedSettings(**given))


def wav(path, seconds=0.5, rate=1000):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as stream:
        stream.setparams((1, 2, rate, 0, "NONE", ""))
        stream.writeframes(bytes(2 * round(seconds * rate)))


def table(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def real(number, start=10):
    """Name of a real clip: a recording, and where the clip is in it."""
    return f"Yabc_{number:03d}_xyz_{start}.000_{start + 10}.000.wav"


def tree(root):
    """The published tree, small: two synthetic clips, ten weak, three unlabelled, two to test."""
    for stage, part in (("train", "synthetic21_train"), ("validation", "synthetic21_validation")):
        table(root / "metadata" / stage / part / "soundscapes.tsv", SYNTHETIC)
        for number in range(2):
            folder = root / "audio" / stage / part / "soundscapes"
            wav(folder / f"{number}.wav", seconds=0.25)
            (folder / f"{number}.jams").write_text("{}")
    weak = [(real(number), ("Dog", "Speech,Dog")[number % 2]) for number in range(10)]
    table(root / "metadata/train/weak.tsv", WEAK + "".join(f"{n}\t{t}\n" for n, t in weak))
    unlabelled = [real(number) for number in range(100, 103)]
    table(root / "metadata/train/unlabel_in_domain.tsv", "\n".join(["filename", *unlabelled]))
    tested = [real(number) for number in range(200, 203)]
    rows = f"{tested[0]}\t0.000\t10.5\tSpeech\n{tested[1]}\t\t\t\n{tested[2]}\t1\t2\tDog\n"
    table(root / "metadata/validation/validation.tsv", STRONG + rows)
    durations = "".join(f"{name}\t{9.9 + place:.1f}\n" for place, name in enumerate(tested[:2]))
    table(root / "metadata/validation/validation_durations.tsv", "filename\tduration\n" + durations)
    for folder, names in (
        ("train/weak", [name for name, _ in weak]),
        ("train/unlabel_in_domain", unlabelled),
        ("validation/validation", tested),
    ):
        for name in names:
            wav(root / "audio" / folder / name)
    return root


def names(clips):
    return [clip.name for clip in clips]


@pytest.mark.parametrize("inside", [".", "dataset", "dcase/dataset"])
def test_the_published_tree(tmp_path, inside):
    root = tree(tmp_path / inside)
    data = load(settings(), root=tmp_path)
    assert data.name == "desed"
    assert data.classes == ("Dog", "Frying", "Speech")
    (fold,) = data.folds
    assert fold.name == "fold1"
    assert names(fold.train) == [
        "train/synthetic21_train/0.wav",
        "train/synthetic21_train/1.wav",
        *(f"train/weak/{real(number)}" for number in (0, 1, 2, 3, 4, 5, 7, 8, 9)),
        *(f"train/unlabel_in_domain/{real(number)}" for number in range(100, 103)),
    ]
    assert names(fold.validation) == [
        "validation/synthetic21_validation/0.wav",
        "validation/synthetic21_validation/1.wav",
        f"train/weak/{real(6)}",
    ]
    assert names(fold.test) == [f"validation/validation/{real(n)}" for n in range(200, 203)]
    assert (data.notes, data.missing, data.held_out) == ((), (), ())
    assert fold.train[0].path == root / "audio/train/synthetic21_train/soundscapes/0.wav"
    assert all(clip.path.is_file() for clip in data.clips)


def test_what_is_told_of_clips(tmp_path):
    (fold,) = load(settings(), root=tree(tmp_path)).folds
    synthetic, silent, weak = fold.train[:3]
    assert synthetic.labels == ("Dog", "Frying")
    assert synthetic.events == (Event("Dog", 1.0, 2.0), Event("Frying", 0.5, 9.0))
    assert (silent.labels, silent.events) == ((), ())
    assert (weak.labels, weak.events) == (("Dog",), None)
    assert fold.train[3].labels == ("Dog", "Speech")
    assert {(clip.labels, clip.events) for clip in fold.train[-3:]} == {((), None)}
    assert fold.test[0].events == (Event("Speech", 0.0, 10.5),)  # it ends after its clip
    assert [clip.group for clip in fold.test] == ["Yabc_200_xyz", "Yabc_201_xyz", "Yabc_202_xyz"]
    assert synthetic.group is None
    # the table of durations, the header where it has no row, nobody asks for those of training
    assert [clip.seconds for clip in fold.test] == [9.9, 10.9, 0.5]
    assert [clip.seconds for clip in fold.validation] == [0.25, 0.25, None]
    assert {clip.seconds for clip in fold.train} == {None}


def test_public_evaluation_and_other_parts(tmp_path):
    root = tree(tmp_path)
    table(root / "metadata/eval/public.tsv", STRONG + "p.wav\t0\t1\tCat\n")
    wav(root / "audio/eval/public/p.wav")
    table(root / "metadata/train/audioset_strong.tsv", STRONG + f"{real(300)}\t0\t1\tCat\n")
    wav(root / "audio/train/strong_label_real" / real(300))
    for name in ("strong_label_real", "audioset_strong"):
        wanted = parts(test="public", strong=("synthetic21_train", name), weak=(), unlabelled=())
        data = load(wanted, root=root)
        (fold,) = data.folds
        assert names(fold.test) == ["eval/public/p.wav"]
        assert names(fold.train)[1:] == [
            "train/synthetic21_train/1.wav",
            f"train/strong_label_real/{real(300)}",
        ]
        assert len(fold.validation) == 2
        assert data.classes == ("Cat", "Dog", "Frying")
        assert data.notes == ()


def test_synthetic_parts_in_a_tree_of_their_own(tmp_path):
    expected = load(settings(), root=tree(tmp_path)).identity
    for folder in ("audio", "metadata"):
        for part in ("train/synthetic21_train", "validation/synthetic21_validation"):
            target = tmp_path / "dcase_synth" / folder / part
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(tmp_path / folder / part, target)
    data = load(settings(), root=tmp_path)
    assert data.identity == expected
    assert "dcase_synth" in data.clips[0].path.parts


def test_resampled_copies_step_in(tmp_path):
    expected = load(settings(), root=tree(tmp_path)).identity
    audio = tmp_path / "audio/train"
    shutil.copytree(audio / "weak", audio / "weak_16k")
    (audio / "unlabel_in_domain").rename(audio / "unlabel_in_domain_16k")
    soundscapes = audio / "synthetic21_train/soundscapes"
    soundscapes.rename(soundscapes.with_name("soundscapes_44k"))
    data = load(settings(), root=tmp_path)
    assert data.notes == (
        "train/synthetic21_train: soundscapes has no audio; its copy soundscapes_44k is read.",
        "train/unlabel_in_domain: unlabel_in_domain has no audio; its copy unlabel_in_domain_16k is"
        " read.",
    )
    assert data.identity == expected
    assert {clip.path.parent.name for clip in data.clips if "/weak/" in clip.name} == {"weak"}


def test_missing_files_are_counted_and_listed(tmp_path):
    root = tree(tmp_path)
    gone = [f"train/weak/{real(number)}" for number in (1, 3, 5, 6)]
    gone += [f"train/unlabel_in_domain/{real(101)}", f"validation/validation/{real(202)}"]
    for name in gone:
        (root / "audio" / name).unlink()
    wav(root / "audio/train/weak" / real(50))
    (root / "audio/train/weak" / f"._{real(1)}").write_bytes(b"")
    data = load(settings(), root=root)
    assert data.missing == tuple(gone)
    assert data.notes == (
        f"train/weak: 4 of 10 files are missing, such as {real(1)}, {real(3)}, {real(5)}; the"
        " others are used.",
        f"train/weak: files without a row in the table are left out, 1 in all, such as {real(50)}.",
        f"train/unlabel_in_domain: 1 of 3 files are missing, such as {real(101)}; the others are"
        " used.",
        f"validation/validation: 1 of 3 files are missing, such as {real(202)}; the others are"
        " used.",
    )
    (fold,) = data.folds
    # the split is that of all rows: nobody takes the place of the missing clip
    assert [clip.name for clip in fold.validation if clip.events is None] == []
    assert len(fold.train) == 2 + 6 + 2
    assert data.classes == ("Dog", "Frying", "Speech")
    assert not set(gone) & set(names(data.clips))


def test_parts_that_may_be_absent(tmp_path):
    root = tree(tmp_path)
    shutil.rmtree(root / "audio/train/weak")
    shutil.rmtree(root / "audio/train/unlabel_in_domain")
    data = load(settings(), root=root)
    assert data.notes == (
        "train/weak: none of its 10 files is there.",
        "train/unlabel_in_domain: none of its 3 files is there.",
        UNLEARNT.format("Speech"),
    )
    assert len(data.missing) == 13
    (root / "metadata/train/weak.tsv").unlink()
    (root / "metadata/train/unlabel_in_domain.tsv").unlink()
    data = load(parts(strong=("synthetic21_train", "more")), root=root)
    assert data.notes == (
        "train/more: there is no table, neither train/more.tsv nor more/soundscapes.tsv.",
        "train/weak: there is no table, neither train/weak.tsv nor weak/soundscapes.tsv.",
        "train/unlabel_in_domain: there is neither a table nor audio.",
        UNLEARNT.format("Speech"),
    )
    assert data.missing == ()
    (fold,) = data.folds
    assert (len(fold.train), len(fold.validation), len(fold.test)) == (2, 2, 3)


def test_unlabelled_clips_without_a_table_are_all_of_the_folder(tmp_path):
    root = tree(tmp_path)
    (root / "metadata/train/unlabel_in_domain.tsv").unlink()
    wav(root / "audio/train/unlabel_in_domain/extra.WAV")
    (root / "audio/train/unlabel_in_domain/notes.txt").write_text("")
    data = load(settings(), root=root)
    assert [clip.path.name for clip in data.folds[0].train[-4:]] == [
        *(real(number) for number in range(100, 103)),
        "extra.WAV",
    ]
    assert data.notes == ()


@pytest.mark.parametrize(
    ("lost", "role", "message"),
    [
        ("metadata/train/synthetic21_train", "strong", "there is no table, neither train/synth"),
        ("audio/train/synthetic21_train", "strong", "none of its 2 files is there."),
        ("audio/validation/synthetic21_validation", "validation", "none of its 2 files is there."),
        ("audio/validation/validation", "test", "none of its 3 files is there."),
    ],
)
def test_parts_that_are_needed(tmp_path, lost, role, message):
    shutil.rmtree(tree(tmp_path) / lost)
    with pytest.raises(DataError) as caught:
        load(settings(), root=tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: no clip of the {role} part is there")
    assert message in str(caught.value)
    assert str(caught.value).endswith(f"name what there is in dataset.desed.{role}.")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("train/weak.tsv", "Speech", "Speach", "weak.tsv: line 3: unknown event 'Speach'. Did you"),
        ("validation/validation.tsv", "Dog", "Dgo", "validation.tsv: line 4: unknown event 'Dgo'"),
        ("validation/validation.tsv", "10.5", "x", "validation.tsv: line 2: column 'offset' has"),
        ("train/weak.tsv", "Yabc_000", "../Yabc_000", "names a folder; the files of a part lie in"),
        ("train/weak.tsv", "Yabc_000", "/Yabc_000", "names a folder; the files of a part lie in"),
        ("validation/validation_durations.tsv", "9.9", "x", "durations.tsv: line 2: column 'durat"),
    ],
)
def test_bad_tables_are_one_sentence(tmp_path, file, old, new, message):
    path = tree(tmp_path) / "metadata" / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(DataError) as caught:
        load(settings(classes=("Speech", "Dog", "Frying")), root=tmp_path)
    assert message in str(caught.value)


def test_classes_in_the_order_of_the_settings(tmp_path):
    wanted = ("Speech", "Dog", "Frying")
    data = load(settings(classes=wanted), root=tree(tmp_path))
    assert data.classes == wanted
    with pytest.raises(DataError, match=r"no table of the data set has the class 'Cat'"):
        load(settings(classes=(*wanted, "Cat")), root=tmp_path)
    with pytest.raises(DataError, match="unknown event 'Frying'"):
        load(settings(classes=("Speech", "Dog")), root=tmp_path)


def test_a_class_that_no_training_clip_has_is_told(tmp_path):
    path = tree(tmp_path) / "metadata/validation/validation.tsv"
    path.write_text(path.read_text("utf-8").replace("Dog", "Cat"), "utf-8")
    data = load(settings(), root=tmp_path)
    assert data.classes == ("Cat", "Dog", "Frying", "Speech")
    assert data.notes == (UNLEARNT.format("Cat"),)


def test_a_set_without_events_is_refused(tmp_path):
    root = tree(tmp_path)
    (root / "metadata/train/weak.tsv").unlink()
    for path in root.rglob("*.tsv"):
        if path.name in ("soundscapes.tsv", "validation.tsv"):
            name = "0.wav" if path.name == "soundscapes.tsv" else real(200)
            path.write_text(STRONG + name, "utf-8")
    with pytest.raises(DataError, match="no table of the data set has an event"):
        load(settings(), root=root)


def test_recordings_on_both_sides_are_told(tmp_path):
    root = tree(tmp_path)
    wav(root / "audio/train/unlabel_in_domain" / real(200, start=40))
    path = root / "metadata/train/unlabel_in_domain.tsv"
    path.write_text(f"{path.read_text('utf-8')}\n{real(200, start=40)}\n", "utf-8")
    (note,) = load(settings(), root=root).notes
    assert note.startswith("fold1: 1 groups")
    assert "the training part (1 clips) and the test part (1 clips), such as Yabc_200_xyz" in note


def test_merged_events_are_told(tmp_path):
    path = tree(tmp_path) / "metadata/validation/validation.tsv"
    path.write_text(f"{path.read_text('utf-8')}{real(200)}\t9\t11\tSpeech\n", "utf-8")
    data = load(settings(), root=tmp_path)
    assert data.folds[0].test[0].events == (Event("Speech", 0.0, 11.0),)
    (note,) = data.notes
    assert note.startswith("validation/validation.tsv: events of one class that overlap were merg")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"validation": ValidationSettings()}, r"'location_city' does not apply to DESED"),
        ({"validation": SPLIT.model_copy(update={"seed": -1})}, r"seed: DESED needs a seed from 0"),
        ({"folds": (2,)}, "has no fold 2, only 1"),
        ({"metadata": "mine.csv"}, r"dataset\.metadata: DESED has a layout of its own"),
        ({"evaluation": "mine.csv"}, r"dataset\.evaluation: DESED has a layout of its own"),
        ({"desed": DesedSettings(strong=())}, r"dataset\.desed\.strong: the list is empty"),
        ({"desed": DesedSettings(validation=())}, r"dataset\.desed\.validation: the list is empt"),
        ({"desed": DesedSettings(weak=("a", "a"))}, r"the part train/a is named twice"),
        ({"desed": DesedSettings(unlabelled=("weak",))}, r"the part train/weak is named twice"),
        ({"desed": DesedSettings(validation=("validation",))}, r"validation/validation is named"),
    ],
)
def test_settings_that_do_not_apply_are_refused(tmp_path, given, message):
    with pytest.raises(DataError, match=message):
        load(settings(**given), root=tree(tmp_path))


def test_cross_validation_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"training\.folds: DESED has its own parts"):
        load(settings(), root=tree(tmp_path), folds=5)


def test_what_is_no_tree_is_named(tmp_path):
    with pytest.raises(DataError, match=r"there is no folder 'metadata'; --data names"):
        load(settings(), root=tmp_path)
    with pytest.raises(DataError, match="there is no such folder"):
        load(settings(), root=tmp_path / "nowhere")


def test_a_broken_test_clip_waits_until_it_is_read(tmp_path):
    (tree(tmp_path) / "audio/validation/validation" / real(202)).write_bytes(b"RIFF")
    clip = load(settings(), root=tmp_path).folds[0].test[2]
    assert (clip.path.name, clip.seconds) == (real(202), None)


def test_the_real_validation_table(tmp_path, real_audio):
    """The published table; the audio, as usual, is not there but for two clips."""
    root = tree(tmp_path)
    path = root / "metadata/validation/validation.tsv"
    shutil.copy(real_audio / "desed_sample/validation.tsv", path)
    listed = path.read_text("utf-8").split("\n")
    for row in (1, -2):
        wav(root / "audio/validation/validation" / listed[row].split("\t")[0])
    data = load(settings(), root=root)
    assert len(data.missing) == 1166
    assert len(data.folds[0].test) == 2
    assert len(data.classes) == 10
    assert data.notes[0].startswith("validation/validation: 1166 of 1168 files are missing")
