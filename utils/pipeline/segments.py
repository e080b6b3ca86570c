"""Stretches of long files that separation is learnt from: mixtures and what they are made of.

A song gives a stretch of its mixture and the same stretch of its stems; with *remixing*, stems of
different songs are added up instead. Single utterances are mixed of different speakers. Both are
drawn for every step from (seed, epoch, step), as clips of words are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from utils.audio import read_stretch
from utils.config.schema import SegmentSettings
from utils.pipeline.sources import generator

_SEGMENTS = 2  # stream of random numbers, beside those of utils.pipeline.sources


@dataclass(frozen=True)
class Track:
    """A mixture and its stems as files of one rate.

    Attributes:
        mixture: its file.
        stems: of each thing to be separated the files whose sum is its sound.
        frames: samples of a channel.
    """

    mixture: Path
    stems: tuple[tuple[Path, ...], ...]
    frames: int

    @property
    def files(self) -> tuple[Path, ...]:
        """All of its files, each once."""
        return tuple(dict.fromkeys([self.mixture, *(file for stem in self.stems for file in stem)]))


@dataclass(frozen=True)
class Stretches:
    """Reads stretches of files, from memory where they were put there.

    Attributes:
        channels: 1 or 2.
        kept: whole files, float32 (frames, channels), by path.
    """

    channels: int
    kept: Mapping[Path, np.ndarray] = field(default_factory=dict)

    def holding(self, files: Mapping[Path, int], limit_bytes: float) -> "Stretches":
        """The same with files (and their samples) in memory, if all fit."""
        if 4 * self.channels * sum(files.values()) > limit_bytes:
            return self
        return replace(self, kept={path: self(path, 0, frames) for path, frames in files.items()})

    def __call__(self, path: Path, start: int, frames: int) -> np.ndarray:
        """Samples (frames, channels) from ``start`` on; zeros where the file has none."""
        if path not in self.kept:
            return read_stretch(path, start=start, frames=frames, channels=self.channels)
        whole, stretch = self.kept[path], np.zeros((frames, self.channels), np.float32)
        first, last = max(0, start), min(len(whole), start + frames)
        if last > first:
            stretch[first - start : last - start] = whole[first:last]
        return stretch

    def sum(self, paths: Sequence[Path], start: int, frames: int) -> np.ndarray:
        """Sum of the same stretch of several files."""
        total = self(paths[0], start, frames)
        for path in paths[1:]:
            total = total + self(path, start, frames)
        return total


@dataclass(frozen=True)
class Segments:
    """Random stretches of songs with their stems.

    Every song is as likely as any other, every start in it too. A stretch is the mixture as the
    song has it; where stems change their level or come from several songs, it is their sum, and
    what the song of the first stem has besides its stems.

    Attributes:
        tracks: the songs, all of one rate.
        samples: length of a stretch.
        channels: 1 or 2.
        settings: how many an epoch has, and what is changed.
        stretches: reads the files.
        have_more: whether mixtures have something besides their stems.
    """

    tracks: tuple[Track, ...]
    samples: int
    channels: int
    settings: SegmentSettings
    stretches: Stretches | None = None
    have_more: bool = False

    @property
    def per_epoch(self) -> int:
        """Stretches of an epoch."""
        return self.settings.train

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """(samples, channels) of a mixture, (stems, samples, channels) of its targets."""
        stretch = self.samples, self.channels
        return stretch, (len(self.tracks[0].stems), *stretch)

    @property
    def clip_bytes(self) -> int:
        """Memory of a mixture and its stems."""
        return 4 * self.samples * self.channels * (1 + len(self.tracks[0].stems))

    @property
    def _read(self) -> Stretches:
        return self.stretches or Stretches(self.channels)

    def held(self, limit_bytes: float) -> "Segments":
        """The same; all files in memory, if they fit."""
        files = {path: track.frames for track in self.tracks for path in track.files}
        return replace(self, stretches=self._read.holding(files, limit_bytes))

    def batch(
        self, count: int, *, seed: int, epoch: int, step: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mixtures (count, samples, channels) and stems (count, stems, samples, channels)."""
        rng = generator(seed, _SEGMENTS, epoch, step)
        drawn = [self._draw(rng) for _ in range(count)]
        mixtures, stems = zip(*drawn, strict=True)
        return np.stack(mixtures), np.stack(stems)

    def _draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        number = len(self.tracks[0].stems)
        remixed = rng.random() < self.settings.remix
        songs = rng.integers(len(self.tracks), size=number if remixed else 1)
        starts = [self._start(rng, self.tracks[song]) for song in songs.tolist()]
        gains_db = rng.uniform(-self.settings.gain_db, self.settings.gain_db, number)
        places = list(zip(songs.tolist(), starts, strict=True)) * (1 if remixed else number)
        stems = np.stack(
            [
                self._read.sum(self.tracks[song].stems[stem], start, self.samples)
                for stem, (song, start) in enumerate(places)
            ]
        )
        if not remixed and self.settings.gain_db == 0.0:
            (song, start) = places[0]
            return self._read(self.tracks[song].mixture, start, self.samples), stems
        stems *= (10.0 ** (gains_db / 20.0)).astype(np.float32)[:, np.newaxis, np.newaxis]
        mixture = stems.sum(axis=0)
        return (mixture + self._rest(*places[0]) if self.have_more else mixture), stems

    def _rest(self, song: int, start: int) -> np.ndarray:
        """What a song has besides its stems."""
        track = self.tracks[song]
        known = sum(self._read.sum(stem, start, self.samples) for stem in track.stems)
        return self._read(track.mixture, start, self.samples) - known

    def _start(self, rng: np.random.Generator, track: Track) -> int:
        """Where a stretch begins; a song that is shorter stands somewhere in it."""
        spare = track.frames - self.samples
        return int(rng.integers(min(spare, 0), max(spare, 0) + 1))


def even_stretches(
    tracks: Sequence[Track], *, number: int, samples: int, channels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Stretches of every track at fixed places, evenly apart: what a validation is made of.

    Args:
        tracks: at least one.
        number: of each track; one that is no longer than a stretch gives one.
        samples: length of a stretch.
        channels: 1 or 2.

    Returns:
        Mixtures float32 (stretches, samples, channels) and stems (stretches, stems, samples,
        channels).
    """
    read = Stretches(channels)
    mixtures, stems = [], []
    for track in tracks:
        spare = max(0, track.frames - samples)
        places = number if spare else 1
        for place in range(places):
            start = round(spare * (place + 0.5) / places)
            mixtures.append(read(track.mixture, start, samples))
            stems.append(np.stack([read.sum(stem, start, samples) for stem in track.stems]))
    return np.stack(mixtures), np.stack(stems)
