"""Finished runs whose networks teach another one: what they are, and whether they may."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.config.data_sections import ValidationSettings
from utils.config.nodes import read_yaml
from utils.errors import UserError
from utils.experiment.records import network_identity
from utils.files import digest
from utils.inference import read_metadata
from utils.report.results import read_results
from utils.run import PARAMETERS

SETTING = "training.distillation.teachers"
ALL_DATA = "all_data"  # sub-folder of a run, of the network that learnt all labelled clips


@dataclass(frozen=True)
class Teacher:
    """A run whose networks teach.

    Attributes:
        name: as the set of the student names it.
        folder: of the run.
        command: that makes the run; empty for a folder that was named.
    """

    name: str
    folder: Path
    command: str = ""

    def require(self, *, identity: str, places: Sequence[str]) -> None:
        """Refuse a run that is not finished, or of other data.

        The identity of a data set holds the division of its clips. So a network of the same fold
        has learnt the clips that its student learns, and no other ones. All labelled clips are
        divided by :attr:`validation` alone.

        Args:
            identity: of the student's data.
            places: sub-folders of the folds; one without a name where there is one network.

        Raises:
            UserError: saying how to mend it.
        """
        results = self.folder / "results.json"
        if not results.is_file():
            raise self._missing(self.folder, self.command)
        if read_results(results).data_identity != identity:
            raise UserError(
                f"{SETTING}: {self.name} was trained on other clips, or on another division of "
                f"them ({self.folder}); name a run of the same data, dataset.validation and "
                "training.folds."
            )
        for place in places:
            self.model(place)

    def model(self, place: str) -> Path:
        """The network of a fold.

        Args:
            place: sub-folder of the fold.

        Raises:
            UserError: when it is not there.
        """
        path = self.folder / place / "model.keras"
        if path.is_file() and read_metadata(path) is not None:
            return path
        mode = " -m eval" if place == ALL_DATA else ""
        raise self._missing(path.parent, self.command and self.command + mode)

    @property
    def validation(self) -> ValidationSettings:
        """How the run divides clips into those that are learnt and those that choose the epoch.

        Raises:
            ConfigError: when its parameters cannot be read.
        """
        told = read_yaml(self.folder / PARAMETERS)
        return ValidationSettings.model_validate(told["dataset"]["validation"])

    def _missing(self, folder: Path, command: str) -> UserError:
        if not command and not self.folder.exists():
            return UserError(f"{SETTING}: {self.name} is neither a set nor a folder ({folder}).")
        mend = f"train it with `{command}`" if command else "name the folder of a finished run"
        return UserError(f"{SETTING}: there is no finished run of {self.name} in {folder}; {mend}.")


def model_identity(path: Path) -> str:
    """What a network is and is given: its layers and weights, its front end and normaliser.

    A network that is trained again to the same weights is the same; when its file was written, and
    what follows the network (shifts, calibration), does not count.

    Args:
        path: a ``.keras`` file with its metadata beside it.

    Raises:
        UserError: for a file that is no Keras model.
    """
    told = read_metadata(path)
    heard = None if told is None else [told.classes, told.audio, told.features, told.normaliser]
    return digest([network_identity(path), heard], length=16)
