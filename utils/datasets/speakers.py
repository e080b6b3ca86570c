"""The data set ``speakers``: utterances of many speakers, mixed into clips of several voices.

Validation and test mixtures are written once, with their sources; training utterances are mixed
afresh in each epoch, unless the settings say otherwise. No speaker is in two parts.
"""

from pathlib import Path

from utils.config.schema import AudioSettings, DatasetSettings
from utils.datasets.base import PARTS, Clip, DataSet, Fold
from utils.datasets.layout import choose_folds
from utils.datasets.manifests import class_names, refuse_folds
from utils.datasets.speaker_files import read_speakers
from utils.datasets.speaker_levels import Utterances
from utils.datasets.speaker_mixtures import draw_part, kept


def load_speakers(
    settings: DatasetSettings,
    *,
    audio: AudioSettings,
    root: Path,
    cache: Path,
    folds: int | None,
    name: str,
) -> DataSet:
    """Read utterances and mix the clips of ``settings.speakers`` from them.

    Args:
        settings: metadata, audio_folder, columns, folds, test_amount, validation.amount, speakers;
            see :func:`~utils.datasets.speaker_files.read_speakers`.
        audio: sample_rate of the mixtures, which are of one channel; what happens to utterances
            that cannot be used.
        root: folder of the utterances.
        cache: the mixtures lie below it.
        folds: None, as speakers are divided once.
        name: name of the result.

    Returns:
        One fold; classes ``speaker1``, ``speaker2`` ... Mixtures have a file for each source and
        their length; the training clips are utterances with their speaker as group and their
        length, and ``DataSet.speakers`` is set, if ``speakers.fresh``, else mixtures too.

    Raises:
        DataError: when something is missing, unusable or contradicts itself, speakers are too few,
            or folds are asked for.
        UserError: when the mixtures cannot be written.
    """
    refuse_folds(folds, name="speakers")
    choose_folds(settings.folds, [1], source=root)
    found = read_speakers(settings, audio=audio, root=root, cache=cache)
    speakers = settings.speakers
    written = [part for part in PARTS if part != "train" or not speakers.fresh]
    clips = kept(
        [draw_part(part, found.parts[part], speakers) for part in written],
        settings=speakers,
        sample_rate=audio.sample_rate,
        cache=cache,
        title="speakers",
    )
    if speakers.fresh:
        clips["train"] = _utterances(found.parts["train"], audio.sample_rate)
    return DataSet(
        name=name,
        classes=class_names(speakers.number),
        folds=(Fold("fold1", clips["train"], clips["validation"], clips["test"]),),
        notes=found.notes,
        speakers=speakers if speakers.fresh else None,
    )


def _utterances(found: Utterances, sample_rate: int) -> tuple[Clip, ...]:
    """Clips with their length in seconds."""
    return tuple(
        Clip(clip.name, clip.path, group=clip.group, seconds=samples / sample_rate)
        for clip, samples in zip(found.clips, found.lengths.tolist(), strict=True)
    )
