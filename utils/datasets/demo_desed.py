"""Demo home: generated domestic sounds, mixed into soundscapes, in the layout of DESED.

A soundbank is generated in the place where DESED has its own, and the soundscape maker mixes the
clips of it, as it would of recordings. Training clips are of other sounds than validation and test
clips.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from utils.datasets.demo_desed_sounds import KINDS, record
from utils.datasets.demo_folder import named, wav, whole_folder, write_missing
from utils.datasets.demo_voices import SAMPLE_RATE
from utils.datasets.sound_portions import Trim
from utils.datasets.soundbank import divide
from utils.datasets.soundbank_layouts import find_folders
from utils.datasets.soundscape_files import Sizes, fill
from utils.datasets.soundscape_maker import prepare
from utils.datasets.soundscape_recipes import Style

SOURCES = (
    "demo_desed.py", "demo_desed_sounds.py", "demo_folder.py", "demo_phonemes.py",
    "demo_synthesis.py", "demo_voices.py", "event_tables.py", "sound_portions.py", "soundbank.py",
    "soundbank_layouts.py", "soundscape_files.py", "soundscape_maker.py", "soundscape_mixing.py",
    "soundscape_recipes.py",
)  # fmt: skip
STYLE = Style(events=(0, 6), snr_db=(3.0, 25.0))
"""Some clips are empty, some events can hardly be heard."""


@dataclass(frozen=True)
class DesedSize:
    """How much is generated.

    Attributes:
        train: sounds of each class for training clips.
        held_out: sounds of each class for validation and test clips.
        strong: training clips with onsets and offsets.
        weak: training clips with labels of the whole clip.
        unlabelled: training clips without labels.
        validation: validation clips.
        test: test clips.
        seconds: length of a clip.
    """

    train: int = 20
    held_out: int = 10
    strong: int = 200
    weak: int = 120
    unlabelled: int = 240
    validation: int = 60
    test: int = 80
    seconds: float = 10.0


def make(
    root: Path,
    *,
    seed: int,
    size: DesedSize | None = None,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Generate the demo home, or find what was generated before.

    A generation that was killed goes on where it was; the folder has its name only once it is
    complete.

    Args:
        root: folder of demo data, made if needed.
        seed: the same seed gives the same files.
        size: number of sounds and clips; 300 sounds and 700 clips, 260 MB by default.
        jobs: processes; one for every core by default.
        progress: called with the number of files written and the number of all files.

    Returns:
        A folder for ``--data``, with ``audio/`` and ``metadata/``.

    Raises:
        UserError: when the folder cannot be written.
    """
    size = size or DesedSize()
    complete = named(root, "desed", seed=seed, size=size, sources=SOURCES)
    if complete.is_dir():
        return complete
    sounds = _sound_paths(seed, size)
    sizes = Sizes(**{field.name: getattr(size, field.name) for field in fields(Sizes)})
    total = len(sounds) + sum(getattr(sizes, field.name) for field in fields(sizes))
    with whole_folder(complete) as folder:
        for path in sounds:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_missing(
            folder,
            sounds,
            partial(_encode, seed),
            jobs=jobs,
            progress=_from(progress, 0, total),
        )
        maker, _ = prepare(
            divide(find_folders(folder), held_out=0.5, strong=1.0, seed=seed),
            style=Style(size.seconds, STYLE.events, STYLE.event_seconds, STYLE.snr_db),
            trim=Trim(),
            sample_rate=SAMPLE_RATE,
            seed=seed,
            jobs=jobs,
        )
        fill(folder, maker, sizes, jobs=jobs, progress=_from(progress, len(sounds), total))
    return complete


def _sound_paths(seed: int, size: DesedSize) -> list[str]:
    """Files of the soundbank, numbered like recordings of Freesound."""
    counts = {"train": size.train, "validation": size.held_out}
    rng = np.random.default_rng(seed)
    whole = len(KINDS) * sum(counts.values())
    numbers = iter(rng.choice(np.arange(1_000, 400_000), whole, replace=False).tolist())
    return [
        f"audio/{part}/soundbank/foreground/{label}{kind.suffix}/{next(numbers)}_0.wav"
        for part, count in counts.items()
        for label, kind in KINDS.items()
        for _ in range(count)
    ]


def _encode(seed: int, path: str) -> bytes:
    """Synthesise a sound of the bank; the content of its file."""
    place = PurePosixPath(path)
    label = next(name for name, kind in KINDS.items() if place.parent.name == name + kind.suffix)
    number = int(place.stem.removesuffix("_0"))
    return wav(record(label, rng=np.random.default_rng([seed, number])), SAMPLE_RATE)


def _from(
    progress: Callable[[int, int], None] | None, before: int, total: int
) -> Callable[[int, int], None] | None:
    """Progress of a stage of the work as that of all of it."""
    if progress is None:
        return None
    tell = progress
    return lambda done, _: tell(before + done, total)
