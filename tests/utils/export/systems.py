"""Small systems of labels: features, a normaliser, a network with random weights, its metadata."""

from pathlib import Path

import numpy as np

from utils.config.schema import AudioSettings, FeatureSettings
from utils.export import export_formats
from utils.features import Normaliser, from_settings, normaliser_of
from utils.inference import Metadata

CLASSES = ("airport", "bus", "tram station")
SMALL = {"window_seconds": 0.05, "hop_seconds": 0.02, "n_fft": 64, "n_mels": 6, "frames": None}
AUDIO = AudioSettings(sample_rate=1000, seconds=0.4)


def network(shape: tuple[int, ...], rng: np.random.Generator, *, recurrent: bool = False):
    """A softmax over three classes; no weight is zero."""
    from keras import Input, Model, layers

    x = inputs = Input(shape)
    if recurrent:
        x = layers.Reshape((-1, shape[0]))(x)
        x = layers.GRU(4)(x)
    else:
        x = layers.Conv2D(4, 3, activation="relu")(x)
        x = layers.Flatten()(x)
    model = Model(inputs, layers.Dense(3, activation="softmax")(x))
    model.set_weights([0.3 * rng.standard_normal(w.shape) for w in model.weights])
    return model


def system(
    folder: Path,
    rng: np.random.Generator,
    *,
    formats: tuple[str, ...] = ("float32",),
    features: dict | None = None,
    audio: dict | None = None,
    temperature: float = 1.0,
    recurrent: bool = False,
    **more,
):
    """Export a system; its files by format, samples (clips, samples), and normalised features."""
    settings = FeatureSettings(**{**SMALL, **(features or {})})
    heard = AUDIO.model_copy(update=audio or {})
    representation = from_settings(heard, settings)
    samples = 0.3 * rng.standard_normal((8, representation.n_samples)).astype(np.float32)
    computed = np.stack([representation(clip) for clip in samples])
    method = settings.normalise.method
    fitted = Normaliser.fit(computed, np.arange(8)) if method == "mean_std" else None
    normaliser = fitted or normaliser_of(method, None)
    seen = computed if normaliser is None else normaliser(computed)
    metadata = Metadata(
        "small",
        CLASSES,
        heard.model_dump(mode="json"),
        settings.model_dump(mode="json"),
        fitted.as_dict() if fitted else None,
        "demo",
        temperature=temperature,
        **more,
    )
    paths = export_formats(
        network(representation.input_shape, rng, recurrent=recurrent),
        calibration=seen.reshape(-1, *representation.input_shape),
        folder=folder,
        formats=formats,
        metadata=metadata,
    )
    return paths, samples, seen
