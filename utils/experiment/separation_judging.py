"""How well a network separates the validation stretches, after each epoch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from utils.evaluation.separation import in_order
from utils.experiment.facts import separator_metadata
from utils.experiment.separation_learning import SeparationLearning
from utils.inference import MemoryPredictor
from utils.inference.separator import Separator
from utils.metrics.separation import si_sdr_improvement
from utils.training.compiling import in_any_order, loss_of

if TYPE_CHECKING:
    import keras

COLUMNS = ("val_loss", "val_si_sdr_improvement")
BATCH = 8  # stretches that are in memory, and that the network separates, at once


@dataclass(frozen=True)
class SeparationJudge:
    """Loss and improvement of SI-SDR over the mixture, on stretches at fixed places.

    The loss is that of the network in use, so of several scales it is that of the last alone. The
    stretches of a file are scored as one signal: of each by itself, a stem that all but rests in it
    would count as much as one that sounds. Stems that are silent in all stretches of a file have no
    SI-SDR and are left out; where one alone sounds it is the mixture, over which nothing improves,
    and the file is left out. A network that has become NaN has an improvement of NaN.

    Masks, overlap and sum of the stems are those of the default settings: a set's may change
    without a new training, so the scores of its epochs may not depend on them.

    The network is asked twice: of magnitudes the loss is about the frames that training sees, while
    a :class:`Separator` puts silence before and behind the stretch and cuts other windows.

    Attributes:
        learning: gives the stretches.
    """

    learning: SeparationLearning

    def __call__(self, model: "keras.Model") -> dict[str, float]:
        """Score a network as it is."""
        metadata = separator_metadata(self.learning.job, training=True)
        separator = Separator.of(MemoryPredictor(model, metadata=metadata))
        losses: list[float] = []

        def stretches() -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
            for files, mixtures, stems in self.learning.validation(BATCH):
                losses.extend([self._loss(model, mixtures, stems)] * len(mixtures))
                yield from zip(files, mixtures, stems, separator.each(list(mixtures)), strict=True)

        gains: list[float] = []
        for _, of_file in groupby(stretches(), key=itemgetter(0)):
            _, *signals = zip(*of_file, strict=True)
            gains += self._gains(*signals).tolist()
        improvement = float(np.mean(gains)) if gains else 0.0
        return {"val_loss": float(np.mean(losses)), "val_si_sdr_improvement": improvement}

    def _loss(self, model: "keras.Model", mixtures: np.ndarray, stems: np.ndarray) -> float:
        """Mean loss of stretches."""
        import keras

        heard = self.learning.heard
        loss = keras.losses.get(loss_of(self.learning.job.settings.training))
        found = loss(np.asarray(heard.targets(stems)), model.predict_on_batch(heard(mixtures)))
        return float(np.mean(keras.ops.convert_to_numpy(found), dtype=np.float64))

    def _gains(
        self,
        mixtures: Sequence[np.ndarray],
        stems: Sequence[np.ndarray],
        estimates: Sequence[np.ndarray],
    ) -> np.ndarray:
        """Improvement of each stem that sounds; channels are one signal of many samples."""
        mixture, true, found = (
            np.concatenate([part.reshape(*part.shape[:-2], -1) for part in parts], axis=-1)
            for parts in (mixtures, stems, self._ordered(estimates, stems))
        )
        sounds = true.any(axis=1)
        if sounds.sum() == 1:
            return np.empty(0)
        if not np.isfinite(found).all():
            return np.full(sounds.sum(), np.nan)
        return si_sdr_improvement(found, true, mixture)[sounds]

    def _ordered(
        self, estimates: Sequence[np.ndarray], stems: Sequence[np.ndarray]
    ) -> Sequence[np.ndarray]:
        """Estimates of each stretch in the order of its stems."""
        any_order = in_any_order(self.learning.job.settings.training)
        if not any_order or not all(np.isfinite(found).all() for found in estimates):
            return estimates
        return [in_order(*pair) for pair in zip(estimates, stems, strict=True)]
