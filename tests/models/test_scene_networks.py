"""Small networks for scenes: published sizes, the limits of the challenges, TFLite files."""

from pathlib import Path

import numpy as np
import pytest

from models.builder import build
from models.complexity import count
from models.footprint import estimate
from utils.compression.graph import Graph
from utils.compression.simulation import Simulation
from utils.config import load
from utils.config.nodes import parse_yaml
from utils.config.schema import ModelSettings
from utils.export import export_formats, measure
from utils.features import from_settings
from utils.inference import load_predictor
from utils.inference.metadata import Metadata

CATALOGUE = load(Path(__file__).resolve().parents[2] / "task.yaml")
NETWORKS = ("bcresnet", "cpmobile", "dscnn")
SETS = [name for name in CATALOGUE.set_ids("task1a") if name.partition("_")[2].startswith(NETWORKS)]
LIMITED = [name for name in SETS if name not in ("task1a_bcresnet", "task1a_cpmobile")]
CLASSES = tuple("abcdefghij")


def built(set_id, *, shape=None, constants=(), demo=False):
    overrides = [f"model.constants.{name}={value}" for name, value in dict(constants).items()]
    resolved = CATALOGUE.resolve(set_id, overrides=overrides, demo=demo)
    settings = resolved.settings
    shape = shape or from_settings(settings.audio, settings.features).input_shape
    return build(
        settings.model,
        named=resolved.models,
        input_shape=shape,
        constants={"CLASS_COUNT": 10, "MELS": shape[0], "FRAMES": shape[1]},
        name=set_id,
        seed=0,
    )


def convolutions(model, cost):
    """Rows of the convolutions of a network, with the values that each gives for a clip."""
    kernels = {layer.name: layer.output for layer in model.layers if hasattr(layer, "kernel_size")}
    return [(row, np.prod(kernels[row.name].shape[1:])) for row in cost.layers if row.macs]


def test_the_baseline_of_dcase_2024_layer_by_layer():
    """Its README: weights and MACs of each convolution with its batch normalisation."""
    model = built("task1a_cpmobile_tau2022")
    cost = count(model)
    rows = [(88, 304_144), (2_368, 2_506_816)]
    rows += [(2_176, 2_228_352), (704, 626_816), (2_112, 2_228_288)] * 2
    rows += [(2_176, 2_228_352), (704, 331_904), (2_112, 1_179_712)]
    rows += [(2_176, 1_179_776), (704, 166_016), (3_696, 1_032_304)]
    rows += [(6_960, 1_935_600), (1_320, 311_280), (6_832, 1_935_472)]
    rows += [(6_960, 1_935_600), (1_320, 311_280), (12_688, 3_594_448)]
    rows += [(1_040 + 20, 299_520 + 20)]
    found = []
    for row, _ in convolutions(model, cost):
        normalisation = 2 * row.output_shape[-1]  # scale and offset, which it counts in both
        found.append((row.parameters + normalisation, row.macs + normalisation))
    assert found == rows
    assert cost.trainable == sum(weights for weights, _ in rows) == 61_148
    assert sum(macs for _, macs in rows) == 29_419_156
    assert round(cost.macs / 1e6, 2) == 29.42


@pytest.mark.parametrize(
    ("widths", "parameters", "millions"),
    [((32, 56, 96, 64, 104), 54_182, 16.80), ((16, 24, 40, 32, 40), 12_310, 4.35)],
)
def test_cp_mobile_of_dcase_2023(widths, parameters, millions):
    """Two systems of the winner: normalisation merged into convolutions, whose biases count."""
    names = ("WIDTH_1", "WIDTH_2", "WIDTH_3", "EXPANDED_1", "EXPANDED_2")
    constants = dict(zip(names, widths, strict=True))
    model = built("task1a_cpmobile", shape=(256, 64, 1), constants=constants)
    rows = convolutions(model, count(model))
    merged = sum(row.parameters + row.output_shape[-1] for row, _ in rows)
    responses = [one for one in model.layers if type(one).__name__.startswith("GlobalResponse")]
    assert merged + sum(len(one.weights) for one in responses) == parameters
    assert round(sum(row.macs + values for row, values in rows) / 1e6, 2) == millions


def test_bc_resnet_asc_has_the_published_size():
    """315 k weights are published for a width of 80, whose bands are four: 5 do not divide 128."""
    model = built("task1a_bcresnet", shape=(64, 16, 1), constants={"WIDTH": 80})
    assert sum(np.prod(weight.shape) for weight in model.trainable_weights) == 314_970
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("ResidualNormalization") == 5  # at the input and after each stage
    assert kinds.count("SubSpectralNormalization") == 2 + 2 + 2 + 3
    normal = [one for one in model.layers if type(one).__name__ == "ResidualNormalization"]
    assert {one.shortcut for one in normal} == {0.1}


def test_forty_mels_have_five_bands():
    model = built("task1a_bcresnet", shape=(40, 16, 1), constants={"BANDS": 5, "WIDTH": 8})
    assert model.output_shape == (None, 10)


@pytest.mark.parametrize("set_id", LIMITED)
def test_limits_of_2022_are_kept(set_id):
    settings = CATALOGUE.resolve(set_id).settings
    assert list(settings.limits.parameters.values()) == [128_000]
    assert list(settings.limits.macs.values()) == [30_000_000]
    assert settings.audio.seconds == (1.0 if set_id.endswith("tau2022") else 10.0)


@pytest.mark.parametrize(
    ("set_id", "millions"),
    [
        ("task1a_bcresnet_light", 29.37),
        ("task1a_bcresnet_tau2022", 29.63),
        ("task1a_cpmobile_light", 28.33),
        ("task1a_cpmobile_tau2022", 29.69),
        ("task1a_dscnn", 29.22),
        ("task1a_dscnn_tau2022", 6.83),
    ],
)
def test_files_keep_them_as_the_challenges_tool_counts(set_id, millions, tmp_path):
    model = built(set_id)
    clips = np.zeros((1, *model.input_shape[1:]), np.float32)
    paths = exported(model, clips, tmp_path, ("float32",))
    assert round(measure(paths["float32"]).nessi_macs / 1e6, 2) == millions < 30


def test_each_network_keeps_them_on_one_and_on_ten_seconds():
    lengths = {network: set() for network in NETWORKS}
    for set_id in LIMITED:
        seconds = CATALOGUE.resolve(set_id).settings.audio.seconds
        lengths[set_id.split("_")[1]].add(seconds)
    assert lengths == {network: {1.0, 10.0} for network in NETWORKS}
    for set_id in set(SETS) - set(LIMITED):  # 2021 limits bytes alone
        limits = CATALOGUE.resolve(set_id).settings.limits
        assert not limits.parameters
        assert not limits.macs
        assert set(limits.parameter_bytes.values()) == {128_000, 131_072}


@pytest.mark.parametrize(
    ("depth", "parameters", "millions"),
    [(4, 60_250, 24.16), (5, 91_642, 28.83), (6, 119_962, 33.02)],
)
def test_depth_of_the_separable_network_is_its_number_of_blocks(depth, parameters, millions):
    cost = count(model := built("task1a_dscnn", constants={"DEPTH": depth}))
    assert [type(one).__name__ for one in model.layers].count("DepthwiseConv2D") == depth
    assert (cost.parameters, round(cost.macs / 1e6, 2)) == (parameters, millions)


def with_statistics(model, clips):
    """The network with normalisation by the statistics of these clips, as if it were trained."""
    for layer in model.layers:
        if hasattr(layer, "momentum"):
            layer.momentum = 0.0
    model(clips, training=True)
    return model


def exported(model, clips, folder, formats):
    metadata = Metadata(
        set_id="test", classes=CLASSES, audio={}, features={}, normaliser=None, data="demo"
    )
    return export_formats(
        model, calibration=clips, folder=folder, formats=formats, metadata=metadata
    )


def some_clips(rng, shape, number=12):
    """Clips whose mels differ in level and spread."""
    levels = rng.standard_normal((number, shape[0], 1, 1))
    noise = rng.standard_normal((number, *shape))
    return (levels + rng.uniform(0.3, 1.0, levels.shape) * noise).astype(np.float32)


LAYERS = """
layers:
  - FreqMixStyle
  - DepthwiseConv2D: {kernel_size: 3, padding: same}
  - SubSpectralNormalization: {bands: 4}
  - ResidualNormalization
  - Conv2D: {filters: 6, kernel_size: 1}
  - GlobalResponseNormalization
  - StridedDepthwiseConv2D: {kernel_size: 3, strides: [1, 2], padding: same, use_bias: false}
  - BatchNormalization
  - ReLU
"""


def test_own_layers_in_every_format(tmp_path, rng):
    clips = some_clips(rng, (16, 12, 3))
    settings = ModelSettings.model_validate(parse_yaml(LAYERS, "task.yaml"))
    shape = clips.shape[1:]
    model = build(settings, named={}, input_shape=shape, constants={}, name="net", seed=0)
    kinds = {type(layer).__name__: layer for layer in model.layers}
    kinds["GlobalResponseNormalization"].gamma.assign(0.5)
    kernel = kinds["StridedDepthwiseConv2D"].kernel
    kernel.assign(kernel * np.exp(rng.normal(size=(6, 1))).astype(np.float32))
    expected = np.asarray(with_statistics(model, clips)(clips, training=False))
    formats = ("float32", "float16", "dynamic", "int8")
    paths = exported(model, clips, tmp_path, formats)
    for name, allowed in zip(formats, (1e-5, 2e-3, 2e-2, 6e-2), strict=True):
        (found,) = load_predictor(paths[name]).outputs(clips)
        error = np.sqrt(np.mean((found - expected) ** 2)) / expected.std()
        assert error < allowed, name
        facts = measure(paths[name])
        assert facts.custom_operators == ()
    # what stands before a normalisation takes it up: one operator for the strided convolution
    assert not {"STRIDED_SLICE", "PAD"} & set(facts.operators)


def test_residual_normalisation_keeps_soft_mels_in_int8(tmp_path, rng):
    """Squares of their values are below a step of int8; each mel still comes to unit spread."""
    spreads = np.geomspace(0.12, 1.5, 32)[:, None, None]
    clips = (spreads * rng.standard_normal((24, 32, 40, 1))).astype(np.float32)
    text = "layers: [ResidualNormalization: {shortcut: 0.0}]"
    settings = ModelSettings.model_validate(parse_yaml(text, "task.yaml"))
    shape = clips.shape[1:]
    model = build(settings, named={}, input_shape=shape, constants={}, name="net", seed=0)
    path = exported(model, clips, tmp_path, ("int8",))["int8"]
    (found,) = load_predictor(path).outputs(clips)
    expected = np.asarray(model(clips, training=False))
    gains = (found * expected).mean(axis=(0, 2, 3)) / (expected**2).mean(axis=(0, 2, 3))
    np.testing.assert_allclose(gains, 1.0, atol=0.02)


def test_means_over_mels_have_a_range_of_their_own_in_int8(tmp_path, rng):
    """Steps of what is averaged would be a sixth of the spread of the means: an error of 0.05."""
    clips = rng.standard_normal((24, 32, 40, 3)).astype(np.float32)
    settings = ModelSettings.model_validate(parse_yaml("layers: [FrequencyAveragePooling]", "y"))
    shape = clips.shape[1:]
    model = build(settings, named={}, input_shape=shape, constants={}, name="net", seed=0)
    path = exported(model, clips, tmp_path, ("int8",))["int8"]
    (found,) = load_predictor(path).outputs(clips)
    expected = clips.mean(axis=1, keepdims=True)
    assert np.sqrt(np.mean((found - expected) ** 2)) < 0.02 * expected.std()


@pytest.mark.parametrize(
    ("set_id", "likeness", "apart"),  # correlation of probabilities, int8 with float32
    [
        ("task1a_bcresnet", 0.7, 0.9),
        ("task1a_cpmobile", 0.95, 0.6),
        ("task1a_dscnn", 0.95, 0.2),
    ],
)
def test_files_agree_with_keras_and_keep_the_limit(set_id, likeness, apart, tmp_path, rng):
    """On 100 clips; parameters and operations are counted a second time, inside the files."""
    clips = some_clips(rng, (32, 24, 1), number=100)
    model = with_statistics(built(set_id, shape=clips.shape[1:]), clips)
    for weight in model.weights:
        if weight.name == "bias":  # the converter leaves out zeros
            weight.assign(0.1 * rng.standard_normal(weight.shape))
    expected = np.asarray(model(clips, training=False))
    paths = exported(model, clips, tmp_path, ("float32", "int8"))
    (found,) = load_predictor(paths["float32"]).outputs(clips)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    (found,) = load_predictor(paths["int8"]).outputs(clips)
    found, expected = (one - one.mean(axis=0) for one in (found, expected))
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > likeness
    assert_simulated(paths, clips, apart)
    counted, footprint = count(model), estimate(model)
    for path in paths.values():
        facts = measure(path)
        assert facts.custom_operators == ()
        assert facts.macs == counted.macs
        # the converter keeps constants that are alike once
        assert 0.98 * footprint.parameters < facts.parameters <= footprint.parameters < 128_000
    assert facts.non_zero_bytes < 128_000


def assert_simulated(paths, clips, most):
    """What is trained in int8 is nearer to the file than the float32 file is.

    How much, depends on the network: one step of 256 in an early layer becomes many in a deep one
    with random weights.
    """
    graph = Graph.of(paths["int8"].read_bytes(), paths["float32"].read_bytes())
    (told,) = load_predictor(paths["int8"]).outputs(clips)
    simulated = np.asarray(Simulation(graph)(clips))
    (exact,) = load_predictor(paths["float32"]).outputs(clips)
    near, far = (np.sqrt(np.mean((one - told) ** 2)) for one in (simulated, exact))
    assert near < most * far


@pytest.mark.parametrize("set_id", ["task1a_bcresnet", "task1a_cpmobile", "task1a_dscnn"])
def test_every_weight_learns(set_id, rng):
    """One step on clips of two kinds, with what mixes and hides: no weight is left as it was."""
    import keras

    names = {
        "task1a_cpmobile": dict.fromkeys(("WIDTH_1", "WIDTH_2", "WIDTH_3"), 8)
        | dict.fromkeys(("EXPANDED_1", "EXPANDED_2"), 8),
        "task1a_bcresnet": {"WIDTH": 4},
        "task1a_dscnn": {"WIDTH": 4},
    }
    model = built(set_id, shape=(32, 24, 1), constants=names[set_id])
    before = [np.array(weight) for weight in model.weights]
    model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy", run_eagerly=True)
    loss = model.train_on_batch(some_clips(rng, (32, 24, 1)), np.eye(10)[np.arange(12) % 2])
    assert np.isfinite(loss)
    still = [
        weight.path
        for weight, old in zip(model.weights, before, strict=True)
        if np.array_equal(old, np.array(weight))
    ]
    assert still == []
