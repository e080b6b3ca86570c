"""While a network trains: quicker kernels for two layers of Keras, with the same mathematics.

Keras 3 normalises a batch by a chain of passes over its values, and draws a float for each value
that dropout may drop. TensorFlow has one kernel for the first; bytes do for the second. On large
feature maps that is 28 to 37 % of a training step on CPUs (``benchmarks/kernels.py``).
The layers stay those of Keras: only their calls change while training runs, so saved networks,
exports and predictions know nothing of it.

Imported only once training begins.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
import tensorflow as tf


@contextmanager
def quick_kernels(model: keras.Model) -> Iterator[None]:
    """Let batch normalisation and dropout of a network take other kernels.

    Batch normalisation: float32 (batch, rows, columns, channels), normalised over the last axis, by
    the batch's own statistics, neither synchronised between devices nor renormalised. Dropout: of
    float32, without a noise shape, drawn from the layer's own random state; the chance is exact to
    2^-16, and those nearer to 0 or 1 than that are left to Keras. All other layers, and both layers
    in inference, are left as they are.

    Args:
        model: about to be trained, before its training step is traced.
    """
    made: dict[type, Callable[..., Any]] = {
        keras.layers.BatchNormalization: _normalised,
        keras.layers.Dropout: _dropped,
    }
    changed = [layer for layer in model._flatten_layers() if type(layer) in made]
    for layer in changed:
        # past Keras, which tracks attributes
        object.__setattr__(layer, "call", partial(made[type(layer)], layer, layer.call))
    try:
        yield
    finally:
        for layer in changed:
            object.__delattr__(layer, "call")


def _normalised(
    layer: Any,
    plain: Callable[..., Any],
    inputs: Any,
    training: bool | None = None,
    mask: Any = None,
) -> Any:
    """Batch normalisation by the fused kernel, where there is one.

    The kernel tells the variance of the sample (n - 1); Keras' moving variance is that of the batch
    (n).
    """
    fits = len(inputs.shape) == 4 and layer.axis in (-1, 3) and layer.compute_dtype == "float32"
    special = layer.synchronized or layer.renorm or mask is not None
    if not (training and layer.trainable and fits) or special:
        return plain(inputs, training=training, mask=mask)
    channels = inputs.shape[-1]
    outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
        inputs,
        tf.ones([channels]) if layer.gamma is None else layer.gamma,
        tf.zeros([channels]) if layer.beta is None else layer.beta,
        epsilon=layer.epsilon,
        is_training=True,
    )
    count = tf.cast(tf.size(inputs, out_type=tf.int64) // channels, tf.float32)
    old, new = layer.momentum, 1.0 - layer.momentum
    layer.moving_mean.assign(layer.moving_mean * old + mean * new)
    batch_variance = variance * (count - 1.0) / count
    layer.moving_variance.assign(layer.moving_variance * old + batch_variance * new)
    return outputs


def _dropped(layer: Any, plain: Callable[..., Any], inputs: Any, training: bool = False) -> Any:
    """Dropout by a mask of bytes, or of pairs of bytes where the chance is no 256th."""
    some = 0 < round(65536 * layer.rate) < 65536
    fits = layer.noise_shape is None and layer.compute_dtype == "float32"
    if not (training and some and fits):
        return plain(inputs, training=training)
    kind, parts = (tf.uint8, 256) if (256 * layer.rate).is_integer() else (tf.uint16, 65536)
    dropped = round(parts * layer.rate)
    shape = tf.shape(inputs)
    count = tf.reduce_prod(shape)
    words = tf.random.stateless_uniform(
        [count * kind.size // 8 + 1],
        tf.cast(layer.seed_generator.next(), tf.int32),
        minval=None,
        maxval=None,
        dtype=tf.uint64,
    )
    drawn = tf.reshape(tf.bitcast(words, kind), [-1])[:count]
    kept = tf.reshape(drawn >= tf.constant(dropped, kind), shape)
    scale = parts / (parts - dropped)
    nothing = tf.zeros([], inputs.dtype)

    def masked(values: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        """Values that are kept, scaled; the gradient takes the same mask."""
        chosen = tf.where(kept, values * scale, nothing)
        return chosen, lambda upstream: tf.where(kept, upstream * scale, nothing)

    return tf.custom_gradient(masked)(inputs)
