"""What a submission refuses before anything is trained, and what it leaves."""

from dataclasses import replace

import pytest

from utils.errors import ConfigError, DataError
from utils.experiment import load_clips_to_submit


@pytest.fixture
def changed(job):
    """The job with other values of some sections; its data are those of TAU 2020."""

    def change(**sections):
        settings = job.settings.model_dump(exclude_unset=True)
        for name, values in sections.items():
            settings[name] = settings.get(name, {}) | values
        return replace(job, settings=type(job.settings).model_validate(settings))

    return change


def test_one_network_is_handed_in_not_those_of_folds(changed):
    with pytest.raises(ConfigError, match="training.folds: the results of 3 networks"):
        load_clips_to_submit(changed(training={"folds": 3}))
