"""BSS Eval version 4: what of an estimate is source, distortion, interference and artefact.

A. Liutkus, F.-R. Stöter and N. Ito, The 2018 Signal Separation Evaluation Campaign, LVA/ICA 2018;
E. Vincent, R. Gribonval and C. Févotte, Performance Measurement in Blind Audio Source Separation,
IEEE TASLP 14(4), 2006. An estimate is split, ŝ = s + e_spat + e_interf + e_artif, by two
least-squares projections: P_own on its own reference delayed by 0 to 511 samples, P_all on all
references so delayed. e_spat = P_own - s, e_interf = P_all - P_own, e_artif = ŝ - P_all. Filters
are those of the whole signal, ratios those of frames.

The numbers are those of ``museval.metrics.bss_eval`` 0.4.1, reached by another way: signals are
read in blocks, correlations are sums of cross-spectra, each matrix of correlations is factorised
once for all estimates, and each frame is filtered in blocks. Memory besides the signals is that of
the matrix, (sources × channels × taps)² numbers, whatever the length of signals and frames.

SDR needs no filter and is always exact. The others, SIR and SAR above all, hang on rounding where
references have bands with nothing in them (float signals behind a steep low-pass, steady tones):
there museval is 10 dB apart from itself once all signals are multiplied by 0.7. The noise of 16-bit
files is enough to make them certain again.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

BLOCK = 2**14  # samples of a transform: its spectra stay in the cache
EPSILON = float(np.finfo(np.float64).eps)  # on the diagonal of the correlations, as in museval
STEP = 100.0  # from one trial of the diagonal to the next
LARGEST = 1e100  # samples; the squares of larger ones are not finite in sums


class BssEval(NamedTuple):
    """Ratios in dB, each (sources, frames), of the estimate that is meant for a source.

    Attributes:
        sdr: source to distortion, ‖s‖² / ‖ŝ - s‖²: everything that is wrong.
        isr: source image to spatial distortion, ‖s‖² / ‖e_spat‖²: what a filter would mend.
        sir: source to interference, ‖s + e_spat‖² / ‖e_interf‖²: what leaks from other sources.
        sar: source to artefacts, ‖s + e_spat + e_interf‖² / ‖e_artif‖²: what no source explains.
    """

    sdr: np.ndarray
    isr: np.ndarray
    sir: np.ndarray
    sar: np.ndarray


def bss_eval(
    references: np.ndarray, estimates: np.ndarray, *, window: int, hop: int, taps: int = 512
) -> BssEval:
    """BSS Eval v4 of images, in the order given (nothing is permuted).

    A frame in which any reference or any estimate is silent has no score, and no source has one
    there: the split would not be unique. Silent means, as in museval, that the sum over channels is
    0 in every sample, so two channels in exact antiphase count as silent. A reference or estimate
    that is silent throughout leaves every frame without a score (museval stops with an error).
    Samples after the last whole frame count for the filters only.

    Args:
        references: true sources (sources, samples, channels).
        estimates: of the same shape and order.
        window: samples of a frame, 1 s in the published tables; the whole signal is one frame where
            it is not longer.
        hop: samples from one frame to the next, 1 s in the published tables.
        taps: length of the distortion filters in samples.

    Returns:
        float64 in dB; NaN in frames without a score, infinite where there is nothing of the
        distortion (sir of a single source).

    Raises:
        ValueError: when shapes are not as above, nothing is there, lengths are below 1, or samples
            are not finite and below 1e100.
    """
    references, estimates = np.asarray(references), np.asarray(estimates)
    _check(references, estimates, window=window, hop=hop, taps=taps)
    sources, samples, _ = references.shape
    frames = [slice(start, start + window) for start in range(0, samples - window + 1, hop)]
    frames = frames or [slice(0, samples)]
    scores = np.full((4, sources, len(frames)), np.nan)
    pairs = [(references[:, frame], estimates[:, frame]) for frame in frames]
    scored = [number for number, pair in enumerate(pairs) if not any(map(_any_silent, pair))]
    if scored:
        every, own = _distortion_filters(references, estimates, taps)
        size = _transform_size(min(window, samples) + taps - 1, taps)
        spectra = _spectra(every, size), _spectra(own, size)
        for number in scored:
            scores[:, :, number] = _ratios(*pairs[number], *spectra, size=size, taps=taps)
    return BssEval(*scores)


def medians(scores: BssEval) -> BssEval:
    """Median over frames of each ratio, as the published tables have it.

    Frames without a score or with an infinite one are left out, as in museval's tables.

    Args:
        scores: ratios (sources, frames).

    Returns:
        Ratios (sources,) in dB; NaN for a source without a finite score.
    """
    return BssEval(*(np.array([_median(row) for row in ratio]) for ratio in scores))


def _median(row: np.ndarray) -> float:
    finite = row[np.isfinite(row)]
    return float(np.median(finite)) if finite.size else float("nan")


def _check(
    references: np.ndarray, estimates: np.ndarray, *, window: int, hop: int, taps: int
) -> None:
    """Refuse what has no meaning."""
    if references.ndim != 3 or references.shape != estimates.shape or not references.size:
        raise ValueError(
            "references and estimates of the same shape (sources, samples, channels) are needed, "
            f"received {references.shape} and {estimates.shape}"
        )
    if min(window, hop, taps) < 1:
        raise ValueError(
            f"window, hop and taps of at least 1 are needed, received {window}, {hop} and {taps}"
        )


def _any_silent(signals: np.ndarray) -> bool:
    """Whether one of the signals (sources, samples, channels) is silent."""
    starts = range(0, signals.shape[1], BLOCK)
    return any(
        not any(signal[start : start + BLOCK].sum(axis=1).any() for start in starts)
        for signal in signals
    )


def _transform_size(length: int, taps: int) -> int:
    """Samples of a transform that filters ``length`` samples in blocks without waste."""
    from scipy.fft import next_fast_len

    longest = max(BLOCK, 8 * taps) - taps + 1
    blocks = -(-length // longest)
    return next_fast_len(-(-length // blocks) + taps - 1, real=True)


def _blocks(signals: np.ndarray, length: int, *, step: int, before: int) -> Iterator[np.ndarray]:
    """Stretches of signals, each with the samples before it, 0 where there are none.

    Args:
        signals: (sources, samples, channels).
        length: samples that are covered, from the first one on; may go beyond the end.
        step: samples from one stretch to the next.
        before: samples that come before each stretch.

    Yields:
        float64 (sources × channels, before + step).
    """
    sources, samples, channels = signals.shape
    for start in range(0, length, step):
        first, last = max(start - before, 0), min(start + step, samples)
        block = np.zeros((sources, channels, before + step))
        place = first - start + before
        if last > first:
            block[:, :, place : place + last - first] = signals[:, first:last].transpose(0, 2, 1)
        yield block.reshape(sources * channels, before + step)


def _correlations(references: np.ndarray, estimates: np.ndarray, taps: int) -> np.ndarray:
    """Inner products of signals with delayed references, sum over n of x[n] s[n - delay].

    Returns:
        (signals, references, taps): all channels of references, then all channels of estimates,
        with each channel of references, at each delay.
    """
    from scipy.fft import irfft, rfft

    sources, samples, channels = references.shape
    inputs = sources * channels
    size = _transform_size(samples, taps)
    shape = {"step": size - taps + 1, "before": taps - 1}
    sums = np.zeros((2 * inputs, inputs, size // 2 + 1), dtype=np.complex128)
    for delayed, estimated in zip(
        _blocks(references, samples, **shape),
        _blocks(estimates, samples, **shape),
        strict=True,
    ):
        signals = np.concatenate([delayed, estimated])
        if not np.abs(signals).max() < LARGEST:
            raise ValueError("references and estimates must be finite and below 1e100")
        spectra = rfft(delayed).conj()
        signals[:, : taps - 1] = 0.0  # belongs to the block before
        for row, spectrum in zip(sums, rfft(signals), strict=True):
            row += spectrum * spectra
    return irfft(sums, n=size)[:, :, :taps]


def _distortion_filters(
    references: np.ndarray, estimates: np.ndarray, taps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Filters from references to estimates by least squares.

    Returns:
        On all references (sources, channels, sources × channels, taps), estimate before reference;
        on the estimate's own (sources, channels, channels, taps).
    """
    sources, _, channels = references.shape
    inputs = sources * channels
    found = _correlations(references, estimates, taps)
    among, with_estimates = found[:inputs], found[inputs:]
    every = _solved(among, with_estimates)
    every = every.reshape(sources, channels, inputs, taps)
    if sources == 1:
        return every, every
    own = []
    for first in range(0, inputs, channels):
        of = slice(first, first + channels)
        own.append(_solved(among[of, of], with_estimates[of, of]))
    return every, np.stack(own)


def _solved(among: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Least-squares filters by the normal equations.

    The matrix is positive definite but for rounding. Where rounding wins (two equal channels, a
    steady tone), filters are not unique: a little is added to the diagonal, in steps from the size
    of rounding, until there is a factorisation.

    Args:
        among: correlations of the inputs (inputs, inputs, taps), as :func:`_correlations`.
        targets: correlations of what is to be explained with the inputs (outputs, inputs, taps).

    Returns:
        (outputs, inputs, taps).
    """
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    sides = targets.reshape(len(targets), -1).T
    rounding = EPSILON * np.trace(among[:, :, 0]) * among.shape[2]
    ridge = EPSILON
    while True:
        try:
            matrix = _matrix(among, ridge)
            factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
            return cho_solve(factor, sides, check_finite=False).T.reshape(targets.shape)
        except LinAlgError:
            ridge = max(rounding, STEP * ridge)


def _matrix(among: np.ndarray, ridge: float) -> np.ndarray:
    """Correlations of every delayed input with every other, plus a ridge on the diagonal.

    Returns:
        (inputs × taps, inputs × taps), in Fortran's order; what is above the diagonal is not set.
    """
    from scipy.linalg import toeplitz

    inputs, _, taps = among.shape
    matrix = np.empty((inputs * taps, inputs * taps), order="F")
    for row in range(inputs):
        for column in range(row + 1):
            rows, columns = (slice(of * taps, (of + 1) * taps) for of in (row, column))
            matrix[rows, columns] = toeplitz(among[column, row], among[row, column])
    matrix[np.diag_indices_from(matrix)] += ridge
    return matrix


def _spectra(filters: np.ndarray, size: int) -> np.ndarray:
    """Spectra of filters (..., taps) -> (..., bins)."""
    from scipy.fft import rfft

    return rfft(filters, n=size)


def _ratios(
    references: np.ndarray,
    estimates: np.ndarray,
    every: np.ndarray,
    own: np.ndarray,
    *,
    size: int,
    taps: int,
) -> np.ndarray:
    """SDR, ISR, SIR and SAR (4, sources) of one frame, the tails of its filters included."""
    sources, samples, channels = references.shape
    length = samples + taps - 1
    shape = {"step": size - taps + 1, "before": taps - 1}
    energies = np.zeros((8, sources))
    for true, estimated in zip(
        _blocks(references, length, **shape), _blocks(estimates, length, **shape), strict=True
    ):
        images = _projections(true, every, own, size=size)
        signals = (each.reshape(sources, channels, size) for each in (true, estimated))
        source, estimate, of_all, of_own = (
            each[:, :, taps - 1 :] for each in (*signals, *images)
        )  # what comes before belongs to the block before; beyond the end all are 0
        parts = (
            *(source, source, of_own, of_all),
            *(estimate - source, of_own - source, of_all - of_own, estimate - of_all),
        )
        energies += [np.einsum("sct,sct->s", part, part) for part in parts]
    with np.errstate(divide="ignore", invalid="ignore"):
        decibels = 10.0 * np.log10(energies[:4] / energies[4:])
    return np.where(energies[4:] == 0.0, np.inf, decibels)


def _projections(
    true: np.ndarray, every: np.ndarray, own: np.ndarray, *, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """References (sources × channels, size), filtered: images (sources, channels, size) twice."""
    from scipy.fft import irfft, rfft

    sources, channels = every.shape[:2]
    spectra = rfft(true)
    image = np.einsum("scif,if->scf", every, spectra)
    if sources == 1:
        found = irfft(image, n=size)
        return found, found
    own_image = np.einsum("scif,sif->scf", own, spectra.reshape(sources, channels, -1))
    return irfft(image, n=size), irfft(own_image, n=size)
