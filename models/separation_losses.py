"""Losses of networks that separate sources: magnitudes of stems, waveforms in any order.

Each gives one value a clip, which Keras averages over the batch. Only ``keras`` is used, so they
train on every backend. Everything is computed in float32.
"""

from itertools import permutations
from typing import Any

EPSILON = 1e-8  # energies and ratios; as in Conv-TasNet's and SVoice's code
MOST_SOURCES = 6  # 720 orders


def magnitude_l1(truth: Any, estimates: Any) -> Any:
    """Sum over the stems of the mean absolute difference, as Spleeter has and logs it.

    ``sum_i mean_tfc |X_i - M_i|``, X_i what the network gives of stem i.

    Args:
        truth: magnitudes of the stems, (batch, stems, frames, bins, channels).
        estimates: the same of the network.

    Returns:
        (batch,), in the unit of the magnitudes.
    """
    from keras import ops

    difference = ops.abs(ops.cast(estimates, "float32") - ops.cast(truth, "float32"))
    return ops.sum(ops.mean(difference, axis=(2, 3, 4)), axis=1)


def si_snr_pairs(truth: Any, estimates: Any) -> Any:
    """SI-SNR of every estimate against every source.

    With ``s`` and ``e`` after their means are taken off: ``p = <e, s> s / |s|^2``, the score
    ``10 log10(|p|^2 / |e - p|^2)`` (Y. Luo, N. Mesgarani, Conv-TasNet, 2019, equations 14 to 16).
    ``EPSILON`` is added to energies and to the ratio, so that silence on either side gives -80 dB
    and a gradient of 0.

    Args:
        truth: waveforms of the sources, (batch, sources, samples).
        estimates: of the network, (batch, scales, sources, samples).

    Returns:
        dB, (batch, scales, estimates, sources).

    Raises:
        ValueError: where sources or samples differ.
    """
    from keras import ops

    truth, estimates = (ops.cast(x, "float32") for x in (truth, estimates))
    ends = (tuple(truth.shape[1:]), tuple(estimates.shape[2:]))
    if len(truth.shape) != 3 or len(estimates.shape) != 4 or not shapes_fit(*ends):
        raise ValueError(
            "expected (batch, sources, samples) and (batch, scales, sources, samples), received "
            f"{tuple(truth.shape)} and {tuple(estimates.shape)}"
        )
    s = _centred(truth)[:, None, None]  # (batch, 1, 1, sources, samples)
    e = _centred(estimates)[:, :, :, None]
    energy = ops.sum(ops.square(s), axis=-1, keepdims=True) + EPSILON
    projected = ops.sum(e * s, axis=-1, keepdims=True) / energy * s
    kept = ops.sum(ops.square(projected), axis=-1)
    noise = ops.sum(ops.square(e - projected), axis=-1)
    return 10.0 * ops.log10(kept / (noise + EPSILON) + EPSILON)


def shapes_fit(one: tuple[int | None, ...], other: tuple[int | None, ...]) -> bool:
    """Whether two shapes are the same as far as both are known."""
    pairs = zip(one, other, strict=False)
    return len(one) == len(other) and all(None in pair or pair[0] == pair[1] for pair in pairs)


def _centred(waveforms: Any) -> Any:
    """Without the mean over samples."""
    from keras import ops

    samples = ops.cast(ops.shape(waveforms)[-1], "float32")
    return waveforms - ops.sum(waveforms, axis=-1, keepdims=True) / samples


def best_si_snr(truth: Any, estimates: Any) -> Any:
    """Mean SI-SNR over the sources in the order that suits the estimates best.

    All orders are tried. The order is chosen for each clip and each scale.

    Args:
        truth: waveforms of the sources, (batch, sources, samples).
        estimates: of the network, (batch, scales, sources, samples).

    Returns:
        dB, (batch, scales).

    Raises:
        ValueError: for more than six sources, or shapes that do not fit.
    """
    import numpy as np
    from keras import ops

    pairs = si_snr_pairs(truth, estimates)
    sources = int(pairs.shape[-1])
    if sources > MOST_SOURCES:
        raise ValueError(f"{sources} sources have too many orders, {MOST_SOURCES} are possible")
    orders = np.eye(sources, dtype=np.float32)[list(permutations(range(sources)))]
    by_order = ops.einsum("bkes,oes->bko", pairs, ops.convert_to_tensor(orders)) / sources
    return ops.max(by_order, axis=-1)


def scale_weights(scales: int) -> list[float]:
    """Weights of the scales in the loss, ``r / R^2`` for r from 1 to R.

    Later scales weigh more. Their sum is ``(R + 1) / (2 R)``: 0.5833 for six, and 1 for the single
    scale that a network gives in use, so losses of training and of validation differ by it.

    Args:
        scales: how many, R.
    """
    return [number / scales**2 for number in range(1, scales + 1)]


def multi_scale_si_snr(truth: Any, estimates: Any) -> Any:
    """Negative SI-SNR of every scale, weighted: the loss of SVoice.

    ``(1 / R) sum_r (r / R) (-SI-SNR_r)``, sources in the best order (Nachmani, Adi, Wolf 2020,
    section 3.3).

    Args:
        truth: waveforms of the sources, (batch, sources, samples).
        estimates: of the network, (batch, scales, sources, samples).

    Returns:
        -dB, (batch,).

    Raises:
        ValueError: as :func:`best_si_snr`.
    """
    from keras import ops

    scores = best_si_snr(truth, estimates)
    weights = ops.convert_to_tensor(scale_weights(int(scores.shape[1])), dtype="float32")
    return -ops.sum(scores * weights, axis=-1)


OWN = {"magnitude_l1": magnitude_l1, "multi_scale_si_snr": multi_scale_si_snr}
"""Losses by the name that task.yaml has for them."""

IN_ANY_ORDER = ("multi_scale_si_snr",)
"""Those that leave it to the network in which order it gives the sources."""
