"""The channels of a network: which are made where, which are one, which may be taken away.

A channel is made by a filter of a convolution or a unit of a dense layer, and goes on through
layers that treat each channel by itself. Where tensors are added, the channels at the same place
are one; where they are concatenated, they stay apart; flattened, a channel is one value of each
place. What meets a layer of which nothing is known here is kept, and so are inputs and outputs.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

MAKERS = frozenset({"Conv1D", "Conv2D", "Conv3D", "Dense"})
"""Layers whose kernel (..., inputs, outputs) makes a channel of each filter or unit."""

DEPTHWISE = frozenset({"DepthwiseConv1D", "DepthwiseConv2D", "StridedDepthwiseConv2D"})
"""Layers whose kernel (..., inputs, multiplier) makes its channels of one channel each."""

SINGLE = frozenset(
    {
        *("BatchNormalization", "SubSpectralNormalization"),
        *("Identity", "Activation", "ReLU", "LeakyReLU", "PReLU", "ELU"),
        *("Dropout", "AlphaDropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianDropout"),
        *("GaussianNoise", "SpecAugment"),
        *("MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D"),
        *("GlobalMaxPooling1D", "GlobalMaxPooling2D"),
        *("GlobalAveragePooling1D", "GlobalAveragePooling2D", "FrequencyAveragePooling"),
        *("ZeroPadding1D", "ZeroPadding2D", "Cropping1D", "Cropping2D", "UpSampling2D"),
    }
)
"""Layers that each channel passes by itself; what they know of it is the last axis of a weight."""

LEVELLED = frozenset({"ResidualNormalization", "GlobalResponseNormalization", "FreqMixStyle"})
"""Layers that compare channels with the mean of all: later with that of those that are left."""

JOINED = frozenset({"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"})
"""Layers of several inputs whose channels at the same place belong together."""

MIXING = frozenset({"softmax", "log_softmax", "sparsemax"})
"""Activations whose channels share a sum."""


@dataclass
class Channels:
    """The channels of every tensor of a network.

    Attributes:
        of: ids of the channels of each tensor, by the tensor's identity.
        parents: ids that are the same channel lead to the same root.
        kept: ids that may not be taken away.
        barriers: kinds of layers before and behind which channels are kept.
    """

    of: dict[int, np.ndarray] = field(default_factory=dict)
    parents: list[int] = field(default_factory=list)
    kept: set[int] = field(default_factory=set)
    barriers: set[str] = field(default_factory=set)

    @classmethod
    def of_network(cls, model: "keras.Model") -> "Channels":
        """Follow the channels through a network.

        Args:
            model: built, functional, channels last.
        """
        found = cls()
        for tensor in model.inputs:
            found.of[id(tensor)] = found.new(tensor.shape[-1] or 0)
            found.keep(found.of[id(tensor)])
        uses = Counter(id(layer) for layer, _, _ in calls(model))
        for layer, inputs, outputs in calls(model):
            several = bool(layer.weights) and uses[id(layer)] > 1
            found._follow(layer, inputs, outputs, known=not several and len(outputs) == 1)
        for tensor in model.outputs:
            found.keep(found.of[id(tensor)])
        return found

    def new(self, count: int) -> np.ndarray:
        """Ids of channels that did not exist."""
        first = len(self.parents)
        self.parents.extend(range(first, first + count))
        return np.arange(first, first + count)

    def root(self, number: int) -> int:
        """The id that stands for all that are the same channel."""
        while self.parents[number] != number:
            self.parents[number] = self.parents[self.parents[number]]
            number = self.parents[number]
        return number

    def roots(self, tensor: Any) -> np.ndarray:
        """Roots of a tensor's channels, int64 (channels,)."""
        return np.array([self.root(int(number)) for number in self.of[id(tensor)]], np.int64)

    def join(self, one: np.ndarray, other: np.ndarray) -> None:
        """Make channels at the same place one."""
        for first, second in zip(one, other, strict=True):
            self.parents[self.root(int(second))] = self.root(int(first))

    def keep(self, numbers: np.ndarray) -> None:
        """Let channels be kept."""
        self.kept.update(map(int, numbers))

    @property
    def kept_roots(self) -> set[int]:
        """Roots of the channels that may not be taken away."""
        return {self.root(number) for number in self.kept}

    def _follow(self, layer: Any, inputs: list[Any], outputs: list[Any], *, known: bool) -> None:
        """Let a layer make channels of channels; keep them where it is not known how."""
        given = [self.of[id(tensor)] for tensor in inputs]
        passed = self._passed(layer, given, outputs[0]) if known else None
        if passed is not None:
            self.of[id(outputs[0])] = passed
            return
        self.barriers.add(type(layer).__name__)
        for tensor in outputs:
            self.of[id(tensor)] = self.new(tensor.shape[-1] or 0)
        for numbers in (*given, *(self.of[id(tensor)] for tensor in outputs)):
            self.keep(numbers)

    def _passed(self, layer: Any, given: list[np.ndarray], output: Any) -> np.ndarray | None:
        """Ids of what a layer gives; None where its channels cannot be told apart."""
        kind, size, rank = type(layer).__name__, output.shape[-1], len(output.shape)
        if getattr(layer, "data_format", None) == "channels_first" or size is None:
            return None
        if kind in MAKERS and getattr(layer, "groups", 1) == 1:
            made = self.new(size)
            self.keep(made[: size * _mixes(layer)])
            return made
        if kind in DEPTHWISE and not _mixes(layer):
            return np.repeat(given[0], layer.depth_multiplier)
        if kind in SINGLE | LEVELLED and len(given[0]) == size and not _mixes(layer):
            on_last = kind != "BatchNormalization" or layer.axis in (-1, rank - 1)
            return given[0] if on_last else None
        if kind in JOINED:
            first, *others = [numbers for numbers in given if len(numbers) == size]
            for other in others:
                self.join(first, other)
            return first
        if kind == "Concatenate":
            return np.concatenate(given) if layer.axis in (-1, rank - 1) else None
        if kind == "Flatten" and len(given[0]):
            return np.tile(given[0], size // len(given[0]))
        return None


def _mixes(layer: Any) -> bool:
    """Whether the activation of a layer makes its channels hang on each other."""
    return getattr(getattr(layer, "activation", None), "__name__", "") in MIXING


def calls(model: "keras.Model") -> Iterator[tuple[Any, list[Any], list[Any]]]:
    """Each use of a layer with its inputs and its outputs, in the order of computation."""
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if not node.is_input:
                yield node.operation, list(node.input_tensors), list(node.output_tensors)
