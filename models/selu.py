"""Warnings about networks whose SELU layers cannot normalise themselves.

Klambauer et al., "Self-Normalizing Neural Networks", NeurIPS 2017: SELU keeps mean 0 and variance 1
only with LeCun normal initial weights (section "Initialization") and alpha dropout ("New Dropout
Technique"); batch normalisation is what it replaces.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from utils.config.places import Place

_LOG = logging.getLogger("builder")
_PLAIN_DROPOUT = (
    "Dropout",
    "GaussianDropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
)


def warn_of_mixes(layers: Sequence[tuple[Any, Place]]) -> None:
    """Log a warning for each layer that breaks the self-normalisation of SELU.

    Args:
        layers: the network's layers in order, with their places in the YAML.
    """
    if any(_is_selu(layer) for layer, _ in layers):
        for message in dict.fromkeys((*_initializers(layers), *_companions(layers))):
            _LOG.warning(message)


def _is_selu(layer: Any) -> bool:
    import keras

    return getattr(layer, "activation", None) is keras.activations.selu


def _initializers(layers: Sequence[tuple[Any, Place]]) -> Iterator[str]:
    """SELU layers, or the layers before a SELU activation, that are not LeCun normal."""
    import keras

    weighted: tuple[Any, Place] | None = None
    for layer, place in layers:
        if hasattr(layer, "kernel_initializer"):
            weighted = layer, place
        if _is_selu(layer) and weighted is not None:
            initializer = weighted[0].kernel_initializer
            if not isinstance(initializer, keras.initializers.LecunNormal):
                name = type(initializer).__name__
                yield str(
                    weighted[1].error(
                        f"SELU needs kernel_initializer: lecun_normal to normalise itself, "
                        f"received {name}."
                    )
                )


def _companions(layers: Sequence[tuple[Any, Place]]) -> Iterator[str]:
    """Layers that change the mean and variance which SELU keeps."""
    for layer, place in layers:
        name = type(layer).__name__
        if name == "BatchNormalization":
            yield str(place.error("SELU normalises itself; leave BatchNormalization out."))
        elif name in _PLAIN_DROPOUT and layer.rate > 0:
            yield str(place.error(f"with SELU use AlphaDropout instead of {name}."))
