"""Mixtures of different speakers, made of single utterances anew for every training step."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from utils.config.schema import SpeakerSettings
from utils.mixing import speech
from utils.pipeline.segments import Stretches
from utils.pipeline.sources import generator

_VOICES = 3  # stream of random numbers, beside those of the other sources


@dataclass(frozen=True)
class Voices:
    """Utterances of which stretches of mixtures are made.

    Of mixtures that end with their shorter utterance (``min``), each voice's stretch is drawn from
    all of its utterance; of others (``max``) it is a stretch of the mixture, so that voices overlap
    as they do in the files.

    Attributes:
        paths: the utterances, all of one rate.
        frames: int64 (utterances,), their samples.
        rms: float64 (utterances,), their levels, above 0.
        speakers: int64 (utterances,), who speaks.
        samples: length of a stretch.
        settings: how many an epoch has, and how they are mixed.
        stretches: reads the files.

    Raises:
        DataError: when there are fewer speakers than a mixture has.
    """

    paths: tuple[Path, ...]
    frames: np.ndarray
    rms: np.ndarray
    speakers: np.ndarray
    samples: int
    settings: SpeakerSettings
    stretches: Stretches = field(default_factory=lambda: Stretches(1))

    def __post_init__(self) -> None:
        """Refuse utterances of which no mixture can be made."""
        self._draw(np.random.default_rng(0), 1)  # inside tf.data its sentence would be lost

    @property
    def per_epoch(self) -> int:
        """Mixtures of an epoch."""
        return self.settings.train

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """(samples, 1) of a mixture, (speakers, samples, 1) of its sources."""
        return (self.samples, 1), (self.settings.number, self.samples, 1)

    @property
    def clip_bytes(self) -> int:
        """Memory of a mixture and its sources."""
        return 4 * self.samples * (1 + self.settings.number)

    def held(self, limit_bytes: float) -> "Voices":
        """The same; all utterances in memory, if they fit."""
        files = dict(zip(self.paths, self.frames.tolist(), strict=True))
        return replace(self, stretches=self.stretches.holding(files, limit_bytes))

    def batch(
        self, count: int, *, seed: int, epoch: int, step: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mixtures (count, samples, 1) and their sources (count, speakers, samples, 1)."""
        rows, gains_db, starts = self._draw(generator(seed, _VOICES, epoch, step), count)
        mixed = [
            speech.mix(
                [
                    self.stretches(self.paths[row], start, self.samples)[:, 0]
                    for row, start in zip(clip.tolist(), begin.tolist(), strict=True)
                ],
                gains,
                self.rms[clip],
            )
            for clip, gains, begin in zip(rows, gains_db, starts, strict=True)
        ]
        sources, mixtures = zip(*mixed, strict=True)
        return np.stack(mixtures)[..., np.newaxis], np.stack(sources)[..., np.newaxis]

    def _draw(
        self, rng: np.random.Generator, count: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Utterances, levels, and the samples of them that a stretch begins with."""
        asked = self.settings
        recipes = speech.draw(
            rng,
            count,
            speakers=self.speakers,
            lengths=self.frames,
            number=asked.number,
            level_db=asked.level_db,
            length=asked.length,
            overlap=asked.overlap,
        )
        if asked.length == "min":
            lengths = self.frames[recipes.rows]
            starts = speech.draw_stretches(rng, lengths, samples=self.samples)
        else:
            whole = speech.mixture_lengths(recipes, self.frames, length=asked.length)
            begin = speech.draw_stretches(rng, whole, samples=self.samples)
            starts = begin[:, np.newaxis] - recipes.starts
        return recipes.rows, recipes.gains_db, starts
