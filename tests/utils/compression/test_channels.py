"""A network without some channels computes what is left of it."""

from pathlib import Path

import numpy as np
import pytest

from models.builder import build
from models.complexity import count
from utils.compression.channels import DEPTHWISE, LEVELLED, MAKERS, Channels, calls
from utils.compression.narrowing import least_important, narrowed, without_least
from utils.config import load
from utils.errors import UserError

SHAPE = (16, 12, 1)
CATALOGUE = load(Path(__file__).resolve().parents[3] / "task.yaml")
NETWORKS = {
    CATALOGUE.resolve(set_id).settings.model.use: set_id for set_id in CATALOGUE.set_ids("task1a")
}
"""A set of each network of task 1A, the last one."""
NARROW = {
    "bc_resnet_asc": {"WIDTH": 8},
    "cp_mobile": {"WIDTH_1": 16, "WIDTH_2": 12, "WIDTH_3": 10, "EXPANDED_1": 20, "EXPANDED_2": 14},
    "ds_cnn": {"WIDTH": 8},
}
NARROW["cp_mobile_grn"] = NARROW["cp_mobile"]


def network():
    """Branches that are added, concatenated, gated and flattened."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    clip = x = keras.Input(SHAPE)
    x = layers.Conv2D(8, 3, strides=2, padding="same", name="first")(x)
    x = layers.BatchNormalization()(x)
    y = layers.Conv2D(8, 1, name="second")(layers.DepthwiseConv2D(3, padding="same")(x))
    x = layers.PReLU(shared_axes=[1, 2])(layers.Add()([x, y]))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Multiply()([x, layers.Dense(8, activation="sigmoid", name="gate")(gate)])
    doubled = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", name="doubled")(x)
    beside = layers.Conv2D(6, 3, padding="same", name="beside")(x)
    x = layers.Concatenate()([doubled, beside])
    x = layers.Flatten()(layers.AveragePooling2D(2)(x))
    x = layers.Dense(10, activation="relu", name="hidden")(x)
    return keras.Model(clip, layers.Dense(4, activation="softmax", name="last")(x))


def clips(shape=SHAPE):
    return np.random.default_rng(0).standard_normal((5, *shape)).astype(np.float32)


def stirred(model):
    """The network with weights as a training might leave them: nothing is 0 or 1 by itself."""
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if type(layer).__name__ in LEVELLED:
            continue
        for weight in layer.weights:
            given = np.array(weight)
            if given.ndim < 2 or type(layer).__name__ == "SubSpectralNormalization":
                given = rng.uniform(0.5, 1.5, given.shape)
            weight.assign(given)
    return model


def silenced(model, channels, removed):
    """The network whose channels that go are 0 wherever they are."""
    for layer, _, (output, *_) in calls(model):
        dead = np.isin(channels.roots(output), sorted(removed))
        for weight in layer.weights:
            values = np.array(weight)
            if type(layer).__name__ in DEPTHWISE and values.ndim > 1:
                continue
            if values.ndim and values.shape[-1] == len(dead):
                values[..., dead] = 0.0
            weight.assign(values)
    return model


def without_levels(model):
    """The network without layers that compare channels, so that those that are 0 count nowhere."""
    import keras

    def clone(layer):
        if type(layer).__name__ in LEVELLED:
            return keras.layers.Identity(name=layer.name)
        return type(layer).from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=clone)


def assert_exact(model, *, share, shape=SHAPE):
    """Both ways to be rid of channels give the same, and one of them is smaller."""
    model = stirred(model)
    channels = Channels.of_network(model)
    removed = least_important(model, channels, share=share)
    silenced(model, channels, removed)
    smaller = narrowed(model, channels, removed)
    np.testing.assert_allclose(smaller(clips(shape)), model(clips(shape)), atol=1e-5)
    before, after = count(model), count(smaller)
    assert after.macs < before.macs
    assert after.parameters < before.parameters
    assert after.unknown == before.unknown == ()
    assert smaller.name == model.name
    return smaller


def sizes(model, *names):
    return [model.get_layer(name).output.shape[-1] for name in names]


def test_channels_that_are_added_are_one():
    model = network()
    found = Channels.of_network(model)
    ids = {
        layer.name: found.roots(layer.output).tolist() for layer in model.layers if layer.weights
    }
    assert ids["first"] == ids["second"] == ids["gate"]
    assert not set(ids["first"]) & set(ids["beside"])
    assert ids["doubled"] == np.repeat(ids["first"], 2).tolist()
    assert set(ids["last"]) <= found.kept_roots
    assert not set(ids["hidden"]) & found.kept_roots
    assert found.barriers == set()


def test_what_is_left_says_the_same():
    smaller = assert_exact(network(), share=0.3)
    names = ("first", "second", "gate", "doubled", "beside", "hidden", "last")
    assert sizes(smaller, *names) == [6, 6, 6, 12, 5, 7, 4]


@pytest.mark.parametrize(("share", "left"), [(0.5, 4), (0.99, 1)])
def test_the_share_is_of_each_layer(share, left):
    smaller = without_least(network(), share=share)
    assert sizes(smaller, "first", "second", "last") == [left, left, 4]
    assert np.isfinite(np.asarray(smaller(clips()))).all()


def test_weak_filters_go_first():
    """Of layers that are added, those that are weak beside their own layer's, on the whole."""
    model = network()
    for name, scale in (("first", 100.0), ("second", 0.01), ("gate", 1.0)):
        kernel = np.ones(model.get_layer(name).kernel.shape)
        kernel[..., 5] *= 0.1
        kernel[..., 2] *= 0.5
        model.get_layer(name).kernel.assign(scale * kernel)
    found = Channels.of_network(model)
    roots = found.roots(model.get_layer("first").output)
    removed = least_important(model, found, share=0.25)
    assert {place for place, root in enumerate(roots) if root in removed} == {2, 5}


def set_network(set_id, constants):
    overrides = [f"model.constants.{name}={value}" for name, value in dict(constants).items()]
    resolved = CATALOGUE.resolve(set_id, overrides=overrides)
    own = set_id.startswith(("task1a_bcresnet", "task1a_cpmobile", "task1a_dscnn"))
    shape = (32, 24, 1) if own else (40, 51, 1)
    return build(
        resolved.settings.model, named=resolved.models, input_shape=shape,
        constants={"CLASS_COUNT": 10, "MELS": shape[0], "FRAMES": shape[1]}, name=set_id, seed=0,
    )  # fmt: skip


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_of_scenes_becomes_narrower(network):
    model = set_network(NETWORKS[network], NARROW.get(network, ()))
    shape = model.input_shape[1:]
    plain = model
    if {type(layer).__name__ for layer in model.layers} & LEVELLED:
        smaller = without_least(model, share=0.3)
        assert np.isfinite(np.asarray(smaller(clips(shape)))).all()
        plain = without_levels(model)
    smaller = assert_exact(plain, share=0.3, shape=shape)
    found = Channels.of_network(model)
    free = [
        layer
        for layer in model.layers
        if type(layer).__name__ in MAKERS and not set(found.roots(layer.output)) & found.kept_roots
    ]
    makers = [layer for layer in model.layers if type(layer).__name__ in MAKERS]
    assert len(free) == len(makers) - 1  # all but the one of the classes
    for layer in free:
        (before,), (after,) = sizes(model, layer.name), sizes(smaller, layer.name)
        assert after == before - int(0.3 * before)


def test_it_costs_what_a_network_costs_that_was_built_so():
    wide, narrow = (set_network("task1a_dscnn", {"WIDTH": width}) for width in (8, 4))
    found, expected = count(without_least(wide, share=0.5)), count(narrow)
    assert (found.parameters, found.macs) == (expected.parameters, expected.macs)
    assert [layer.macs for layer in found.layers] == [layer.macs for layer in expected.layers]
    assert found.keras_float16_bytes == expected.keras_float16_bytes


def closed(*middle, last="softmax"):
    import keras

    keras.utils.set_random_seed(0)
    found = [keras.Input(SHAPE), *middle, keras.layers.GlobalAveragePooling2D()]
    return keras.Sequential([*found, keras.layers.Dense(2, activation=last)])._functional


def test_what_meets_an_unknown_layer_is_kept():
    from keras import layers

    model = closed(
        layers.Conv2D(6, 3, name="kept"),
        layers.LayerNormalization(),
        layers.Conv2D(6, 3, name="free"),
        layers.Conv2D(6, 1, activation="softmax", name="shares"),
        layers.Conv2D(6, 3, groups=2, name="grouped"),
    )
    names = ("kept", "free", "shares", "grouped")
    assert sizes(assert_exact(model, share=0.5), *names) == [6, 3, 6, 6]
    assert Channels.of_network(model).barriers == {"LayerNormalization", "Conv2D"}


def test_a_layer_that_is_used_twice_is_kept():
    import keras
    from keras import layers

    clip = keras.Input(SHAPE)
    shared = layers.Conv2D(4, 3, padding="same", name="shared")
    x = layers.Conv2D(4, 3, padding="same", name="before")(clip)
    x = layers.Conv2D(4, 1, name="free")(shared(shared(x)))
    model = keras.Model(clip, layers.Dense(2)(layers.GlobalMaxPooling2D()(x)))
    smaller = assert_exact(model, share=0.5)
    assert sizes(smaller, "before", "shared", "free") == [4, 4, 2]


def test_nothing_to_take_away_is_refused():
    import keras
    from keras import layers

    model = closed(layers.Conv2D(6, 3), layers.LayerNormalization())
    told = r"^compression\.channels: .* make outputs, or channels beside LayerNormalization; set "
    with pytest.raises(UserError, match=told):
        without_least(model, share=0.5)
    told = r"^compression\.channels: a share of 0\.1 is less than one channel of each layer"
    with pytest.raises(UserError, match=told):
        without_least(closed(layers.Conv2D(6, 3)), share=0.1)

    class Own(keras.Model):
        pass

    with pytest.raises(UserError, match=r"^compression\.channels: own is no network of layers"):
        without_least(Own(name="own"), share=0.5)
