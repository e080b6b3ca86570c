"""What benchmarks lay over task.yaml fits it: each of their sets resolves, on each kind of data."""

from pathlib import Path

import pytest

from benchmarks import scene_sets, sed_teacher, word_sets
from benchmarks.pipeline import scene_network
from models.footprint import estimate
from utils.config import load
from utils.features import from_settings

PROJECT = Path(__file__).resolve().parent.parent


def catalogue(module):
    return load(PROJECT / "task.yaml", module.PARAMETERS)


@pytest.mark.parametrize("kind", scene_sets.KINDS)
def test_sets_of_scenes(kind):
    sets = catalogue(scene_sets)
    data, ending, changes = scene_sets.KINDS[kind]
    asked = [f"dataset.name={data}", *(f"{path}={value}" for path, value in changes.items())]
    for name in scene_sets.SETS:
        plain, pruned = (
            sets.resolve(f"{name}{ending}{more}", overrides=asked).settings
            for more in scene_sets.VARIANTS
        )
        assert plain.dataset.name == data
        representation = from_settings(plain.audio, plain.features)
        assert representation.n_samples == round(plain.audio.seconds * plain.audio.sample_rate)
        assert set(plain.export.files) == set(scene_sets.FORMS)
        assert plain.compression is None
        assert pruned.compression is not None and pruned.compression.zeros is not None
        own = {"set_id", "description", "compression"}
        assert plain.model_dump(exclude=own) == pruned.model_dump(exclude=own)


@pytest.mark.parametrize("ending", ["", "_1s"])
def test_the_narrow_network_has_less_than_half_the_bytes_of_the_baseline(ending):
    sets = catalogue(scene_sets)
    sizes = {}
    for name in ("baseline", "dscnn_half"):
        network, _ = scene_network(sets.resolve(name + ending))
        sizes[name] = estimate(network).size("int8")
    assert sizes["dscnn_half"] <= sizes["baseline"] / 2


def test_small_networks_have_one_recipe():
    sets = catalogue(scene_sets)
    names = [name + ending for name in scene_sets.SETS[1:] for ending in ("", "_1s")]
    trainings = [sets.resolve(name).settings.training for name in (*names, "baseline_recipe")]
    assert all(training == trainings[0] for training in trainings)


@pytest.mark.parametrize(
    ("module", "names"),
    [(word_sets, (*word_sets.REPEATED, *word_sets.ONCE)), (sed_teacher, sed_teacher.SETS)],
)
def test_sets_of_other_tasks(module, names):
    sets = catalogue(module)
    for name in names:
        assert sets.resolve(name).settings.set_id == name
