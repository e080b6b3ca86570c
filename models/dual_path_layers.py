"""Layers of networks that separate waveforms by dual-path recurrence, as SVoice does.

E. Nachmani, Y. Adi, L. Wolf, Voice Separation with an Unknown Number of Multiple Speakers, ICML
2020 (arXiv 2003.01531). The network is ``svoice`` in task.yaml; these are its parts that Keras
lacks. Frames are what the encoder gives; a chunk is some hundred frames, half of them shared with
its neighbour.
"""

from typing import Any

import keras
from keras import ops

PACKAGE = "models"


@keras.saving.register_keras_serializable(package=PACKAGE)
class Level(keras.layers.Layer):
    """Root mean square of the samples that are not 0; 0 for silence.

    Zeros are left out, so that a waveform has the same level when it is padded. Squares below
    1e-38 are 0 in float32: what is quieter than 1e-19 counts as silence. In float16 that would be
    2e-4, speech from afar, so it is computed in float32 whatever the policy of the network.

    Input: (batch, samples, channels). Output: (batch, 1, 1).
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"dtype": "float32"} | kwargs))

    def call(self, inputs: Any) -> Any:
        """Measure the inputs (batch, samples, channels)."""
        squares = ops.square(inputs)
        sounding = ops.cast(squares > 0, inputs.dtype)
        count = ops.sum(sounding, axis=(1, 2), keepdims=True)
        power = ops.sum(squares, axis=(1, 2), keepdims=True) / ops.maximum(count, 1.0)
        heard = power > 0  # the gradient of a root at 0 is infinite
        return ops.where(heard, ops.sqrt(ops.where(heard, power, 1.0)), 0.0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, 1, 1)."""
        return input_shape[0], 1, 1


@keras.saving.register_keras_serializable(package=PACKAGE)
class DivideByLevel(keras.layers.Layer):
    """Waveforms of level 1; silence stays what it is.

    With a ``Multiply`` by the same level at the end, a network is scale-equivariant,
    ``f(a x) = a f(x)`` for a above 0, whatever stands between, and silence gives silence. Like
    :class:`Level` it is computed in float32.

    Inputs: (batch, samples, channels) and their level, (batch, 1, 1). Output: as the first.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"dtype": "float32"} | kwargs))

    def call(self, waveform: Any, level: Any) -> Any:
        """Divide."""
        return waveform / ops.where(level > 0, level, ops.ones_like(level))

    def compute_output_shape(self, waveform_shape: Any, level_shape: Any) -> Any:
        """As the waveform."""
        return tuple(waveform_shape)


@keras.saving.register_keras_serializable(package=PACKAGE)
class MulCat(keras.layers.Layer):
    """Two bidirectional LSTMs, one gating the other, beside their input: section 3.2 of the paper.

    ``y = P3([P1(LSTM_a(x)) * P2(LSTM_b(x)), x])``, P1 to P3 linear maps to the channels of x.

    Args:
        units: of each LSTM, in each of its directions.

    Input and output: (batch, steps, channels).

    Raises:
        ValueError: for no units, or an input of another rank.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"units is {units}; it must be above 0")
        self.units = units
        self.heard, self.gate = (self._lstm(name) for name in ("heard", "gate"))
        self.maps: list[Any] = []

    def _lstm(self, name: str) -> Any:
        lstm = keras.layers.LSTM(self.units, return_sequences=True, dtype=self.dtype_policy)
        return keras.layers.Bidirectional(lstm, dtype=self.dtype_policy, name=name)

    def build(self, input_shape: Any) -> None:
        """Make the weights of the parts."""
        if len(input_shape) != 3:
            raise ValueError(f"expects (batch, steps, channels), receives {tuple(input_shape)}")
        *outer, channels = input_shape
        self.maps = [
            keras.layers.Dense(channels, dtype=self.dtype_policy, name=f"map_{number}")
            for number in (1, 2, 3)
        ]
        self.heard.build(input_shape)
        self.gate.build(input_shape)
        for made, size in zip(
            self.maps, (2 * self.units, 2 * self.units, 2 * channels), strict=True
        ):
            made.build((*outer, size))
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Apply to the inputs (batch, steps, channels)."""
        first, second, last = self.maps
        product = first(self.heard(inputs)) * second(self.gate(inputs))
        return last(ops.concatenate([product, inputs], axis=-1))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As the input."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The arguments, as Keras saves them."""
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package=PACKAGE)
class DualPath(keras.layers.Layer):
    """Pairs of blocks along and across chunks, and what each pair makes of the sources.

    The frames are cut into chunks with half an overlap. A pair is a :class:`MulCat` along the
    frames of each chunk, then one along the chunks at each place in them; both add to their input.
    After each pair the same head (a PReLU of one parameter, a 1 x 1 convolution to ``sources *
    channels``) gives frames for every source, the chunks are added where they overlap, and groups
    of ``pool`` channels become their mean: these means are samples.

    The last three steps are linear, so they are computed as one product with the mean of the
    convolution's kernel, which costs a ``pool``-th of them; the parameters are those published.
    Chunks and clips share the batch axis of the LSTMs. Both LSTMs and their directions in a single
    loop were no quicker on CPUs than Keras' four loops, and on GPUs those are cuDNN's.

    Args:
        pairs: of blocks, R in the paper.
        units: of each LSTM, H.
        chunk: frames in a chunk, K; even.
        sources: to be separated, C.
        pool: channels that are averaged; in the paper L, the samples of the encoder's frames.
        normalise: whether each block's output is normalised over all of its values (group
            normalisation of one group), which the paper's code has as an option.

    Input: (batch, frames, channels). Output: (batch, scales, sources, frames, channels / pool).
    Scales are the pairs while training, and in use the last one alone.

    Raises:
        ValueError: for an argument that is not above 0, an odd chunk, channels that are no multiple
            of ``pool``, or an input of another rank.
    """

    def __init__(
        self,
        pairs: int,
        units: int,
        chunk: int,
        sources: int,
        pool: int,
        normalise: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pairs, self.units, self.chunk = pairs, units, chunk
        self.sources, self.pool, self.normalise = sources, pool, bool(normalise)
        for name in ("pairs", "units", "chunk", "sources", "pool"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")
        if chunk % 2:
            raise ValueError(f"chunk is {chunk}; it must be even")
        self.along, self.across = (
            [MulCat(units, dtype=self.dtype_policy, name=f"{side}_{n}") for n in range(pairs)]
            for side in ("along", "across")
        )
        self.norms = [self._norm(number) for number in range(2 * pairs if normalise else 0)]

    def _norm(self, number: int) -> Any:
        return keras.layers.GroupNormalization(
            groups=1, epsilon=1e-8, dtype=self.dtype_policy, name=f"norm_{number}"
        )

    def build(self, input_shape: Any) -> None:
        """Make the weights of blocks and head."""
        if len(input_shape) != 3:
            raise ValueError(f"expects (batch, frames, channels), receives {tuple(input_shape)}")
        channels = input_shape[-1]
        if channels % self.pool:
            raise ValueError(f"pool is {self.pool}, which does not divide {channels} channels")
        for block in (*self.along, *self.across):
            block.build((None, None, channels))
        for norm in self.norms:
            norm.build((None, None, self.chunk, channels))
        self.slope = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(0.25), name="slope"
        )
        self.kernel = self.add_weight(shape=(channels, self.sources * channels), name="kernel")
        self.bias = self.add_weight(
            shape=(self.sources * channels,), initializer="zeros", name="bias"
        )
        super().build(input_shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Separate the inputs (batch, frames, channels)."""
        frames = ops.shape(inputs)[1]
        chunks = chunked(inputs, self.chunk)
        scales = []
        for number in range(self.pairs):
            chunks = self._pair(chunks, number)
            if training or number == self.pairs - 1:
                scales.append(self._head(chunks, frames))
        return ops.stack(scales, axis=1)

    def _pair(self, chunks: Any, number: int) -> Any:
        """Both blocks of a pair, added to (batch, chunks, steps, channels)."""
        for side, block in enumerate((self.along[number], self.across[number])):
            steps = ops.transpose(chunks, (0, 2, 1, 3)) if side else chunks
            shape = ops.shape(steps)
            found = ops.reshape(block(ops.reshape(steps, (-1, *shape[2:]))), shape)
            found = ops.transpose(found, (0, 2, 1, 3)) if side else found
            chunks = chunks + (self.norms[2 * number + side](found) if self.norms else found)
        return chunks

    def _head(self, chunks: Any, frames: Any) -> Any:
        """Samples of all sources, (batch, sources, frames, samples)."""
        channels = chunks.shape[-1]
        size = channels // self.pool
        kernel = self._pooled(self.kernel, (channels, self.sources * size))
        bias = self._pooled(self.bias, (self.sources * size,))
        active = ops.maximum(chunks, 0.0) + self.slope * ops.minimum(chunks, 0.0)
        found = merged(ops.matmul(active, kernel) + bias, frames)
        found = ops.reshape(found, (-1, ops.shape(found)[1], self.sources, size))
        return ops.transpose(found, (0, 2, 1, 3))

    def _pooled(self, weight: Any, shape: tuple[int, ...]) -> Any:
        """Means of groups of channels of the head's weights."""
        weight = ops.cast(weight, self.compute_dtype)
        return ops.mean(ops.reshape(weight, (*shape, self.pool)), axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, scales, sources, frames, samples); how many scales, training decides."""
        batch, frames, channels = input_shape
        return batch, None, self.sources, frames, channels // self.pool

    def count_macs(self, input_shape: Any, output_shape: Any) -> int:
        """Operations for one clip in use, shapes without the batch axis."""
        frames, channels = input_shape
        positions = (-(-frames // (self.chunk // 2)) + 1) * self.chunk
        lstms = 4 * 4 * self.units * (channels + self.units)
        maps = 2 * 2 * self.units * channels + 2 * channels * channels
        head = channels * self.sources * (channels // self.pool)
        return int(positions * (2 * self.pairs * (lstms + maps) + head))

    def get_config(self) -> dict[str, Any]:
        """The arguments, as Keras saves them."""
        names = ("pairs", "units", "chunk", "sources", "pool", "normalise")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package=PACKAGE)
class OverlapAdd(keras.layers.Layer):
    """Waveforms from frames of samples that are added where they overlap.

    Args:
        hop: samples from the start of a frame to that of the next; it divides the frames' length,
            which is twice as long at least.

    Inputs: frames (batch, scales, sources, frames, samples), and the waveform that was separated,
    (batch, samples, channels). Output: (batch, scales, sources, samples), cut to its length.

    Raises:
        ValueError: for another hop, or inputs of other ranks.
    """

    def __init__(self, hop: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.hop = hop

    def build(self, frames_shape: Any, waveform_shape: Any) -> None:
        """Compare frames and hop."""
        if len(frames_shape) != 5 or len(waveform_shape) != 3:
            raise ValueError(
                "expects (batch, scales, sources, frames, samples) and (batch, samples, channels), "
                f"receives {tuple(frames_shape)} and {tuple(waveform_shape)}"
            )
        size = frames_shape[-1]
        if self.hop < 1 or size % self.hop or size < 2 * self.hop:
            raise ValueError(f"hop is {self.hop}; frames of {size} samples want half or a part")
        super().build(frames_shape)

    def call(self, frames: Any, waveform: Any) -> Any:
        """Add up the frames."""
        shape = ops.shape(frames)
        count, size = shape[3], frames.shape[-1]
        parts = size // self.hop
        pieces = ops.reshape(frames, (-1, count, parts, self.hop))
        total: Any = 0.0
        for part in range(parts):
            ends = [[0, 0], [part, parts - 1 - part], [0, 0]]
            total = total + ops.pad(pieces[:, :, part], ends)
        whole = ops.reshape(total, (*shape[:3], (count + parts - 1) * self.hop))
        return whole[..., : ops.shape(waveform)[1]]

    def compute_output_shape(self, frames_shape: Any, waveform_shape: Any) -> Any:
        """(batch, scales, sources, samples)."""
        return (*frames_shape[:3], waveform_shape[1])

    def get_config(self) -> dict[str, Any]:
        """The arguments, as Keras saves them."""
        return {**super().get_config(), "hop": self.hop}


def chunked(frames: Any, length: int) -> Any:
    """Cut into chunks with half an overlap; every frame is in two of them.

    Zeros stand before the first frame (half a chunk) and behind the last (half a chunk and what is
    missing to a whole half).

    Args:
        frames: (batch, frames, channels).
        length: frames in a chunk, even.

    Returns:
        (batch, chunks, length, channels); chunks are ceil(frames / half) + 1.
    """
    half = length // 2
    batch, count, channels = ops.shape(frames)
    halves = (count + half - 1) // half
    padded = ops.pad(frames, [[0, 0], [half, (halves + 1) * half - count], [0, 0]])
    blocks = ops.reshape(padded, (batch, halves + 2, half, channels))
    return ops.concatenate([blocks[:, :-1], blocks[:, 1:]], axis=2)


def merged(chunks: Any, count: Any) -> Any:
    """Add chunks where they overlap, without division; the other way of :func:`chunked`.

    Args:
        chunks: (batch, chunks, length, channels).
        count: of the frames that were cut.

    Returns:
        (batch, frames, channels): of chunks that were not changed, twice the frames.
    """
    batch, number, length, channels = ops.shape(chunks)
    half = length // 2
    blocks = chunks[:, 1:, :half] + chunks[:, :-1, half:]
    return ops.reshape(blocks, (batch, (number - 1) * half, channels))[:, :count]
