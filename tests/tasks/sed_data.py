"""Tones in noise in the layout of DESED, and tiny sets of parameters for them.

Two-second clips at 8 kHz; each class is a tone of its own, and sounds for 0.4 to 1.2 s.
"""

from pathlib import Path

import numpy as np
import soundfile

from utils.datasets import event_tables
from utils.datasets.base import Event

RATE, SECONDS = 8000, 2.0
TONES = {"Beep": 1500.0, "Buzz": 300.0, "Whistle": 2900.0}
CLASSES = tuple(TONES)
COUNTS = {
    "train/synthetic21_train": 24,
    "train/weak": 16,
    "train/unlabel_in_domain": 12,
    "validation/synthetic21_validation": 10,
    "validation/validation": 12,
    "eval/public": 4,
}
"""Clips of each part."""

TINY_SED = """
models:
  tiny:
    constants: {{STEPS: $FRAMES // 4}}
    layers:
      - Conv2D: {{filters: 8, kernel_size: 3, padding: same, activation: relu}}
      - BatchNormalization
      - AveragePooling2D: {{pool_size: [2, 4]}}
      - Dropout: {{rate: 0.1}}
      - Permute: {{dims: [2, 1, 3]}}
      - Reshape: {{target_shape: [$STEPS, 64]}}
      - Bidirectional: {{layer: {{GRU: {{units: 8, return_sequences: true}}}}, name: encoded}}
      - Dense: {{units: $CLASS_COUNT, activation: sigmoid, name: strong}}
      - {{Dense: {{units: $CLASS_COUNT, name: attention}}, from: encoded}}
      - {{AttentionPooling: {{name: weak}}, from: [strong, attention]}}
    outputs: [strong, weak]
sets:
  - set_id: tiny
    based_on: task4_sed
    description: networks that train in seconds
    dataset: {{validation: {{amount: 0.25}}}}
    audio: {{sample_rate: 8000, seconds: 2.0}}
    features:
      {{window_seconds: 0.032, n_fft: 256, n_mels: 16, f_max: 4000.0}}
    model: {{use: tiny}}
    training:
      epochs: 16
      batch_size: 16
      parts: {{strong: 8, weak: 4, unlabelled: 4}}
      teacher: {{decay: 0.8, warmup_epochs: 2.0}}
      optimizer: {{Adam: {{learning_rate: 0.02}}}}
      schedule: {{warmup_epochs: 2.0}}
    postprocess: {{median_seconds: 0.2}}
    export: {{formats: [float32]}}
    evaluation: {{bootstrap: 20}}
    paths: {{runs: {folder}/runs, cache: {folder}/cache, demo: {folder}/demo}}
    demo:
      model: {{use: tiny}}
      training:
        epochs: 2
        batch_size: 4
        parts: {{strong: 2, weak: 1, unlabelled: 1}}
        schedule: {{warmup_epochs: 1.0}}
        optimizer: {{Adam: {{learning_rate: 0.02}}}}
"""


def soundscape(rng: np.random.Generator, *, events: int) -> tuple[np.ndarray, list[Event]]:
    """Noise with so many tones of different classes; what sounds when."""
    samples = 0.01 * rng.standard_normal(round(RATE * SECONDS))
    time = np.arange(len(samples)) / RATE
    found = []
    for label in sorted(rng.choice(CLASSES, events, replace=False).tolist()):
        length = rng.uniform(0.4, 1.2)
        onset = round(rng.uniform(0, SECONDS - length), 3)
        event = Event(label, onset, round(onset + length, 3))
        there = (time >= event.onset) & (time < event.offset)
        pitch = TONES[label] * rng.uniform(0.95, 1.05)
        samples += 0.2 * there * np.sin(2 * np.pi * pitch * time)
        found.append(event)
    return samples, found


def write_desed(folder: Path) -> Path:
    """Write the tree: tables as the challenge has them, of real clips their lengths too."""
    rng = np.random.default_rng(17)
    for part, count in COUNTS.items():
        (folder / "audio" / part).mkdir(parents=True)
        known = {}
        for number in range(count):
            name = f"{part.split('/')[1]}_{number}.wav"
            labelled = part != "train/unlabel_in_domain"
            least = 1 if part == "train/weak" else 0
            events = int(rng.integers(least, 3)) if labelled else number % 3
            samples, known[name] = soundscape(rng, events=events)
            soundfile.write(folder / "audio" / part / name, samples, RATE)
        write_tables(folder / "metadata" / part, known)
    return folder


def write_tables(path: Path, known: dict[str, list[Event]]) -> None:
    """Write what a part's clips are told by: events, labels, or names; and their lengths."""
    table = path.with_name(f"{path.name}.tsv")
    if path.name == "weak":
        labels = {name: [event.label for event in events] for name, events in known.items()}
        event_tables.write_weak(table, labels.items())
    elif path.name == "unlabel_in_domain":
        event_tables.write_names(table, known)
    else:
        rows = [(name, event) for name, events in known.items() for event in events or [None]]
        event_tables.write_strong(table, rows)
    if path.parent.name != "train":
        durations = path.with_name(f"{path.name}_durations.tsv")
        event_tables.write_durations(durations, ((name, SECONDS) for name in known))


def write_tiny_sed(folder: Path) -> Path:
    """Write the parameter file of the tiny sets; runs and cache lie in the folder."""
    path = folder / "tiny.yaml"
    path.write_text(TINY_SED.format(folder=folder))
    return path
