"""Arrays to tf.data batches: in which order, and why.

1. **Order.** A data set runs over all epochs at once; the order of an epoch is a function of the
   seed and the epoch's number, so that a resumed run sees the batches that it would have seen.
   Mixtures have no order: what their clips are mixed of is a function of seed, epoch and step.
2. **Batch.** Row numbers are batched, not clips: all that follows works on whole batches. An
   epoch's last batch is smaller if the clips do not divide evenly; no clip is dropped or repeated.
3. **Read.** From memory where the clips (of mixtures: the words) fit into what was asked for, else
   from the memory map, a batch at a time.
4. **Mix.** Words to clips and targets, afresh in each epoch. It comes first of all that changes a
   clip, as it would for clips that come mixed; augmentation then acts on the sum.
5. **Augment.** Waveforms, afresh in each epoch, from a seed of (seed, epoch, step). It comes before
   the front end, since noise and pitch act on waveforms. Steps that mix clips of a batch mix their
   targets too.
6. **Prepare.** Front end, normaliser, channel axis. Without mixing and augmentation its result
   never changes: it is then computed once and held instead of the rows, if it fits.
7. **Prefetch**, so that the next batches are made while the network trains on this one.
"""

from utils.pipeline.batches import evaluation_batches, steps, training_batches
from utils.pipeline.readers import drawing
from utils.pipeline.segments import Segments, Stretches, Track, even_stretches
from utils.pipeline.sources import Drawn, Mixtures, Source, sample
from utils.pipeline.voices import Voices

__all__ = [
    "Drawn",
    "Mixtures",
    "Segments",
    "Source",
    "Stretches",
    "Track",
    "Voices",
    "drawing",
    "evaluation_batches",
    "even_stretches",
    "sample",
    "steps",
    "training_batches",
]
