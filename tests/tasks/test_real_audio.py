"""Real recordings pass through task1a.py: features, training, tables, export, labels."""

import pytest

from utils.report.results import read_results

pytestmark = [pytest.mark.smoke, pytest.mark.real_audio]


@pytest.fixture
def run(script, tmp_path):
    """Run task1a.py with folders of the test's own and one epoch."""
    paths = (f"paths.runs={tmp_path}/runs", f"paths.cache={tmp_path}/cache")
    return lambda *given: script(*given, "--override", *paths, "training.epochs=1")


def test_one_second_scenes_of_tau_2022(run, real_audio, tmp_path):
    assert run("-s", "task1a_tau2022", "--data", real_audio / "tau2022_mini") == 0
    folder = tmp_path / "runs" / "task1a_tau2022" / "latest"
    results = read_results(folder / "results.json")
    assert results.data == "tau_urban_2022_mobile"
    assert results.model.parameters == 46_246
    assert results.model.macs == pytest.approx(29.20e6, rel=1e-3)
    assert results.exports["int8"].parameter_bytes == 46_512
    assert set(results.scores["per_device"]) == {"a", "b", "c", "s1", "s2", "s3", "s4", "s5", "s6"}
    table = tmp_path / "labels.csv"
    clips = sorted((real_audio / "tau2022_mini" / "audio").iterdir())[:3]
    assert run("-m", "predict", *clips, "-s", "task1a_tau2022", "-o", table) == 0
    assert len(table.read_text().splitlines()) == 4


def test_own_data_as_esc_10_lists_it(run, real_audio, tmp_path):
    data = ("-s", "task1a_csv", "--data", real_audio / "esc10")
    assert run(*data, "--override", "dataset.folds=[1]") == 0
    results = read_results(tmp_path / "runs" / "task1a_csv" / "latest" / "results.json")
    assert sum(cell["clips"] for cell in results.scores["per_class"].values()) == 80
    assert results.scores["per_device"] == {}
