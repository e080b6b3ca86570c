"""Layers that Keras does not have, to be named in a layer list as those of Keras are.

A class that stands here is found by ``task.yaml`` under its name and by everything that loads a
saved network. Its arguments are plain values, which ``get_config`` returns.
"""

from typing import Any

import keras
from keras import ops

from models.dual_path_layers import DivideByLevel, DualPath, Level, MulCat, OverlapAdd
from models.event_layers import AttentionPooling, FrequencyDynamicConv2D
from models.normalisation_layers import (
    GlobalResponseNormalization,
    ResidualNormalization,
    SubSpectralNormalization,
)
from models.scene_layers import FreqMixStyle, FrequencyAveragePooling, StridedDepthwiseConv2D
from models.unet_layers import InferenceMode, Stack

PACKAGE = "models"  # under which Keras saves their names


@keras.saving.register_keras_serializable(package=PACKAGE)
class SpecAugment(keras.layers.Layer):
    """Hide random bands of mels and stretches of frames while training: they become 0.

    Every clip has bands of its own. A band's width is uniform in 0..max, its place uniform among
    those where it fits. 0 is the mean of normalised features. When the network is used, the layer
    passes its input on. Without time warping, which its authors found to matter least.

    Source: Park et al., SpecAugment: A Simple Data Augmentation Method for Automatic Speech
    Recognition, Interspeech 2019, section 2.

    Args:
        max_mels: widest band of mels, F in the paper.
        max_frames: longest stretch of frames, T in the paper.
        mel_masks: bands in a clip, m_F.
        frame_masks: stretches in a clip, m_T.
        seed: of the bands; by default drawn from Keras' seed.

    Input and output: (batch, mels, frames, channels).

    Raises:
        ValueError: for a negative argument, or a band wider than the input.
    """

    def __init__(
        self,
        max_mels: int = 0,
        max_frames: int = 0,
        mel_masks: int = 1,
        frame_masks: int = 1,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_mels, self.max_frames = max_mels, max_frames
        self.mel_masks, self.frame_masks = mel_masks, frame_masks
        for name in ("max_mels", "max_frames", "mel_masks", "frame_masks"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more")
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Compare the widths with the input's, (batch, mels, frames, channels)."""
        if len(input_shape) != 4:
            raise ValueError(f"expects (batch, mels, frames, channels), receives {input_shape}")
        for name, widest, size in (
            ("max_mels", self.max_mels, input_shape[1]),
            ("max_frames", self.max_frames, input_shape[2]),
        ):
            if size is not None and widest > size:
                raise ValueError(f"{name} is {widest}, but the input has {size}")
        super().build(input_shape)

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        """Hide bands of the inputs (batch, mels, frames, channels) if ``training``."""
        if not training:
            return inputs
        batch, mels, frames, _ = ops.shape(inputs)
        shown = self._shown(batch, mels, self.max_mels, self.mel_masks)[:, :, None, None]
        times = self._shown(batch, frames, self.max_frames, self.frame_masks)[:, None, :, None]
        return inputs * ops.cast(ops.logical_and(shown, times), inputs.dtype)

    def _shown(self, batch: Any, size: Any, widest: int, masks: int) -> Any:
        """Which of ``size`` places of each clip no band hides: booleans (batch, size)."""
        drawn = [
            keras.random.uniform((batch, masks, 1), dtype="float32", seed=self.seed_generator)
            for _ in range(2)
        ]
        width = ops.floor(drawn[0] * (widest + 1))
        start = ops.floor(drawn[1] * (ops.cast(size, "float32") - width + 1))
        places = ops.arange(size, dtype="float32")[None, None, :]
        hidden = ops.logical_and(places >= start, places < start + width)
        return ops.logical_not(ops.any(hidden, axis=1))

    def get_config(self) -> dict[str, Any]:
        """The arguments, as Keras saves them."""
        return {
            **super().get_config(),
            "max_mels": self.max_mels,
            "max_frames": self.max_frames,
            "mel_masks": self.mel_masks,
            "frame_masks": self.frame_masks,
            "seed": self.seed,
        }


OWN = {
    made.__name__: made
    for made in (
        SpecAugment,
        AttentionPooling,
        FrequencyDynamicConv2D,
        Stack,
        InferenceMode,
        Level,
        DivideByLevel,
        MulCat,
        DualPath,
        OverlapAdd,
        SubSpectralNormalization,
        ResidualNormalization,
        GlobalResponseNormalization,
        FreqMixStyle,
        StridedDepthwiseConv2D,
        FrequencyAveragePooling,
    )
}
"""All own layers, by the names that layer lists and saved networks use."""
