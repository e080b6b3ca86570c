"""How near separated signals are to the true ones: SI-SDR, its improvement, SDR, best order.

SI-SDR is that of J. Le Roux, S. Wisdom, H. Erdogan and J. R. Hershey, SDR - half-baked or well
done?, ICASSP 2019 (arXiv 1811.02508), equation 3; with means removed it is the SI-SNR of
Y. Luo and N. Mesgarani, Conv-TasNet, IEEE/ACM TASLP 27(8), 2019 (arXiv 1809.07454), equation 6.
SDR over a whole song is the score of the Music Demixing Challenge 2021 (Y. Mitsufuji et al.,
Frontiers in Signal Processing 1, 2022, arXiv 2108.13559), often called uSDR. It is another number
than the median over frames that BSS Eval gives (:mod:`utils.metrics.bss_eval`).

Estimates come first, references second.
"""

from typing import NamedTuple

import numpy as np

LEAST = 1e-15  # share of the estimate's energy that target and error are at least held to be
LIMIT = -10.0 * float(np.log10(LEAST))  # dB: SI-SDR lies within ±150
STILL = 1e-26  # share of the energy below which what is left without the mean is rounding
DELTA = 1e-7  # added to both energies of the SDR, as published


class Permuted(NamedTuple):
    """Estimates in the order that suits the references.

    Attributes:
        order: (..., sources), which estimate belongs to each reference.
        scores: SI-SDR of each reference with its estimate, (..., sources), dB.
    """

    order: np.ndarray
    scores: np.ndarray


def si_sdr(estimates: np.ndarray, references: np.ndarray, *, zero_mean: bool = True) -> np.ndarray:
    """Scale-invariant signal-to-distortion ratio, 10 lg (‖αs‖² / ‖ŝ - αs‖²), α = ⟨ŝ, s⟩ / ‖s‖².

    Neither the scale of the estimate ŝ nor that of the reference s matters, nor the sign. Both
    energies are held to be at least 1e-15 of the estimate's, so the score lies within ±150 dB and
    is exact between: the limits stand for a perfect and for a worthless estimate. Silent signals
    follow: an estimate that sounds where the reference is silent, or is silent where the reference
    sounds, has -150 dB; silence for silence is perfect, 150 dB. Such scores say no more than that;
    a mean over clips should leave silent references out.

    Args:
        estimates: (..., samples).
        references: (..., samples); the axes before samples may broadcast.
        zero_mean: take the mean off both signals first: SI-SNR. A constant is silent then.

    Returns:
        float64 (...) in dB.

    Raises:
        ValueError: when lengths differ or are 0, or samples are not finite.
    """
    estimates, references = _same_length(estimates, references)
    estimates, references = (_scaled(each, zero_mean) for each in (estimates, references))
    energy = _inner(references, references)
    share = _inner(estimates, references) / np.where(energy > 0, energy, 1.0)
    target = share**2 * energy
    error = share[..., np.newaxis] * references
    error = np.subtract(estimates, error, out=error)
    whole = _inner(estimates, estimates) + np.zeros_like(energy)
    least = LEAST * np.where(whole > 0, whole, 1.0)
    scores = 10.0 * np.log10(np.maximum(target, least) / np.maximum(_inner(error, error), least))
    silent = whole == 0
    scores = np.where(silent, np.where(energy > 0, -LIMIT, LIMIT), scores)
    return np.clip(scores, -LIMIT, LIMIT)


def si_sdr_improvement(
    estimates: np.ndarray,
    references: np.ndarray,
    mixture: np.ndarray,
    *,
    zero_mean: bool = True,
    permute: bool = False,
) -> np.ndarray:
    """SI-SDR of estimates minus that of the mixture taken as an estimate of each source.

    Args:
        estimates: (..., sources, samples).
        references: of the same shape.
        mixture: (..., samples).
        zero_mean: as in :func:`si_sdr`.
        permute: put the estimates in the best order first (:func:`permuted`), where the order means
            nothing: speakers, not stems.

    Returns:
        float64 (..., sources) in dB, by reference.

    Raises:
        ValueError: for shapes that differ, or as :func:`si_sdr`.
    """
    estimates, references = _same_sources(estimates, references)
    mixture = np.asarray(mixture)
    if mixture.shape != (*references.shape[:-2], references.shape[-1]):
        raise ValueError(
            f"a mixture (..., samples) for sources {references.shape} is needed, "
            f"received {mixture.shape}"
        )
    if permute:
        scores = permuted(estimates, references, zero_mean=zero_mean).scores
    else:
        scores = si_sdr(estimates, references, zero_mean=zero_mean)
    return scores - si_sdr(mixture[..., np.newaxis, :], references, zero_mean=zero_mean)


def permuted(estimates: np.ndarray, references: np.ndarray, *, zero_mean: bool = True) -> Permuted:
    """SI-SDR under the order of estimates that gives the largest sum, each clip by itself.

    Args:
        estimates: (..., sources, samples), in any order.
        references: of the same shape.
        zero_mean: as in :func:`si_sdr`.

    Returns:
        The order and the scores, by reference.
        ``np.take_along_axis(estimates, order[..., np.newaxis], axis=-2)`` are the estimates in the
        order of the references.

    Raises:
        ValueError: for shapes that differ, or as :func:`si_sdr`.
    """
    estimates, references = _same_sources(estimates, references)
    pairs = np.stack(
        [
            si_sdr(estimate[..., np.newaxis, :], references, zero_mean=zero_mean)
            for estimate in np.moveaxis(estimates, -2, 0)
        ],
        axis=-2,
    )  # (..., estimates, references)
    sources = pairs.shape[-1]
    order = np.array([assign(scores) for scores in pairs.reshape(-1, sources, sources)], np.intp)
    order = order.reshape(*pairs.shape[:-2], sources)
    return Permuted(order, np.take_along_axis(pairs, order[..., np.newaxis, :], axis=-2)[..., 0, :])


def assign(scores: np.ndarray) -> np.ndarray:
    """Which estimate to give to each reference so that the sum of scores is largest.

    Found by the Hungarian method (D. F. Crouse, IEEE Trans. AES 52(4), 2016, in scipy), not by
    trying all orders: ten speakers take no longer than two.

    Args:
        scores: (estimates, references), finite; estimates may be more than references.

    Returns:
        int (references,), indices of estimates, each at most once.

    Raises:
        ValueError: for NaN or infinite scores, or fewer estimates than references.
    """
    from scipy.optimize import linear_sum_assignment

    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[0] < scores.shape[1]:
        raise ValueError(
            "scores (estimates, references) with an estimate for each reference are needed, "
            f"received {scores.shape}"
        )
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite, received NaN or infinity")
    return linear_sum_assignment(scores.T, maximize=True)[1]


def sdr(estimates: np.ndarray, references: np.ndarray, *, delta: float = DELTA) -> np.ndarray:
    """Signal-to-distortion ratio of a whole signal, 10 lg ((Σs² + δ) / (Σ(ŝ - s)² + δ)): uSDR.

    Sums go over all samples and channels. Scale matters. With δ = 1e-7, as published for signals of
    full scale ±1, silence for silence gives 0 dB and an exact estimate the level of its energy over
    1e-7.

    Args:
        estimates: (..., samples, channels); mono has one channel.
        references: of the same shape.
        delta: δ, in squared units of a sample.

    Returns:
        float64 (...) in dB.

    Raises:
        ValueError: for shapes that differ or have no channels, samples that are not finite, or a
            delta that is not positive.
    """
    estimates, references = np.asarray(estimates), np.asarray(references)
    if estimates.shape != references.shape or estimates.ndim < 2:
        raise ValueError(
            "estimates and references of the same shape (..., samples, channels) are needed, "
            f"received {estimates.shape} and {references.shape}"
        )
    if not delta > 0:
        raise ValueError(f"a positive delta is needed, received {delta}")
    _check_finite(estimates, references)
    references = references.astype(np.float64)
    errors = references - estimates
    energies = (np.sum(np.square(each), axis=(-2, -1)) + delta for each in (references, errors))
    return np.asarray(10.0 * np.log10(np.divide(*energies)))


def _inner(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Inner product over samples."""
    return np.asarray(np.einsum("...n,...n->...", first, second))


def _scaled(signals: np.ndarray, zero_mean: bool) -> np.ndarray:
    """float64 with a peak of 1, so that no energy underflows; silence is exactly 0."""
    signals = signals.astype(np.float64)
    signals /= _peak(signals)
    if zero_mean:
        mean = signals.mean(axis=-1, keepdims=True)
        signals -= mean
        left = _inner(signals, signals)[..., np.newaxis]
        signals *= left > STILL * signals.shape[-1] * mean**2
        signals /= _peak(signals)
    return signals


def _peak(signals: np.ndarray) -> np.ndarray:
    """Largest amplitude (..., 1), 1 of silence; without a copy of the signals."""
    peak = np.maximum(signals.max(axis=-1, keepdims=True), -signals.min(axis=-1, keepdims=True))
    return np.where(peak > 0, peak, 1.0)


def _same_length(estimates: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays of equal last axis, finite."""
    estimates, references = np.asarray(estimates), np.asarray(references)
    lengths = {each.shape[-1] if each.ndim else 0 for each in (estimates, references)}
    if len(lengths) > 1 or 0 in lengths:
        raise ValueError(
            "estimates and references (..., samples) of the same length are needed, "
            f"received {estimates.shape} and {references.shape}"
        )
    _check_finite(estimates, references)
    return estimates, references


def _check_finite(estimates: np.ndarray, references: np.ndarray) -> None:
    if not (np.isfinite(estimates).all() and np.isfinite(references).all()):
        raise ValueError("estimates and references must be finite, received NaN or infinity")


def _same_sources(estimates: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays of one shape (..., sources, samples)."""
    estimates, references = np.asarray(estimates), np.asarray(references)
    if estimates.shape != references.shape or estimates.ndim < 2:
        raise ValueError(
            "estimates and references of the same shape (..., sources, samples) are needed, "
            f"received {estimates.shape} and {references.shape}"
        )
    return estimates, references
