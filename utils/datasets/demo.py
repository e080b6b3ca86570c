"""Demo data: generated stand-ins for the TAU 2020 Mobile sets, in their published layout.

The same loader reads both. Clips last three seconds instead of ten; ten scenes, nine devices, s4 to
s6 in the test part only, no place in both parts. Beside the development set lies a small unlabelled
evaluation set in the layout of 2021.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from utils.datasets import demo_sounds
from utils.datasets.demo_devices import DEVICES, capture
from utils.datasets.demo_folder import named, wav, whole_folder, write_missing
from utils.datasets.tau import EDITIONS
from utils.files import write_text

SOURCES = (
    *("demo.py", "demo_devices.py", "demo_folder.py", "demo_sounds.py"),
    "soundscape_mixing.py",
)
EDITION = EDITIONS["tau_urban_2020_mobile"]
TRAINING_CITIES = (
    "barcelona",
    "helsinki",
    "lisbon",
    "london",
    "lyon",
    "paris",
    "prague",
    "stockholm",
)
TEST_CITIES = (*TRAINING_CITIES, "milan")
TRAINING_PLACES_PER_CITY = 3
RARE_DEVICES = ("b", "c", "s1", "s2", "s3")
ALL_DEVICES = tuple(DEVICES)


@dataclass(frozen=True)
class DemoSize:
    """Number and length of clips.

    Attributes:
        training_a: training clips of device a in each scene.
        training_rare: training clips of each of b, c, s1, s2, s3 in each scene.
        test: test clips of each device in each scene.
        evaluation: unlabelled clips in all.
        seconds: length of each clip.
    """

    training_a: int = 50
    training_rare: int = 4
    test: int = 3
    evaluation: int = 40
    seconds: float = 3.0


@dataclass(frozen=True)
class _Take:
    """One clip to generate; its numbers alone (and the seed) determine the sound."""

    path: str
    scene: str
    place: int
    segment: int
    device: str
    seconds: float


def make(
    root: Path,
    *,
    seed: int,
    size: DemoSize | None = None,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Generate the demo data, or find what was generated before.

    A generation that was killed goes on where it was; the folder has its name only once it is
    complete.

    Args:
        root: folder of demo data, made if needed.
        seed: the same seed gives the same files.
        size: number and length of clips; about 270 MB by default.
        jobs: processes; one for every core by default.
        progress: called with the number of clips written and the number of all clips.

    Returns:
        A folder for ``--data``: it holds a development and an evaluation set under their published
        names.

    Raises:
        UserError: when the folder cannot be written.
    """
    size = size or DemoSize()
    complete = named(root, "demo", seed=seed, size=size, sources=SOURCES)
    if complete.is_dir():
        return complete
    training, test = _development(seed, size)
    evaluation = _evaluation(seed, size)
    takes = {take.path: take for take in (*training, *test, *evaluation)}
    with whole_folder(complete) as folder:
        for published in (EDITION.development, EDITION.evaluation):
            (folder / published / "audio").mkdir(parents=True, exist_ok=True)
        _write_tables(folder, training, test, evaluation)
        write_missing(
            folder,
            list(takes),
            partial(_encode, takes, seed),
            jobs=jobs,
            progress=progress,
        )
    return complete


def _development(seed: int, size: DemoSize) -> tuple[list[_Take], list[_Take]]:
    """Training and test clips of all scenes."""
    training_devices = ["a"] * size.training_a + list(RARE_DEVICES) * size.training_rare
    test_devices = list(ALL_DEVICES) * size.test
    training_cities = TRAINING_CITIES * TRAINING_PLACES_PER_CITY
    training, test = [], []
    for number, scene in enumerate(demo_sounds.SCENES):
        rng = np.random.default_rng([seed, number])
        places = _Places(scene, 1000 * (number + 1), size.seconds)
        training += places.takes(training_devices, training_cities, rng)
        test += places.takes(test_devices, TEST_CITIES, rng)
    return training, test


class _Places:
    """Numbers for the places and segments of one scene."""

    def __init__(self, scene: str, first: int, seconds: float) -> None:
        self.scene = scene
        self.seconds = seconds
        self.place = first
        self.segment = 10 * first

    def takes(
        self, devices: Sequence[str], cities: Sequence[str], rng: np.random.Generator
    ) -> list[_Take]:
        """Deal devices, in random order, to places of the given cities."""
        takes = []
        for index, device in enumerate(rng.permutation(devices)):
            place = self.place + index % len(cities)
            segment = self.segment + index
            name = f"{self.scene}-{cities[index % len(cities)]}-{place}-{segment}-{device}.wav"
            path = f"{EDITION.development}/audio/{name}"
            takes.append(_Take(path, self.scene, place, segment, str(device), self.seconds))
        self.place += len(cities)
        self.segment += len(devices)
        return takes


def _evaluation(seed: int, size: DemoSize) -> list[_Take]:
    """Unlabelled clips: scenes and devices in random order, every clip from a place of its own."""
    rng = np.random.default_rng([seed, len(demo_sounds.SCENES)])
    scenes = list(demo_sounds.SCENES)
    return [
        _Take(
            path=f"{EDITION.evaluation}/audio/{number}.wav",
            scene=str(rng.choice(scenes)),
            place=100_000 + number,
            segment=1_000_000 + number,
            device=str(rng.choice(ALL_DEVICES)),
            seconds=size.seconds,
        )
        for number in range(size.evaluation)
    ]


def _write_tables(
    folder: Path, training: list[_Take], test: list[_Take], evaluation: list[_Take]
) -> None:
    """Write the tables as they are published, mixed line ends included."""
    development = folder / EDITION.development
    setup = development / "evaluation_setup"
    labelled = [["filename", "scene_label"]]
    files = [_listed(take) for take in test]
    _write_table(
        development / "meta.csv",
        [["filename", "scene_label", "identifier", "source_label"]]
        + [_meta_row(take) for take in (*training, *test)],
    )
    _write_table(
        setup / "fold1_train.csv", labelled + [[_listed(take), take.scene] for take in training]
    )
    _write_table(setup / "fold1_test.csv", [["filename"]] + [[file] for file in files])
    _write_table(
        setup / "fold1_evaluate.csv",
        labelled + [[_listed(take), take.scene] for take in test],
        line_end="\r\n",
    )
    _write_table(
        folder / EDITION.evaluation / "evaluation_setup" / "fold1_test.csv",
        [["filename"]] + [[_listed(take)] for take in evaluation],
    )


def _listed(take: _Take) -> str:
    return take.path.split("/", 1)[1]


def _meta_row(take: _Take) -> list[str]:
    _, city, place, _, _ = _listed(take).split("-")
    return [_listed(take), take.scene, f"{city}-{place}", take.device]


def _write_table(path: Path, rows: Iterable[Sequence[str]], line_end: str = "\n") -> None:
    write_text(path, "".join("\t".join(row) + line_end for row in rows))


def _encode(takes: dict[str, _Take], seed: int, path: str) -> bytes:
    """Synthesise a clip and capture it with its device; the content of its file."""
    take = takes[path]
    place = demo_sounds.place(np.random.default_rng([seed, take.place]))
    rng = np.random.default_rng([seed, take.place, take.segment])
    samples = demo_sounds.record(take.scene, place, seconds=take.seconds, rng=rng)
    return wav(capture(samples, take.device, rng=rng), demo_sounds.SAMPLE_RATE)
