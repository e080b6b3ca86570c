"""JSON manifests of mixtures: which source belongs to which mixture, and what is refused."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from utils.config.schema import DatasetSettings, SpeakerSettings
from utils.datasets.manifests import load_svoice
from utils.errors import AudioError, ConfigError, DataError

RATE = 1000
FOLDERS = ("tr", "cv", "tt")


def sound(path, samples=400, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(samples, 0.1), rate)


def listed(folder, name, files):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(files), "utf-8")


def write_part(root, folder, names=("a_1", "a_2", "b-10"), sources=2, form="{name}_s{number}.wav"):
    """A part whose lists are in orders of their own."""
    place = root / folder
    for number in range(sources + 1):
        kind = f"s{number}" if number else "mix"
        files = []
        for length, name in enumerate(names):
            file = form.format(name=name, number=number) if number else f"{name}.wav"
            sound(place / kind / file, 400 + 50 * length)
            files.append([f"{kind}/{file}", 400 + 50 * length])
        listed(place, kind, files[number:] + files[:number])


@pytest.fixture
def root(tmp_path):
    for folder in FOLDERS:
        write_part(tmp_path / "set", folder)
    return tmp_path / "set"


def change(root, manifest, alter):
    path = root / manifest
    content = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(alter(content)), "utf-8")


def read(root, folds=None, **speakers):
    settings = DatasetSettings(name="svoice", speakers=SpeakerSettings(**speakers))
    return load_svoice(settings, root=root, folds=folds, name="svoice")


def pairs(clips):
    return {clip.path.stem: [path.stem for (path,) in clip.stems] for clip in clips}


def test_sources_belong_to_the_mixture_that_they_are_named_after(root):
    data = read(root)
    (fold,) = data.folds
    assert (data.classes, data.notes) == (("speaker1", "speaker2"), ())
    for clips in (fold.train, fold.validation, fold.test):
        assert pairs(clips) == {
            name: [f"{name}_s1", f"{name}_s2"] for name in ("a_1", "a_2", "b-10")
        }
        assert [clip.seconds for clip in clips] == [0.4, 0.45, 0.5]
    assert [clip.name for clip in fold.test] == ["tt/a_1.wav", "tt/a_2.wav", "tt/b-10.wav"]
    assert data.speakers is None


@pytest.mark.parametrize(
    ("names", "form"),
    [
        (("x_1", "x_1_2", "x_11"), "{name}_s{number}.wav"),  # one name within another
        (("x_1", "x_1_2", "x_11"), "s{number}-{name}.flac"),
        (("4-1-7_5-3-6", "5-3-6_4-1-7"), "{name}.wav"),
        (("050a_1.29_22g_-1.29", "22g_0.5_050a_-0.5"), "{name}.wav"),
    ],
)
def test_names_within_names(tmp_path, names, form):
    for folder in FOLDERS:
        write_part(tmp_path, folder, names, form=form)
    stem = form.rpartition(".")[0]
    assert pairs(read(tmp_path).folds[0].train) == {
        name: [stem.format(name=name, number=number) for number in (1, 2)] for name in names
    }


@pytest.mark.parametrize("form", ["{}_mix.wav", "mixture-{}.wav"])
def test_the_word_mix_is_no_part_of_a_name(root, form):
    for folder in FOLDERS:
        for path in sorted((root / folder / "mix").iterdir()):
            path.rename(path.with_name(form.format(path.stem)))
        change(
            root,
            f"{folder}/mix.json",
            lambda files: [["mix/" + form.format(file[4:-4]), length] for file, length in files],
        )
    data = read(root)
    assert data.notes == ()
    assert pairs(data.folds[0].train)[form.format("a_2")[:-4]] == ["a_2_s1", "a_2_s2"]


def test_files_of_other_names_are_paired_by_place(root):
    for sound_ in ("s1", "s2"):
        place = root / "cv" / sound_
        for number, path in enumerate(sorted(place.iterdir())):
            path.rename(place / f"take{number}{sound_}.wav")
        files = [[f"{sound_}/take{n}{sound_}.wav", 400 + 50 * n] for n in range(3)]
        listed(root / "cv", sound_, files)
    data = read(root)
    assert pairs(data.folds[0].validation)["a_2"] == ["take1s1", "take1s2"]
    assert data.notes == (
        "Files of cv were paired by their place in the lists, as no name of a mixture occurs in"
        " those of its sources.",
    )
    change(root, "cv/s2.json", lambda files: files[:2])
    with pytest.raises(DataError, match=r"lists are of different lengths \(3, 3, 2\)"):
        read(root)


def test_mixtures_of_one_name_are_paired_by_place(tmp_path):
    for folder in FOLDERS:
        for name, kind in (("mixture", "mix"), ("s1", "s1"), ("s2", "s2")):
            for song in ("x", "y"):
                sound(tmp_path / folder / song / f"{name}.wav")
            listed(tmp_path / folder, kind, [[f"{song}/{name}.wav", 400] for song in "xy"])
    data = read(tmp_path)
    assert data.notes[0].startswith("Files of tr, cv, tt were paired by their place")
    assert [clip.name for clip in data.folds[0].train] == ["tr/x/mixture.wav", "tr/y/mixture.wav"]
    assert data.folds[0].train[1].stems[1] == (tmp_path / "tr" / "y" / "s2.wav",)


@pytest.mark.parametrize("names", [("train", "valid", "test"), ("tr", "validation", "tt")])
def test_other_names_of_the_parts(root, names):
    expected = read(root).folds[0]
    for folder, name in zip(FOLDERS, names, strict=True):
        if folder != name:
            (root / folder).rename(root / name)
    fold = read(root).folds[0]
    assert [len(part) for part in (fold.train, fold.validation, fold.test)] == [3, 3, 3]
    assert pairs(fold.validation) == pairs(expected.validation)
    assert fold.validation[0].name == f"{names[1]}/a_1.wav"


def test_paths_are_absolute_or_relative_to_the_manifest_or_the_root(root):
    change(root, "tr/mix.json", lambda files: [[f"{root}/tr/{f}", n] for f, n in files])
    change(root, "tr/s1.json", lambda files: [[f"tr/{f}", n] for f, n in files])
    clip = read(root).folds[0].train[0]
    assert clip.path == root / "tr" / "mix" / "a_1.wav"
    assert clip.stems == ((root / "tr/s1/a_1_s1.wav",), (root / "tr/s2/a_1_s2.wav",))
    assert clip.name == "tr/a_1.wav"


def test_names_and_identity_do_not_tell_the_place(root, tmp_path):
    shutil.copytree(root, tmp_path / "copy")
    change(
        tmp_path / "copy",
        "tr/mix.json",
        lambda files: [[str(tmp_path / "copy" / "tr" / file), length] for file, length in files],
    )
    assert read(tmp_path / "copy").identity == read(root).identity


def test_twelve_speakers_in_the_order_of_their_numbers(tmp_path):
    for folder in FOLDERS:
        write_part(tmp_path, folder, ("a",), sources=12)
    data = read(tmp_path)
    assert len(data.classes) == 12
    assert pairs(data.folds[0].train)["a"] == [f"a_s{number}" for number in range(1, 13)]


def test_sources_of_no_mixture_are_noted(root):
    change(root, "tr/mix.json", lambda files: files[:2])
    data = read(root)
    assert data.notes == ("tr: 2 sources are of no listed mixture.",)
    assert len(data.folds[0].train) == 2


def test_files_in_two_parts_are_noted(root):
    """As the manifests that the original has for trying out: one set three times."""
    for kind in ("mix", "s1", "s2"):
        (root / "tt" / f"{kind}.json").unlink()
        change(root, f"tr/{kind}.json", lambda files: [[f"tr/{f}", n] for f, n in files])
        shutil.copy(root / "tr" / f"{kind}.json", root / "tt")
    assert read(root).notes == (
        "9 files are in both tr and tt (such as a_1.wav, a_1_s1.wav, a_1_s2.wav, a_2.wav,"
        " a_2_s1.wav, ...): scores may be too good.",
    )


def test_the_length_may_differ_by_a_tenth_of_a_second(root):
    sound(root / "tr" / "s1" / "a_1_s1.wav", 500)
    change(root, "tr/s1.json", lambda files: [[f, 500 if "a_1" in f else n] for f, n in files])
    assert read(root).folds[0].train[0].seconds == 0.4


WRONG = {
    "no mixtures": (lambda r: (r / "tr/mix.json").unlink(), "tr: mix.json is missing"),
    "no sources": (
        lambda r: [(r / "tr" / f"s{n}.json").unlink() for n in (1, 2)],
        "tr: s1.json is missing",
    ),
    "a gap": (lambda r: (r / "tr/s1.json").rename(r / "tr/s3.json"), "tr: s1.json is missing"),
    "one list in all": (
        lambda r: [(r / part / "s2.json").unlink() for part in FOLDERS],
        "there are lists of 1 sources for 2 speakers (dataset.speakers.number)",
    ),
    "one list in one": (
        lambda r: (r / "cv/s2.json").unlink(),
        "different numbers of sources (tr has 2, cv has 1, tt has 2)",
    ),
    "no part": (lambda r: shutil.rmtree(r / "tt"), "no folder is there for the test part; one of"),
    "two of a part": (lambda r: (r / "train").mkdir(), "both tr/ and train/ are there for the"),
    "no json": (lambda r: (r / "cv/s1.json").write_text("[["), "cv/s1.json: is no JSON (Expecting"),
    "no text": (lambda r: (r / "cv/s1.json").write_bytes(b"\xff"), "cv/s1.json: is no JSON ("),
    "no list": (lambda r: (r / "cv/s1.json").write_text("{}"), "holds no list [[path, samples]"),
    "empty": (lambda r: (r / "cv/s1.json").write_text("[]"), "holds no list [[path, samples], ..."),
    "no entry": (
        lambda r: change(r, "cv/s1.json", lambda files: [*files[:1], "x.wav"]),
        'cv/s1.json: entry 2 is "x.wav", not [path, samples]',
    ),
    "no length": (
        lambda r: change(r, "cv/s1.json", lambda files: [["x.wav", 0]]),
        'entry 1 is ["x.wav", 0], not [path, samples]',
    ),
    "true": (lambda r: change(r, "cv/s1.json", lambda files: [["x", True]]), "entry 1 is ["),
    "twice": (
        lambda r: change(r, "cv/s1.json", lambda files: files + files[:1]),
        "cv/s1.json: 's1/a_2_s1.wav' is listed twice",
    ),
    "missing": (
        lambda r: [(r / "cv/s1/a_2_s1.wav").unlink(), (r / "tt/mix/a_1.wav").unlink()],
        "2 of 27 listed files are missing, the first s1/a_2_s1.wav; paths are absolute, or",
    ),
    "lacking": (
        lambda r: change(r, "tt/s2.json", lambda files: [f for f in files if "a_1" not in f[0]]),
        "tt/s2.json: has no source for 1 of 3 mixtures, the first mix/a_1.wav",
    ),
    "two sources": (
        lambda r: [
            sound(r / "tt/s2/a_1_x.wav"),
            change(r, "tt/s2.json", lambda files: [*files, ["s2/a_1_x.wav", 400]]),
        ],
        "s2/a_1_s2.wav and s2/a_1_x.wav are both named after the mixture mix/a_1.wav",
    ),
    "one file twice": (
        lambda r: shutil.copy(r / "tr/s1.json", r / "tr/s2.json"),
        "tr/s1/a_1_s1.wav: is listed as two sounds of the mixture mix/a_1.wav",
    ),
    "rate": (
        lambda r: sound(r / "cv/s2/a_1_s2.wav", 400, 2 * RATE),
        "cv/s2/a_1_s2.wav: has 2000 Hz, its mixture mix/a_1.wav 1000 Hz",
    ),
    "length": (
        lambda r: [
            sound(r / "cv/s2/a_1_s2.wav", 501),
            change(r, "cv/s2.json", lambda f: [[p, 501 if "a_1" in p else n] for p, n in f]),
        ],
        "a_1_s2.wav: lasts 0.50 s, its mixture mix/a_1.wav 0.40 s; they must not differ by more",
    ),
    "old manifest": (
        lambda r: sound(r / "cv/s2/a_1_s2.wav", 600),
        "cv/s2/a_1_s2.wav: has 600 samples, its manifest says 400; make the manifest anew",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_manifests_are_one_sentence(root, case):
    spoil, message = WRONG[case]
    spoil(root)
    with pytest.raises(DataError) as caught:
        read(root)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_that_do_not_fit(root, tmp_path):
    with pytest.raises(DataError, match="lists of 2 sources for 3 speakers"):
        read(root, number=3)
    with pytest.raises(DataError, match="a 'svoice' set has its speakers in three parts"):
        read(root, folds=5)
    with pytest.raises(DataError, match="there is no such folder"):
        read(tmp_path / "nowhere")


def test_a_file_that_is_no_audio_is_named(root):
    (root / "tr" / "s1" / "a_1_s1.wav").write_bytes(b"no audio")
    with pytest.raises(AudioError, match=r"a_1_s1\.wav: is broken or no audio file"):
        read(root)


@pytest.mark.parametrize(
    "asked",
    [{"level_db": 9.0}, {"length": "max"}, {"length": "max", "overlap": 0.5}, {"fresh": False}],
)
def test_files_that_are_mixed_are_not_mixed_otherwise(root, asked):
    with pytest.raises(
        ConfigError, match=rf"^dataset\.speakers\.{next(iter(asked))}: has no effect"
    ):
        read(root, **asked)
    assert read(root, train=7, seed=3).folds  # of every set of speakers
