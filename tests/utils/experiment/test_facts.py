"""A note on what could not be counted."""

import pytest

from utils.experiment.facts import uncounted
from utils.report.results import LayerFacts, ModelFacts


def layer(name, macs):
    return LayerFacts(name, "Dense", (None, 3), 10, macs)


@pytest.mark.parametrize(
    ("macs", "named"), [((5, 0), None), ((5, None), "b."), ((None, None), "a, b.")]
)
def test_layers_without_a_count_are_named(macs, named):
    layers = tuple(map(layer, "ab", macs))
    notes = uncounted(ModelFacts(20, 20, 20, 5, 40, layers=layers))
    assert len(notes) == (named is not None)
    assert all(note.endswith(f"not be counted: {named}") for note in notes)
