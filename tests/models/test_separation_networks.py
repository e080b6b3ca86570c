"""Networks of separation in task.yaml: sizes, form, what they promise, training, files."""

import importlib.util
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest

from models.builder import build
from models.complexity import count
from models.separation_losses import magnitude_l1, multi_scale_si_snr
from utils.config.nodes import parse_yaml
from utils.config.schema import ModelSettings
from utils.errors import UserError
from utils.export import export_formats
from utils.inference import Metadata, load_keras, load_predictor
from utils.training.devices import precision

PROJECT = Path(__file__).resolve().parent.parent.parent
TEXT = (PROJECT / "task.yaml").read_text(encoding="utf-8")
NAMED = parse_yaml(TEXT, "task.yaml")["models"]
PER_STEM, TRAINED_PER_STEM = 9_824_711, 9_822_725
STEMS = {"spleeter_2stems": 2, "spleeter_4stems": 4, "spleeter_5stems": 5}
SPEAKERS = {2: 7_534_337, 3: 7_550_849, 4: 7_567_361, 5: 7_583_873}
TINY = {"FILTERS": 16, "KERNEL": 4, "UNITS": 3, "PAIRS": 2, "CHUNK": 10}
SAMPLES = 203
METADATA = Metadata(
    set_id="test", classes=("a", "b"), audio={}, features={}, normaliser=None, data="demo"
)


def network(name, shape, seed=0, sources=2, **constants):
    settings = ModelSettings(use=name, constants=constants)
    known = {"SOURCES": sources, "CHANNELS": shape[-1]}
    return build(settings, named=NAMED, input_shape=shape, constants=known, name=name, seed=seed)


@cache
def unet(name="spleeter_2stems", channels=2, **constants):
    """Built once for all tests: those that mind its weights give it their own."""
    return network(name, (64, 64, channels), **{"WIDTH": 1, **constants})


@cache
def speech(samples=SAMPLES, **constants):
    """Built once for all tests, as above."""
    return network("svoice", (samples, 1), **{**TINY, **constants})


def sizes(model):
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    return model.count_params(), trained


def with_random_weights(model, rng):
    """Give every weight another value; variances stay above 0."""
    for variable in model.weights:
        if "seed" not in variable.path:
            value = 0.3 * rng.standard_normal(variable.shape)
            variable.assign(np.abs(value) + 0.5 if "variance" in variable.path else value)
    return model


def magnitudes(rng, clips=2):
    return rng.gamma(0.5, size=(clips, 64, 64, 2)).astype(np.float32)


def waveforms(rng, clips=2, samples=SAMPLES):
    return rng.standard_normal((clips, samples, 1)).astype(np.float32)


# --- U-Nets ---


@pytest.mark.parametrize(("name", "stems"), STEMS.items())
def test_each_stem_has_the_published_size(name, stems):
    model = network(name, (64, 128, 2))
    assert sizes(model) == (stems * PER_STEM, stems * TRAINED_PER_STEM)
    assert model.output_shape == (None, stems, 64, 128, 2)
    stated = re.search(rf"  {name}: +# ([\d,]+) parameters, of which ([\d,]+) are trained\n", TEXT)
    assert tuple(int(x.replace(",", "")) for x in stated.groups()) == sizes(model)


def by_hand(down, up):
    """One stem's U-Net as Spleeter is described: raw skips, deconvolution before activation."""
    layers = keras.layers
    mixture = keras.Input((64, 64, 2))
    raw, x = [], mixture
    for number in range(6):
        if number:
            x = down(layers.BatchNormalization()(x))
        x = layers.Conv2D(2**number, 5, strides=2, padding="same")(x)
        raw.append(x)
    x = raw.pop()
    for filters in (16, 8, 4, 2, 1, 1):
        x = layers.Conv2DTranspose(filters, 5, strides=2, padding="same")(x)
        x = layers.BatchNormalization()(up(x))
        x = layers.Dropout(0.5)(x) if filters > 2 else x
        x = layers.Concatenate()([raw.pop(), x]) if raw else x
    mask = layers.Conv2D(2, 4, dilation_rate=2, padding="same", activation="sigmoid")(x)
    return keras.Model(mixture, mask * mixture)


def number_of(layer):
    found = re.search(r"_(\d+)$", layer.name)
    return int(found[1]) if found else 0


def copy_of_stem(model, stem, alone):
    """Give a network of one stem the weights of that stem; layers are numbered stem after stem."""
    kinds = {"Conv2D": 7, "Conv2DTranspose": 6, "BatchNormalization": 11}
    for kind, per_stem in kinds.items():
        wanted = "InferenceMode" if kind == "BatchNormalization" else kind
        found = [layer for layer in model.layers if type(layer).__name__ == wanted]
        found = sorted(found, key=number_of)[stem * per_stem : (stem + 1) * per_stem]
        own = [layer for layer in alone.layers if type(layer).__name__ == kind]
        for target, source in zip(own, found, strict=True):
            target.set_weights(source.get_weights())


@pytest.mark.parametrize("name", ["spleeter_2stems", "spleeter_4stems"])
def test_the_form_is_the_published_one(rng, name):
    """Each stem against the same network written with Keras' layers, weights copied."""
    model = with_random_weights(unet(name), rng)
    elu = keras.layers.ELU()
    activations = {
        "spleeter_2stems": (keras.layers.LeakyReLU(negative_slope=0.2), keras.layers.ReLU()),
        "spleeter_4stems": (elu, elu),
    }
    clips = magnitudes(rng)
    found = np.asarray(model(clips, training=False))
    alone = by_hand(*activations[name])
    for stem in (0, STEMS[name] - 1):
        copy_of_stem(model, stem, alone)
        expected = np.asarray(alone(clips, training=False))
        np.testing.assert_allclose(found[:, stem], expected, atol=1e-5)


def test_initial_weights_differ_between_stems_and_follow_the_seed(rng):
    clips = magnitudes(rng)
    first, again, other = (
        np.asarray(network("spleeter_2stems", (64, 64, 2), seed=seed, WIDTH=1)(clips))
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01
    assert np.abs(first[:, 0] - first[:, 1]).max() > 0.01
    kernels = [x.kernel_initializer for x in unet().layers if hasattr(x, "kernel_initializer")]
    assert {type(kernel).__name__ for kernel in kernels} == {"HeUniform"}
    assert len(kernels) == 2 * 13


def test_five_stems_share_the_mixture(rng):
    """A softmax over the stems: masks between 0 and 1 that sum to 1."""
    model, clips = with_random_weights(unet("spleeter_5stems"), rng), magnitudes(rng)
    found = np.asarray(model(clips))
    np.testing.assert_allclose(found.sum(axis=1), clips, rtol=1e-4, atol=1e-6)
    assert found.min() >= 0
    shares = found.mean(axis=(0, 2, 3, 4)) / clips.mean()
    assert shares.max() - shares.min() > 0.01
    alone = np.asarray(with_random_weights(unet(), rng)(clips))
    assert np.abs(alone.sum(axis=1) - clips).max() > 0.1  # sigmoids are free


def test_the_work_is_that_of_the_published_network():
    """6.1 GMAC for a stem and a segment of 512 frames and 1,024 bins, 128 times this input."""
    cost = count(network("spleeter_2stems", (64, 64, 2)))
    assert cost.macs / 2 * 128 / 1e9 == pytest.approx(6.1, abs=0.05)
    assert cost.unknown == ()


def test_a_constant_makes_it_narrower():
    assert count(network("spleeter_2stems", (64, 64, 2), WIDTH=4)).parameters == 2 * 615_407
    stereo, mono = unet(), unet(channels=1)
    second = 5 * 5 + 4 * 4 + 1  # weights of a stem for it: of the first convolution, of the last
    assert mono.count_params() == stereo.count_params() - 2 * second


@pytest.mark.parametrize("legacy", [0, 1])
def test_a_unet_learns_and_legacy_keeps_it_in_inference_mode(rng, legacy):
    """That is its normalisation and its dropout; it learns which bins are whose either way."""
    model, clips = network("spleeter_2stems", (64, 64, 2), WIDTH=2, LEGACY=legacy), magnitudes(rng)
    in_use = np.asarray(model(clips, training=False))
    while_training = np.asarray(model(clips, training=True))
    assert np.array_equal(in_use, while_training) == bool(legacy)
    before = {variable.path: np.asarray(variable) for variable in model.variables}
    low = clips * (np.arange(64) < 32)[:, None]
    found = losses(model, magnitude_l1, clips, np.stack([low, clips - low], axis=1))
    assert found[-1] < 0.8 * found[0]  # it learns which bins are whose
    moved = {
        variable.path.rpartition("/")[2]
        for variable in model.variables
        if not np.array_equal(before[variable.path], variable)
    }
    assert ("moving_variance" in moved) == (not legacy)
    assert {"kernel", "gamma", "beta"} <= moved


# --- SVoice ---


@pytest.mark.parametrize(("speakers", "size"), SPEAKERS.items())
def test_svoice_has_the_published_size(speakers, size):
    """PyTorch's LSTMs have 24,576 biases more: 7,558,913 for two speakers."""
    model = network("svoice", (None, 1), sources=speakers)
    assert sizes(model) == (size, size)
    assert model.output_shape == (None, None, speakers, None)
    assert f"{size:,}" in TEXT


@pytest.mark.parametrize(
    ("name", "constants", "size"),
    [("svoice", {"NORMALISE": 1}, 7_537_409), ("svoice_small", {}, 638_337)],
)
def test_other_sizes_are_those_stated(name, constants, size):
    assert network(name, (None, 1), **constants).count_params() == size
    assert f"{size:,} parameters" in TEXT


def test_training_sees_all_scales_and_use_the_last(rng):
    model, clips = with_random_weights(speech(sources=3), rng), waveforms(rng)
    scales, last = (np.asarray(model(clips, training=training)) for training in (True, False))
    assert scales.shape == (2, TINY["PAIRS"], 3, SAMPLES)
    np.testing.assert_allclose(last, scales[:, -1:], rtol=1e-5, atol=1e-6)
    assert np.abs(scales[:, 0] - scales[:, 1]).max() > 0.01


@pytest.mark.parametrize("samples", [3, 4, 5, 7, 8, 50, SAMPLES])
def test_any_length_comes_back(rng, samples):
    model = with_random_weights(speech(None), rng)
    clips = waveforms(rng, samples=samples)
    found = model(clips, training=False)
    assert found.shape == (2, 1, 2, samples)
    assert np.abs(found[..., -1]).min() > 0  # the last sample is in a frame too


@pytest.mark.parametrize("factor", [1e-3, 0.3, 1e3])
def test_louder_in_is_louder_out_and_nothing_else(rng, factor):
    model, clips = with_random_weights(speech(), rng), waveforms(rng)
    clips[1] *= 1e-3
    expected = factor * np.asarray(model(clips))
    found = np.asarray(model((factor * clips).astype(np.float32)))
    for clip in range(2):
        assert np.abs(found[clip] - expected[clip]).max() < 1e-4 * np.abs(expected[clip]).max()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_quiet_sounds_are_heard_in_mixed_precision(rng, policy):
    with precision(policy):
        model = network("svoice", (SAMPLES, 1), **TINY, NORMALISE=1)
    clips, factor = waveforms(rng), 2.0**-20  # float16 ends at 2**-24
    found = np.asarray(model(factor * clips))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, factor * np.asarray(model(clips)), rtol=1e-6)
    assert np.abs(found).max() > 0


def test_silence_comes_back_silent(rng):
    model, clips = with_random_weights(speech(), rng), waveforms(rng)
    clips[1] = 0
    found = np.asarray(model(clips))
    np.testing.assert_array_equal(found[1], 0)
    assert np.abs(found[0]).max() > 0


def test_clips_of_a_batch_do_not_see_each_other(rng):
    model, clips = with_random_weights(speech(NORMALISE=1), rng), waveforms(rng, clips=3)
    together = np.asarray(model(clips))
    np.testing.assert_allclose(together[1:2], model(clips[1:2]), rtol=1e-4, atol=1e-6)


# --- both ---


def losses(model, loss, clips, targets, steps=12):
    model.compile(keras.optimizers.Adam(0.02), loss, jit_compile=False)
    model.optimizer.build(model.trainable_variables)  # a step that makes them is traced twice
    return [float(model.train_on_batch(clips, targets)) for _ in range(steps)]


def test_svoice_learns_which_tone_is_whose(rng):
    time = np.arange(SAMPLES) / SAMPLES
    targets = np.stack([np.sin(2 * np.pi * f * time) for f in (5, 31)])[None].astype(np.float32)
    clips = targets.sum(axis=1)[..., None]
    learner = network("svoice", (SAMPLES, 1), **{**TINY, "UNITS": 8, "PAIRS": 1})
    found = losses(learner, multi_scale_si_snr, clips, targets)
    assert found[-1] < found[0] - 10  # dB


@pytest.mark.parametrize("name", ["unet", "speech"])
def test_a_saved_network_is_loaded(tmp_path, rng, name):
    made, clips = examples(rng)[name]
    model = with_random_weights(made(), rng)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(load_keras(tmp_path / "model.keras")(clips), model(clips))


def examples(rng):
    return {
        "unet": (lambda: unet("spleeter_5stems"), magnitudes(rng, clips=1)),
        "speech": (speech, waveforms(rng, clips=2)),
    }


@pytest.mark.parametrize("name", ["unet", "speech"])
def test_the_exported_files_say_what_keras_says(tmp_path, rng, name):
    made, clips = examples(rng)[name]
    model = with_random_weights(made(), rng)
    formats = ("float32", "dynamic")
    paths = export_formats(
        model, calibration=clips, folder=tmp_path, formats=formats, metadata=METADATA
    )
    expected = np.asarray(model(clips, training=False))
    scale = np.abs(expected).max()
    for form, most in zip(formats, (1e-5, 0.2), strict=True):
        found = load_predictor(paths[form]).outputs(clips)[0]
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() < most * scale, form


def test_int8_of_svoice_is_refused(tmp_path, rng):
    with pytest.raises(UserError, match="int8 is not possible with a recurrent layer"):
        export_formats(
            speech(), calibration=waveforms(rng), folder=tmp_path, formats=("int8",),
            metadata=METADATA,
        )  # fmt: skip


ONE_STEP = """
import sys, keras, numpy as np
sys.path.insert(0, "tests/models")
from test_separation_networks import *

assert keras.backend.backend() == "jax"
rng = np.random.default_rng(0)
clips = magnitudes(rng)
found = losses(unet(), magnitude_l1, clips, np.stack([clips] * 2, axis=1), steps=2)
clips = waveforms(rng)
found += losses(speech(PAIRS=1), multi_scale_si_snr, clips, rng.random((2, 2, SAMPLES)), steps=2)
assert np.isfinite(found).all(), found
assert speech(PAIRS=1).predict(clips, verbose=0).shape == (2, 1, 2, SAMPLES)
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_both_train_on_jax():
    result = subprocess.run(
        [sys.executable, "-c", ONE_STEP],
        cwd=PROJECT,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
