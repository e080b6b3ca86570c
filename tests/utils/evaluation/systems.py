"""Faultless submissions of tiny sets: five clips, three classes, and what is changed in them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from utils.config.schema import AuthorSettings, SubmissionSettings
from utils.config.submission_section import EnergySettings
from utils.evaluation import Predictions, score_scenes
from utils.evaluation.submission import SubmissionFacts, write_system
from utils.evaluation.submission_forms import FORMS
from utils.evaluation.validator import Counted

CLASSES = ("bus", "metro", "tram")
DEVICES = ("a", "b", "c", "s1", "s2", "s3", "s4", "s5", "s6")
CLIPS = tuple(f"audio/{number}.wav" for number in range(5))
TINY = {year: replace(form, clips=5) for year, form in FORMS.items()}
FIGURES = {
    "total_parameters": 45990,
    "total_parameters_non_zero": 45990,
    "model_size": 45.422,
    "total_model_size": 46512,
    "memory_use": 65280,
    "macs": 29202880,
}
COUNTED = Counted(FIGURES, ("int32", "int8"), "model_int8.tflite")
AUTHOR = AuthorSettings(
    firstname="Kim",
    lastname="Muller",
    email="kim@example.org",
    corresponding=True,
    institute="University of Examples",
    affiliation="TAU",
)
SPLITS = {5: 0, 10: 1, 25: 2, 50: 3, 100: 4}


def label(year: int) -> str:
    return f"Muller_TAU_{TINY[year].task}_1"


def system(
    folder: Path,
    *,
    year: int = 2021,
    devices=DEVICES,
    demo=False,
    figures=FIGURES,
    split=None,
    **changes,
) -> Path:
    """A faultless system of one year, but for what is changed in its settings; its folder."""
    rng = np.random.default_rng(SPLITS.get(split, 0))
    settings = {"label": label(year), "authors": (AUTHOR,)} | changes
    if year == 2023:
        energy = EnergySettings(training=0.2, inference=0.1, baseline_inference=0.07)
        settings = {"energy_consumption": energy} | settings
    submission = SubmissionSettings(**settings)
    test = Predictions(
        names=tuple(str(number) for number in range(27)),
        probabilities=rng.dirichlet(np.ones(3), size=27),
        truth=np.arange(27) % 3,
        devices=tuple(devices[number // 3 % len(devices)] for number in range(27)),
    )
    output, _ = write_system(
        folder / (submission.label or TINY[year].placeholder),
        form=TINY[year],
        submission=submission,
        facts=SubmissionFacts(
            sample_rate_hz=44100,
            acoustic_features="log-mel energies",
            data_augmentation=None,
            machine_learning_method="CNN",
            figures=figures,
            demo=demo,
            split=split,
        ),
        scores=score_scenes(test, classes=CLASSES, bootstrap=0).as_dict(),
        predictions=Predictions(CLIPS, rng.dirichlet(np.ones(3), size=5).astype(np.float32)),
        classes=CLASSES,
    )
    return output.parent


def splits(folder: Path, **changes) -> list[Path]:
    """The five systems of 2024, each in a folder of its own."""
    return [system(folder / str(split), year=2024, split=split, **changes) for split in SPLITS]


def meta_path(folder: Path) -> Path:
    return folder / f"{folder.name}.meta.yaml"


def edit_meta(meta: Path, path: str, value) -> None:
    """Set a field of the meta file; the value ``...`` deletes it."""
    content = yaml.safe_load(meta.read_text())
    *parents, last = path.split(".")
    at = content
    for key in parents:
        at = at[int(key)] if key.isdigit() else at[key]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    meta.write_text(yaml.safe_dump(content))
