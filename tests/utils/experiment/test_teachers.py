"""Which runs may teach, and by what their networks are known."""

import json
import zipfile

import pytest

from utils.errors import UserError
from utils.experiment.teachers import Teacher, model_identity
from utils.inference import Metadata, write_metadata
from utils.report.results import Results, write_results

COMMAND = "python toy.py -s big --seed 0"


def metadata(**changes):
    given = {
        "set_id": "big", "classes": ("one", "two"), "audio": {}, "features": {}, "normaliser": None,
        "data": "words", "shifts_seconds": (0.0,), "temperature": 1.0,
    }  # fmt: skip
    return Metadata(**given | changes)


def write_model(path, *, weights=b"1", written="monday", name="big", layers=1, **told):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("metadata.json", json.dumps({"date_saved": written}))
        file.writestr("config.json", json.dumps({"config": {"name": name, "layers": layers}}))
        file.writestr("model.weights.h5", weights)
    write_metadata(path, metadata(**told))
    return path


@pytest.fixture
def teacher(tmp_path) -> Teacher:
    """A finished run of two folds."""
    folder = tmp_path / "big" / "words-0-1234"
    for place in ("fold1", "fold2"):
        write_model(folder / place / "model.keras")
    results = Results(
        set_id="big", description="", data="words", data_identity="abc", demo=False, seed=0,
        commit="", versions={}, stages={}, scores={},
    )  # fmt: skip
    write_results(folder / "results.json", results)
    return Teacher("big", folder, COMMAND)


def test_a_network_is_known_by_its_weights_and_front_end_not_by_its_date(tmp_path):
    first = model_identity(write_model(tmp_path / "model.keras"))
    same = {"written": "friday", "name": "equal", "shifts_seconds": (0.0, 0.1), "temperature": 2.0}
    assert model_identity(write_model(tmp_path / "model.keras", **same)) == first
    others = [
        model_identity(write_model(tmp_path / "model.keras", **other))
        for other in (
            {"weights": b"2"}, {"layers": 2}, {"features": {"n_mels": 3}},
            {"classes": ("two", "one")},
        )
    ]  # fmt: skip
    assert len({first, *others}) == 5


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "model.keras").write_text("nothing")
    with pytest.raises(UserError, match=r"model\.keras: is not a Keras model or is damaged"):
        model_identity(tmp_path / "model.keras")


def test_a_finished_run_of_the_same_data_may_teach(teacher):
    teacher.require(identity="abc", places=("fold1", "fold2"))
    assert teacher.model("fold2") == teacher.folder / "fold2" / "model.keras"


def test_a_run_of_other_data_may_not(teacher):
    with pytest.raises(UserError, match="big was trained on other clips, or on another division"):
        teacher.require(identity="abd", places=("fold1", "fold2"))


def test_a_missing_run_is_refused_with_the_command_that_makes_it(teacher):
    (teacher.folder / "results.json").unlink()
    told = rf"there is no finished run of big in .*words-0-1234; train it with `{COMMAND}`\.$"
    with pytest.raises(UserError, match=told):
        teacher.require(identity="abc", places=("fold1",))


def test_a_missing_fold_is_refused(teacher):
    told = rf"no finished run of big in .*fold3; train it with `{COMMAND}`\.$"
    with pytest.raises(UserError, match=told):
        teacher.require(identity="abc", places=("fold1", "fold3"))


def test_the_network_of_all_data_is_made_by_another_mode(teacher):
    with pytest.raises(UserError, match=rf"all_data; train it with `{COMMAND} -m eval`\.$"):
        teacher.model("all_data")


def test_of_a_folder_no_command_is_known(tmp_path):
    folder = tmp_path / "runs" / "none"
    named = Teacher("runs/none", folder)
    with pytest.raises(UserError, match=r"runs/none is neither a set nor a folder \(.*none\)\.$"):
        named.require(identity="abc", places=("",))
    folder.mkdir(parents=True)
    with pytest.raises(UserError, match=r"runs/none; name the folder of a finished run\.$"):
        named.require(identity="abc", places=("",))
