"""Fixtures of the tests of task4_sed.py, which name this file as a plugin."""

from pathlib import Path

import pytest

from tests.tasks.conftest import imported
from tests.tasks.sed_data import write_desed, write_tiny_sed


@pytest.fixture(scope="session")
def sed():
    """task4_sed.py, imported."""
    return imported("task4_sed")


@pytest.fixture(scope="session")
def desed(tmp_path_factory) -> Path:
    """Folder of tones in the layout of DESED."""
    return write_desed(tmp_path_factory.mktemp("desed") / "data")


@pytest.fixture
def tiny_sed(tmp_path) -> Path:
    """Parameter file of the tiny sets, for the test alone."""
    return write_tiny_sed(tmp_path)


@pytest.fixture(scope="session")
def searched(sed, desed, tmp_path_factory) -> Path:
    """Folder of a run on tones in all formats; tests start it again, but train nothing anew."""
    folder = tmp_path_factory.mktemp("searched")
    formats = "export.formats=[float32,float16,dynamic]"
    arguments = ("-s", "tiny", "-p", write_tiny_sed(folder), "--data", desed)
    assert sed(*arguments, "--override", formats) == 0
    return folder
