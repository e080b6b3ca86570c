"""Scores of separated files: SI-SDR and SDR with their improvements, BSS Eval; overall, by stem.

Scores of a file are those of :mod:`utils.metrics.separation` and :mod:`utils.metrics.bss_eval`.
Files are averaged; of BSS Eval, whose published tables are medians, the median over files of the
median over frames is taken. References that are silent are left out, as no ratio tells anything of
them, and counted; BSS Eval splits the other estimates of their files by the references that sound.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.files import or_none
from utils.metrics.bootstrap import bootstrap_intervals
from utils.metrics.bss_eval import bss_eval, medians
from utils.metrics.separation import permuted, sdr, si_sdr

MEANS = ("si_sdr_improvement", "si_sdr", "sdr_improvement", "sdr")
GAINS = ("si_sdr_improvement", "sdr_improvement")
MEDIANS = ("bss_sdr", "bss_isr", "bss_sir", "bss_sar")
BSS_SECONDS = 1.0


@dataclass(frozen=True)
class SeparationScores:
    """Scores in dB; None marks an empty cell.

    Attributes:
        files: number of files.
        seconds: of audio.
        silent: references that were left out.
        silent_files: files that they are in.
        single_files: files in which one reference alone sounds, so that there is no improvement.
        without_bss: files that BSS Eval has no score of: there is no frame in which all references
            and all estimates sound, or every estimate is exact; 0 where it is not computed.
        overall: means over what was separated of the scores of ``per_class``.
        intervals: 95 % bootstrap intervals (low, high) of the means, resampled by file.
        per_class: name -> scores; empty where the order of the sources means nothing.
        per_file: name -> mean improvement of SI-SDR and of SDR.
    """

    files: int
    seconds: float
    silent: int
    silent_files: int
    single_files: int
    without_bss: int
    overall: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    per_class: dict[str, dict[str, float]]
    per_file: dict[str, dict[str, float]]

    def as_dict(self) -> dict[str, Any]:
        """Give the scores as plain data for results.json."""
        return {
            "files": self.files,
            "seconds": self.seconds,
            "silent": self.silent,
            "silent_files": self.silent_files,
            "single_files": self.single_files,
            "without_bss": self.without_bss,
            "overall": _plain(self.overall),
            "intervals": {name: list(pair) for name, pair in self.intervals.items()},
            "per_class": {name: _plain(cell) for name, cell in self.per_class.items()},
            "per_file": {name: _plain(cell) for name, cell in self.per_file.items()},
        }


def _plain(scores: Mapping[str, float]) -> dict[str, float | None]:
    return {name: or_none(score) for name, score in scores.items()}


def in_order(estimates: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Estimates in the order of the references that gives the largest SI-SDR.

    Args:
        estimates: (sources, samples, channels).
        references: of the same shape.
    """
    flat = (each.reshape(len(each), -1) for each in (estimates, references))
    return estimates[permuted(*flat).order]


def score_file(
    estimates: np.ndarray,
    references: np.ndarray,
    mixture: np.ndarray,
    *,
    sample_rate: int,
    bss: bool,
) -> dict[str, np.ndarray]:
    """Score one file.

    The channels of SI-SDR are one signal of many samples, so that one scale is allowed to both. A
    file of less than a second is one frame of BSS Eval. Where a reference is silent, BSS Eval is
    that of the other stems, as museval has it when it is given them alone; given all it stops.

    Stems are scored one by one: besides BSS Eval, memory is that of three float64 copies of a stem.

    Args:
        estimates: (sources, samples, channels), in the order of the references.
        references: of the same shape.
        mixture: (samples, channels).
        sample_rate: hertz.
        bss: whether BSS Eval is computed too, which takes longest.

    Returns:
        Score -> float64 (sources,), NaN for silent references; improvements are NaN too where one
        reference alone sounds.
    """
    sounds = np.asarray(references.any(axis=(1, 2)))
    stems = [_stem(*pair, mixture) for pair in zip(estimates, references, strict=True)]
    found = {name: np.where(sounds, [stem[name] for stem in stems], np.nan) for name in MEANS}
    if sounds.sum() == 1:  # the mixture is that stem: nothing can be better
        found |= dict.fromkeys(GAINS, np.full(len(sounds), np.nan))
    if bss:
        found |= _bss(estimates, references, sounds, sample_rate=sample_rate)
    return found


def _stem(estimate: np.ndarray, reference: np.ndarray, mixture: np.ndarray) -> dict[str, float]:
    """Scores of one stem (samples, channels)."""
    own, mixed = (
        {"si_sdr": si_sdr(each.ravel(), reference.ravel()), "sdr": sdr(each, reference)}
        for each in (estimate, mixture)
    )
    gains = {f"{name}_improvement": float(own[name] - mixed[name]) for name in own}
    return gains | {name: float(score) for name, score in own.items()}


def _bss(
    estimates: np.ndarray, references: np.ndarray, sounds: np.ndarray, *, sample_rate: int
) -> dict[str, np.ndarray]:
    """Medians over frames of BSS Eval v4 of the stems that sound; NaN for what has no frame."""
    found = np.full((len(MEDIANS), len(references)), np.nan)
    if sounds.any():
        which = slice(None) if sounds.all() else sounds  # all of them without a copy
        frame = round(BSS_SECONDS * sample_rate)
        found[:, which] = medians(
            bss_eval(references[which], estimates[which], window=frame, hop=frame)
        )
    return dict(zip(MEDIANS, found, strict=True))


def summarise(
    scored: Sequence[Mapping[str, np.ndarray]],
    *,
    names: Sequence[str],
    seconds: Sequence[float],
    classes: Sequence[str],
    interchangeable: bool,
    bootstrap: int = 0,
    seed: int = 0,
) -> SeparationScores:
    """Join the scores of files.

    Args:
        scored: of each file, :func:`score_file`.
        names: of the files.
        seconds: of the files.
        classes: what was separated.
        interchangeable: whether its order means nothing, as that of speakers.
        bootstrap: resamples; 0 gives no intervals.
        seed: of the resamples.
    """
    table = {name: np.stack([one[name] for one in scored]) for name in scored[0]}
    silent = np.isnan(table["si_sdr"])
    with_mean = {name: table[name] for name in MEANS}
    per_class = {name: _column_means(values) for name, values in with_mean.items()}
    per_class |= {
        name: np.array([_median(column) for column in table[name].T])
        for name in MEDIANS
        if name in table
    }
    pooled = interchangeable  # then every source of every file counts alike
    overall = {
        name: _mean(table[name] if pooled and name in MEANS else values)
        for name, values in per_class.items()
    }
    return SeparationScores(
        files=len(scored),
        seconds=float(sum(seconds)),
        silent=int(silent.sum()),
        silent_files=int(silent.any(axis=1).sum()),
        single_files=int(((~silent).sum(axis=1) == 1).sum()),
        without_bss=_without_bss(table),
        overall=overall,
        intervals=_intervals(with_mean, pooled=pooled, resamples=bootstrap, seed=seed),
        per_class={}
        if interchangeable
        else {
            label: {name: float(values[place]) for name, values in per_class.items()}
            for place, label in enumerate(classes)
        },
        per_file={
            name: {score: _mean(table[score][row]) for score in MEANS}
            for row, name in enumerate(names)
        },
    )


def _without_bss(table: Mapping[str, np.ndarray]) -> int:
    """Files (files, classes) that BSS Eval was asked about and has no score of."""
    return int(np.isnan(table["bss_sdr"]).all(axis=1).sum()) if "bss_sdr" in table else 0


def _intervals(
    table: Mapping[str, np.ndarray], *, pooled: bool, resamples: int, seed: int
) -> dict[str, tuple[float, float]]:
    """Of the means (files, classes) by name: sums and counts add up over files."""
    stacked = np.stack(list(table.values()), axis=1)  # (files, scores, classes)
    totals = np.stack([np.nan_to_num(stacked), ~np.isnan(stacked)], axis=1)

    def scores_of(sums: np.ndarray) -> dict[str, np.ndarray]:
        if pooled:
            sums = sums.sum(axis=-1, keepdims=True)
        with np.errstate(invalid="ignore"):
            means = _row_means(sums[:, 0] / sums[:, 1])
        return dict(zip(table, means.T, strict=True))

    rng = np.random.default_rng(seed)
    return bootstrap_intervals(totals=totals, scores_of=scores_of, resamples=resamples, rng=rng)


def _row_means(values: np.ndarray) -> np.ndarray:
    """Means over the last axis of what is known."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(values).sum(axis=-1) / known.sum(axis=-1)


def _column_means(values: np.ndarray) -> np.ndarray:
    return _row_means(values.T)


def _mean(values: np.ndarray) -> float:
    return float(_row_means(values.ravel()))


def _median(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else float("nan")
