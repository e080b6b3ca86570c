"""Fixtures that all tests share: seeded randomness, small signals, real recordings if any."""

import os
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from utils import backend
from utils.config import nodes, resolve

backend.set_environment()  # for tests that import TensorFlow themselves

hypothesis.settings.register_profile("loaded", deadline=None)  # other programs may run beside
hypothesis.settings.load_profile("loaded")

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def task_yaml_is_read_once():
    """Hundreds of tests start a script in this process, and reading task.yaml takes 0.1 s."""
    known = {}

    def read_once(path: Path) -> object:
        if path.resolve() != PROJECT / "task.yaml":
            return nodes.read_yaml(path)
        if path not in known:  # a path is part of messages, so each has its own
            known[path] = nodes.read_yaml(path)
        return known[path]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resolve, "read_yaml", read_once)
        yield
    for path, content in known.items():
        assert content == nodes.read_yaml(path), "a test changed what task.yaml says"


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded generator, fresh for each test."""
    return np.random.default_rng(20211)


@pytest.fixture
def noise(rng: np.random.Generator) -> np.ndarray:
    """One second of white noise at 44.1 kHz, float32 (samples,)."""
    return (0.1 * rng.standard_normal(44_100)).astype(np.float32)


@pytest.fixture(scope="session")
def real_audio() -> Path:
    """Folder of real recordings; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("DCASE_REAL_AUDIO", PROJECT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real recordings in {folder}; set DCASE_REAL_AUDIO to their folder")
    return folder
