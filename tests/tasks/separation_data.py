"""Songs of a low and a high stem, utterances that are tones, and sets that learn to part them."""

from pathlib import Path

import numpy as np
import soundfile

RATE = 8000
SONGS = {"train": "ABCDEF", "test": "XY"}

TINY = """
models:
  tiny:                                 # a mask of each stem from all bins of a frame
    - {{Permute: {{dims: [1, 3, 2]}}, from: input}}
    - Dense: {{units: 129}}
    - Permute: {{dims: [1, 3, 2], name: low}}
    - {{Permute: {{dims: [1, 3, 2]}}, from: input}}
    - Dense: {{units: 129}}
    - Permute: {{dims: [1, 3, 2], name: high}}
    - {{Stack: {{axis: 1}}, from: [low, high]}}
    - Activation: {{activation: sigmoid}}
    - Identity: {{name: masks}}
    - {{Multiply: {{}}, from: [masks, input]}}
sets:
  - set_id: tiny
    based_on: task_separation
    description: a network that trains in seconds
    dataset:
      music: {{stems: {{low: [bass, drums], high: [vocals, other]}}}}
      validation: {{amount: 0.3}}
    audio: {{sample_rate: 8000, seconds: 0.4}}
    features: {{n_fft: 256, window_seconds: 0.032, hop_seconds: 0.008, frames: 32, bins: 129}}
    model: {{use: tiny}}
    segments: {{train: 64, validation: 3}}
    separation: {{frames: 64}}            # twice those of training
    training:
      {{epochs: 8, batch_size: 8, optimizer: {{Adam: {{learning_rate: 0.01}}}},
      schedule: {{kind: constant, warmup_epochs: 0.0}}}}
    export: {{formats: [float32, float16, dynamic], calibration_clips: 2}}
    evaluation: {{bootstrap: 50}}
    report: {{examples: 1}}
    paths: {{runs: {folder}/runs, cache: {folder}/cache, demo: {folder}/demo}}
  - set_id: tiny_voices
    based_on: svoice_small
    description: a network of waveforms that trains in seconds
    dataset: {{speakers: {{train: 8, validation: 3, test: 3}}}}
    audio: {{sample_rate: 8000, seconds: 0.25}}
    separation: {{seconds: 0.5}}
    model:
      use: svoice_small
      constants: {{FILTERS: 8, UNITS: 4, PAIRS: 1, CHUNK: 16, POOL: 1, KERNEL: 8}}
    training: {{epochs: 2, batch_size: 4, schedule: {{kind: constant, warmup_epochs: 0.0}}}}
    export: {{formats: [float32], calibration_clips: 2}}
    evaluation: {{bootstrap: 50}}
    paths: {{runs: {folder}/runs, cache: {folder}/cache, demo: {folder}/demo}}
"""


GAINS = (
    "model.layers=[Conv1D: {filters: 2, kernel_size: 1}, Permute: {dims: [2, 1]}, "
    "Reshape: {target_shape: [1, 2, -1]}]"
)
"""Another network for tiny_voices, of a gain for each speaker: quick where nothing is learnt."""


def write_tiny_separation(folder: Path) -> Path:
    """Write the parameter file of the tiny sets; runs and cache lie in the folder."""
    path = folder / "tiny.yaml"
    path.write_text(TINY.format(folder=folder))
    return path


def write_songs(folder: Path) -> Path:
    """Write songs in the layout of MUSDB18-HQ: low and high tones of random places and pitches."""
    rng = np.random.default_rng(17)
    for part, names in SONGS.items():
        for name in names:
            stems = {
                stem: tones(rng, low=low, seconds=3.0)
                for stem, low in (
                    *(("bass", True), ("drums", True)),
                    *(("vocals", False), ("other", False)),
                )
            }
            place = folder / part / name
            place.mkdir(parents=True)
            for stem, samples in {**stems, "mixture": sum(stems.values())}.items():
                soundfile.write(place / f"{stem}.wav", samples, RATE, subtype="FLOAT")
    return folder


def tones(rng, *, low: bool, seconds: float) -> np.ndarray:
    """Tones of a tenth of a second below 1.5 kHz or above 2 kHz, stereo, (samples, 2)."""
    length = RATE // 10
    notes = []
    for _ in range(round(seconds * 10)):
        pitch = rng.uniform(200, 1500) if low else rng.uniform(2000, 3800)
        sides = rng.uniform(0.02, 0.1, 2)
        wave = np.sin(2 * np.pi * pitch * np.arange(length) / RATE + rng.uniform(0, 6))
        notes.append(np.outer(wave * np.hanning(length), sides))
    return np.concatenate(notes)


def write_utterances(folder: Path) -> Path:
    """Write two utterances of each of twelve speakers: tones in a folder each."""
    rng = np.random.default_rng(19)
    for speaker in range(12):
        (folder / f"speaker{speaker}").mkdir(parents=True)
        for number in range(2):
            samples = tones(rng, low=bool(speaker % 2), seconds=rng.uniform(0.6, 1.5))[:, 0]
            soundfile.write(folder / f"speaker{speaker}" / f"{number}.flac", samples, RATE)
    return folder
