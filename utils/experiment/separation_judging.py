"""How well a network separates the validation stretches, after each epoch."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from models.separation_losses import IN_ANY_ORDER
from utils.evaluation.separation import in_order
from utils.experiment.facts import metadata_of
from utils.experiment.separation_learning import SeparationLearning
from utils.inference import MemoryPredictor
from utils.inference.separator import Separator
from utils.metrics.separation import si_sdr
from utils.training.compiling import loss_of

if TYPE_CHECKING:
    import keras

COLUMNS = ("val_loss", "val_si_sdr_improvement")
BATCH = 8  # stretches that the network separates at once


@dataclass(frozen=True)
class SeparationJudge:
    """Loss and improvement of SI-SDR over the mixture, on stretches at fixed places.

    The loss is that of the network in use, so of several scales it is that of the last alone. Stems
    that are silent in a stretch have no SI-SDR and are left out.

    Attributes:
        learning: gives the stretches.
    """

    learning: SeparationLearning

    @property
    def in_any_order(self) -> bool:
        """Whether the network may give the sources in any order."""
        return self.learning.job.settings.training.loss in IN_ANY_ORDER

    def __call__(self, model: "keras.Model") -> dict[str, float]:
        """Score a network as it is."""
        return {"val_loss": self._loss(model), "val_si_sdr_improvement": self._improvement(model)}

    @cached_property
    def _heard(self) -> tuple[np.ndarray, np.ndarray]:
        """What the network hears of the mixtures, and what it should say."""
        heard, (mixtures, stems) = self.learning.heard, self.learning.validation
        return heard(mixtures), np.asarray(heard.targets(stems))

    def _loss(self, model: Any) -> float:
        import keras

        loss = keras.losses.get(loss_of(self.learning.job.settings.training))
        inputs, targets = self._heard
        values = []
        for first in range(0, len(inputs), BATCH):
            part = slice(first, first + BATCH)
            found = model.predict_on_batch(inputs[part])
            each = keras.ops.convert_to_numpy(loss(targets[part], found))
            values.append(np.broadcast_to(each, len(found)))
        return float(np.mean(np.concatenate(values)))

    def _improvement(self, model: Any) -> float:
        learning = self.learning
        metadata = metadata_of(
            learning.job, None, separation=learning.job.settings.separation.model_dump(mode="json")
        )
        separator = Separator.of(MemoryPredictor(model, metadata=metadata))
        gains = []
        for mixture, stems in zip(*learning.validation, strict=True):
            estimates = separator(mixture)
            if self.in_any_order:
                estimates = in_order(estimates, stems)
            mixed = np.broadcast_to(mixture, stems.shape)
            flat = (each.reshape(len(stems), -1) for each in (estimates, stems, mixed))
            estimated, true, before = flat
            gain = si_sdr(estimated, true) - si_sdr(before, true)
            gains += gain[true.any(axis=1)].tolist()
        return float(np.mean(gains)) if gains else 0.0
