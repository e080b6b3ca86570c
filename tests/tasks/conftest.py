"""Tiny data sets in their published layouts, tiny sets of parameters, and the scripts to run them.

Scenes: a hundred half-second tones as TAU 2020. Words: six tones of fourteen voices, a quarter of a
second each, as Speech Commands, by a table, and mixed as DACON's. Urban: 36 slices of 18 tones.
"""

import csv
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

PROJECT = Path(__file__).resolve().parents[2]
SCENES = (
    "airport", "bus", "metro", "metro_station", "park", "public_square", "shopping_mall",
    "street_pedestrian", "street_traffic", "tram",
)  # fmt: skip
RATE = 44_100

TINY = """
models:
  tiny:
    - Conv2D: {{filters: 4, kernel_size: 3, padding: same}}
    - BatchNormalization
    - Activation: {{activation: relu}}
    - MaxPooling2D: {{pool_size: [4, 5]}}
    - Dropout: {{rate: 0.2}}
    - Flatten
    - Dense: {{units: $CLASS_COUNT, activation: softmax}}
  tiny_deeper:
    - Conv2D: {{filters: 4, kernel_size: 3, padding: same, activation: relu}}
    - use: tiny
sets:
  - set_id: tiny
    based_on: task1a
    description: a network that trains in seconds
    audio: {{seconds: 0.5}}
    features: {{frames: 25}}
    model: {{use: tiny}}
    training:
      epochs: 6
      optimizer: {{Adam: {{learning_rate: 0.02}}}}
      select: {{metric: val_loss, mode: min, after_epoch: 0}}
    export: {{calibration_clips: 20}}
    evaluation: {{bootstrap: 50}}
    report: {{wrong_clips: 2}}
    paths: {{runs: {folder}/runs, cache: {folder}/cache, demo: {folder}/demo}}
  - set_id: tiny_deeper
    based_on: tiny
    model: {{use: tiny_deeper}}
  - set_id: tiny_aug
    based_on: tiny
    augment:
      [Noise: {{probability: 1.0}}, Shift: {{max_seconds: 0.1}},
      PitchShift: {{max_semitones: 1.0}}, DeviceResponse: {{devices: [a]}}]
    training: {{ema: 0.9}}
"""

WORDS = ("down", "go", "no", "off", "up", "yes")
VOICES = {"train": "abcdefgh", "validation": "ijk", "test": "lmn"}
WORD_RATE = 8000

TINY_WORDS = """
models:
  tiny:
    - Conv2D: {{filters: 8, kernel_size: 3, padding: same, activation: relu}}
    - AveragePooling2D: {{pool_size: [1, $FRAMES]}}
    - Flatten
    - Dense: {{units: $CLASS_COUNT, activation: softmax}}
sets:
  - set_id: tiny
    based_on: task_dacon
    description: a network that trains in seconds
    dataset:
      name: words
      audio_folder: .
      mixing: {{words: 2, train: 256, validation: 32, test: 40, shift_seconds: 0.01}}
    audio: {{sample_rate: 8000, seconds: 0.25}}
    features: {{n_fft: 256, hop_seconds: 0.0125, n_mels: 24, f_min: 0.0}}
    augment: []
    model: {{use: tiny}}
    training: {{epochs: 5, batch_size: 32, optimizer: {{Adam: {{learning_rate: 0.03}}}}}}
    export: {{calibration_clips: 20, formats: []}}
    limits: {{format: float32}}
    evaluation: {{bootstrap: 50, shifts_seconds: [0.0], calibration: none}}
    paths: {{runs: {folder}/runs, cache: {folder}/cache, demo: {folder}/demo}}
    demo:
      dataset: {{mixing: {{words: 2, train: 64, validation: 32, test: 40}}}}
      training: {{epochs: 2}}
  - set_id: tiny_mfcc
    based_on: tiny
    features: {{kind: mfcc, n_mfcc: 12}}
  - set_id: tiny_both
    based_on: tiny
    model: {{use: null}}
    ensemble: [tiny, tiny_mfcc]
  - set_id: tiny_competition
    based_on: tiny
    dataset: {{name: dacon}}
    audio: {{sample_rate: 16000, seconds: 1.0}}
    features: {{n_fft: 512, hop_seconds: 0.05}}
"""

URBAN_SOUNDS = {3: "dog_bark", 1: "car_horn", 8: "siren"}  # by classID, which orders them

TINY_URBAN = """
models:
  tiny:
    - Conv2D: {{filters: 8, kernel_size: 3, padding: same, activation: relu}}
    - AveragePooling2D: {{pool_size: [1, $FRAMES]}}
    - Flatten
    - Dense: {{units: $CLASS_COUNT, activation: softmax}}
sets:
  - set_id: tiny
    based_on: task_urbansound
    description: a network that trains in seconds
    dataset: {{validation: {{amount: 0.25}}}}
    audio: {{sample_rate: 8000, seconds: 0.5}}
    features: {{n_fft: 256, window_seconds: 0.025, n_mels: 24}}
    augment: []
    model: {{use: tiny}}
    training:
      {{epochs: 5, batch_size: 6, optimizer: {{Adam: {{learning_rate: 0.01}}}},
      schedule: {{kind: constant, warmup_epochs: 0.0}}}}
    export: {{formats: [float32]}}
    limits: {{format: float32}}
    evaluation: {{bootstrap: 50}}
    paths: {{runs: {folder}/runs, cache: {folder}/cache, demo: {folder}/demo}}
  - {{set_id: tiny_mixed, based_on: tiny, augment: [Shift: {{max_seconds: 0.2}}, Mixup]}}
  - {{set_id: tiny_image, based_on: tiny, features: {{normalise: {{method: clip_image}}}}}}
"""


def write_tau(folder: Path) -> Path:
    """Write the data set: in each scene a tone of its own in noise, six places, three devices."""
    rng = np.random.default_rng(7)
    rows: dict[str, list[str]] = {"train": [], "test": [], "meta": []}
    (folder / "audio").mkdir(parents=True)
    (folder / "evaluation_setup").mkdir()
    for number, scene in enumerate(SCENES):
        for place in range(6):
            part = "test" if place > 3 else "train"
            for device in ("a", "s4") if part == "test" else ("a", "b"):
                name = f"audio/{scene}-{('lyon', 'prague')[place % 2]}-{place}-{place}-{device}.wav"
                time = np.arange(RATE // 2) / RATE
                tone = 0.1 * np.sin(2 * np.pi * 200 * 1.5**number * time)
                noise = 0.02 * rng.standard_normal(len(time))
                soundfile.write(folder / name, tone + noise, RATE, subtype="PCM_24")
                city = f"{('lyon', 'prague')[place % 2]}-{place}"
                rows[part].append(f"{name}\t{scene}")
                rows["meta"].append(f"{name}\t{scene}\t{city}\t{device}")
    header = "filename\tscene_label"
    tables = {
        "meta.csv": [f"{header}\tidentifier\tsource_label", *rows["meta"]],
        "evaluation_setup/fold1_train.csv": [header, *rows["train"]],
        "evaluation_setup/fold1_test.csv": [
            "filename", *(row.split("\t")[0] for row in rows["test"]),
        ],
        "evaluation_setup/fold1_evaluate.csv": [header, *rows["test"]],
    }  # fmt: skip
    for name, lines in tables.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def tau(tmp_path_factory) -> Path:
    """Folder of the tiny data set."""
    return write_tau(tmp_path_factory.mktemp("tau") / "data")


@pytest.fixture
def tiny(tmp_path) -> Path:
    """Parameter file of the tiny sets; runs and cache lie in the test's own folder."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY.format(folder=tmp_path))
    return path


def write_words(folder: Path) -> Path:
    """Write the words: each a tone of its own, higher or lower by voice, in noise."""
    rng = np.random.default_rng(11)
    time = np.arange(WORD_RATE // 4) / WORD_RATE
    voices = [voice for part in VOICES.values() for voice in part]
    for number, word in enumerate(WORDS):
        (folder / word).mkdir(parents=True)
        for voice in voices:
            pitch = 250.0 * 1.6**number * rng.uniform(0.94, 1.06)
            tone = np.sin(2 * np.pi * pitch * time + rng.uniform(0, 6))
            samples = 0.2 * tone + 0.02 * rng.standard_normal(len(time))
            soundfile.write(folder / word / f"{voice}_nohash_0.wav", samples, WORD_RATE)
    for part, name in (("validation", "validation_list.txt"), ("test", "testing_list.txt")):
        lines = [f"{word}/{voice}_nohash_0.wav\n" for word in WORDS for voice in VOICES[part]]
        (folder / name).write_text("".join(lines))
    return folder


def write_word_table(folder: Path, words: Path) -> Path:
    """Write the same words as a table lists them, without the lists."""
    shutil.copytree(words, folder, ignore=shutil.ignore_patterns("*.txt"))
    part_of = {voice: part for part, voices in VOICES.items() for voice in voices}
    rows = [
        f"{path.relative_to(folder)},{path.parent.name},{path.name[0]},{part_of[path.name[0]]}"
        for path in sorted(folder.rglob("*.wav"))
    ]
    (folder / "words.csv").write_text("\n".join(["file,word,speaker,split", *rows]) + "\n")
    return folder


def publish(folder: Path, mixed: Path) -> Path:
    """Write mixtures as the competition gave them: no test answers, ids that are numbers."""
    shutil.copytree(mixed, folder, ignore=shutil.ignore_patterns("test_answer.csv", "mixtures.csv"))
    for name in ("train_answer.csv", "submission.csv"):
        with (folder / name).open(newline="") as stream:
            header, *rows = csv.reader(stream)
        numbered = [[str(number), *row[1:]] for number, row in enumerate(rows)]
        with (folder / name).open("w", newline="") as stream:
            csv.writer(stream).writerows([header, *numbered])
    return folder


@pytest.fixture(scope="session")
def words(tmp_path_factory) -> Path:
    """Folder of the words in the layout of Speech Commands."""
    return write_words(tmp_path_factory.mktemp("words") / "data")


@pytest.fixture(scope="session")
def word_table(tmp_path_factory, words) -> Path:
    """Folder of the words with a table that tells their parts."""
    return write_word_table(tmp_path_factory.mktemp("word_table") / "data", words)


@pytest.fixture(scope="session")
def mixed(tmp_path_factory, words) -> Path:
    """Folder of mixtures of the words, as the command of the project writes them."""
    from utils.datasets import mixer

    folder = tmp_path_factory.mktemp("mixed") / "data"
    options = "--words 2 --train 160 --validation 32 --test 30 --shift_seconds 0.05"
    assert mixer.main([str(words), str(folder), *options.split()]) == 0
    return folder


@pytest.fixture(scope="session")
def published(tmp_path_factory, mixed) -> Path:
    """Folder of these mixtures as the competition would have published them."""
    return publish(tmp_path_factory.mktemp("published") / "data", mixed)


def write_tiny_words(folder: Path) -> Path:
    """Write the parameter file of the tiny sets of words; runs and cache lie in the folder."""
    path = folder / "tiny.yaml"
    path.write_text(TINY_WORDS.format(folder=folder))
    return path


@pytest.fixture
def tiny_words(tmp_path) -> Path:
    """Parameter file of the tiny sets of words, for the test alone."""
    return write_tiny_words(tmp_path)


@pytest.fixture(scope="module")
def finished(dacon, words, tmp_path_factory) -> Path:
    """Folder of a run on words in all formats; tests start it again, but train nothing anew."""
    folder = tmp_path_factory.mktemp("finished")
    formats = "export.formats=[float32,float16,dynamic,int8]"
    arguments = ("-s", "tiny", "-p", write_tiny_words(folder), "--data", words)
    assert dacon(*arguments, "--override", formats) == 0
    return folder


def write_urban(folder: Path) -> Path:
    """Write urban sounds: three folds, in each two sources of a class, of each two slices."""
    rng = np.random.default_rng(13)
    rows = ["slice_file_name,fsID,start,end,salience,fold,classID,class"]
    for source in range(18):
        fold, (number, label) = source % 3 + 1, list(URBAN_SOUNDS.items())[source // 6]
        pitch = 400.0 * 1.7 ** (source // 6) * rng.uniform(0.85, 1.2)
        (folder / f"audio/fold{fold}").mkdir(parents=True, exist_ok=True)
        for part, size in enumerate((4000, int(rng.integers(2000, 4000)))):
            tone = np.sin(2 * np.pi * pitch * np.arange(size) / 8000)
            samples = 0.1 * tone + 0.1 * rng.standard_normal(size)
            name = f"{1000 + source}-{number}-0-{part}.wav"
            soundfile.write(folder / f"audio/fold{fold}" / name, samples, 8000)
            rows.append(f"{name},{1000 + source},0,{size / 8000},1,{fold},{number},{label}")
    (folder / "metadata").mkdir()
    (folder / "metadata" / "UrbanSound8K.csv").write_text("\n".join(rows))
    return folder


def write_labelled(folder: Path, urban: Path) -> Path:
    """Write the same sounds as the labelled subset has them: no folds, fold 3 without labels."""
    tables = {"Train": ["ID,Class"], "Test": ["ID"]}
    for place, clip in enumerate(sorted((urban / "audio").rglob("*.wav"))):
        part = "Test" if clip.parent.name == "fold3" else "Train"
        (folder / part).mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, folder / part / f"{place}.wav")
        label = URBAN_SOUNDS[int(clip.name.split("-")[1])]
        tables[part].append(f"{place},{label}" if part == "Train" else str(place))
    for part, rows in tables.items():
        (folder / f"{part.lower()}.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="session")
def urban(tmp_path_factory) -> Path:
    """Folder of the urban sounds in the layout of UrbanSound8K."""
    return write_urban(tmp_path_factory.mktemp("urban") / "data")


@pytest.fixture(scope="session")
def labelled(tmp_path_factory, urban) -> Path:
    """Folder of the urban sounds in the layout of the labelled subset."""
    return write_labelled(tmp_path_factory.mktemp("labelled") / "data", urban)


@pytest.fixture(scope="session")
def write_tiny_urban():
    """Write the parameter file of the tiny urban sets; runs and cache lie in the folder."""

    def write(folder: Path) -> Path:
        path = folder / "tiny.yaml"
        path.write_text(TINY_URBAN.format(folder=folder))
        return path

    return write


@pytest.fixture
def tiny_urban(write_tiny_urban, tmp_path) -> Path:
    """Parameter file of the tiny urban sets, for the test alone."""
    return write_tiny_urban(tmp_path)


def in_a_process(script):
    """A task script as a user runs it, in a process of its own."""

    def run(*arguments, script=script, **options):
        return subprocess.run(
            [sys.executable, str(PROJECT / script), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"COLUMNS": "100", "TERM": "dumb"},
            **options,
        )

    return run


def imported(name):
    """A task script, imported, so that TensorFlow starts once for all tests."""
    spec = importlib.util.spec_from_file_location(name, PROJECT / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def run(*arguments):
        from utils import cli

        return cli.main(module.SCRIPT, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def task1a():
    """task1a.py in a process of its own."""
    return in_a_process("task1a.py")


@pytest.fixture
def task_dacon():
    """task_dacon.py in a process of its own."""
    return in_a_process("task_dacon.py")


@pytest.fixture(scope="module")
def script():
    """task1a.py, imported."""
    return imported("task1a")


@pytest.fixture(scope="session")
def dacon():
    """task_dacon.py, imported."""
    return imported("task_dacon")


@pytest.fixture(scope="session")
def urbansound():
    """task_urbansound.py, imported."""
    return imported("task_urbansound")
