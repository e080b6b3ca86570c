"""A network without its least important channels: narrower layers, not zeros.

Source of the measure: H. Li, A. Kadav, I. Durdanovic, H. Samet, H. P. Graf, Pruning Filters for
Efficient ConvNets, ICLR 2017 (arXiv 1608.08710), section 3.1. There it is the L1 norm of a filter;
here the L2 norm as a share of the layer's, so that layers whose outputs are added can be compared.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from utils.compression.channels import DEPTHWISE, MAKERS, Channels, calls
from utils.errors import UserError

if TYPE_CHECKING:
    import keras


def without_least(model: "keras.Model", *, share: float) -> "keras.Model":
    """Take a share of the channels of each layer away, the least important ones.

    What is left has the weights that it had, so it is to be trained further.

    Args:
        model: a built, functional network, channels last.
        share: of the channels that may go, above 0 and below 1.

    Raises:
        UserError: when nothing can be taken away.
    """
    channels = require_functional(model)
    removed = least_important(model, channels, share=share)
    if not removed:
        raise UserError(f"compression.channels: {_why_not(model, channels, share=share)}")
    return narrowed(model, channels, removed)


def require_functional(model: "keras.Model") -> Channels:
    """The channels of a network, or a sentence where they cannot be followed.

    Raises:
        UserError: for a network that is no graph of layers.
    """
    if not hasattr(model, "_nodes_by_depth"):
        raise UserError(
            f"compression.channels: {model.name} is no network of layers that are listed, so its "
            "channels cannot be followed; set compression.channels to null."
        )
    return Channels.of_network(model)


def least_important(model: "keras.Model", channels: Channels, *, share: float) -> frozenset[int]:
    """Channels to take away: of each layer, or of layers that are added, the same share.

    Args:
        model: the network.
        channels: of its tensors.
        share: of them, above 0 and below 1; rounded down, so a channel is always left.

    Returns:
        Roots of their ids.
    """
    scores, makers = _importance(model, channels)
    kept = channels.kept_roots
    groups: dict[tuple[str, ...], list[int]] = {}
    for root, names in makers.items():
        if root not in kept:
            groups.setdefault(tuple(names), []).append(root)
    removed: set[int] = set()
    for roots in groups.values():
        roots.sort(key=lambda root: (float(np.mean(scores[root])), root))
        removed.update(roots[: int(share * len(roots))])
    return frozenset(removed)


def _importance(
    model: "keras.Model", channels: Channels
) -> tuple[dict[int, list[float]], dict[int, list[str]]]:
    """By root of a channel: norms of the filters that make it, and the layers that these are of."""
    scores: dict[int, list[float]] = {}
    makers: dict[int, list[str]] = {}
    for layer, _, (output, *_) in calls(model):
        if type(layer).__name__ not in MAKERS:
            continue
        kernel = np.asarray(layer.kernel, np.float64)
        norms = np.sqrt(np.square(kernel.reshape(-1, kernel.shape[-1])).sum(axis=0))
        norms /= max(float(np.sqrt(np.mean(np.square(norms)))), np.finfo(np.float64).tiny)
        for root, norm in zip(channels.roots(output), norms, strict=True):
            scores.setdefault(int(root), []).append(float(norm))
            makers.setdefault(int(root), []).append(layer.name)
    return scores, makers


def _why_not(model: "keras.Model", channels: Channels, *, share: float) -> str:
    _, makers = _importance(model, channels)
    if makers.keys() - channels.kept_roots:
        return f"a share of {share:g} is less than one channel of each layer; raise it."
    barriers = ", ".join(sorted(channels.barriers))
    found = f", or channels beside {barriers}" if barriers else ""
    return (
        f"{model.name} has nothing to take away: its convolutions and dense layers make outputs"
        f"{found}; set compression.channels to null."
    )


def narrowed(
    model: "keras.Model", channels: Channels, removed: "frozenset[int] | set[int]"
) -> "keras.Model":
    """Build a network without some channels, with the weights of what is left.

    Args:
        model: the network; it stays as it is.
        channels: of its tensors.
        removed: roots of those to take away.

    Returns:
        A new network with the same names.
    """
    import keras

    gone = sorted(removed)
    sizes, weights = {}, {}
    for layer, inputs, outputs in calls(model):
        taken, given = (
            np.concatenate([~np.isin(channels.roots(tensor), gone) for tensor in tensors])
            for tensors in (inputs, outputs)
        )
        weights[layer.name] = [_cut(layer, value, taken, given) for value in layer.get_weights()]
        sizes[layer.name] = int(given.sum())

    def clone(layer: Any) -> Any:
        config = layer.get_config()
        if type(layer).__name__ in MAKERS:
            config["units" if "units" in config else "filters"] = sizes[layer.name]
        return type(layer).from_config(config)

    smaller = keras.models.clone_model(model, clone_function=clone)
    for layer in smaller.layers:
        if layer.name in weights:
            layer.set_weights(weights[layer.name])
    return smaller


def _cut(layer: Any, value: np.ndarray, taken: np.ndarray, given: np.ndarray) -> np.ndarray:
    """A weight of a layer without what is of channels that are gone.

    Args:
        layer: its layer.
        value: the weight.
        taken: of the layer's input channels those that are left, booleans.
        given: the same of its output.
    """
    kind = type(layer).__name__
    if taken.all() and given.all():  # also what is not known, whose channels are kept
        return value
    if kind in MAKERS and value.ndim > 1:
        return value[..., taken, :][..., given]
    if kind in DEPTHWISE and value.ndim > 1:
        return value[..., taken, :]
    of_channels = value.ndim > 0 and value.shape[-1] == len(given)
    return value[..., given] if of_channels else value
