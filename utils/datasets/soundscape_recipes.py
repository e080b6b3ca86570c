"""What soundscapes are mixed of, drawn from a seed: which sounds, when, how long and how loud.

Times are samples at the rate of the soundscapes. A recipe is drawn without reading audio, so that
tables of labels and audio files can be made apart, and in any order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from utils.datasets.base import Event
from utils.datasets.sound_portions import Portion
from utils.errors import DataError

SAME_CLASS_GAP_SECONDS = 0.15
"""Two events of a class with less between them would be one, by the rules of DESED's labels."""

_TRIES = 30  # sounds tried for one event before its clip is drawn anew
_ROUNDS = 200  # times that a clip is drawn anew


@dataclass(frozen=True)
class Style:
    """How soundscapes are drawn.

    Attributes:
        seconds: length of a clip.
        events: fewest and most events; every number is equally likely.
        event_seconds: bounds of the length that a longer sound is cut to, even on a logarithmic
            scale. A sound without onset and offset of its own fills its clip, if it is long enough.
        snr_db: bounds of an event's level over the background, uniform; 6 to 30 dB as in DESED.
        overlap: most events at the same time.
    """

    seconds: float = 10.0
    events: tuple[int, int] = (1, 5)
    event_seconds: tuple[float, float] = (0.5, 10.0)
    snr_db: tuple[float, float] = (6.0, 30.0)
    overlap: int = 3

    def __post_init__(self) -> None:
        for name in ("events", "event_seconds", "snr_db"):
            low, high = getattr(self, name)
            if low > high:
                raise DataError(
                    f"{name}: {low:g} is larger than {high:g}; the smaller comes first."
                )
        if self.events[0] < 0 or self.overlap < 1:
            raise DataError("events: 0 or more are needed, overlap: 1 or more.")
        if self.seconds <= 0.0 or self.event_seconds[0] <= 0.0:
            raise DataError("seconds, event_seconds: lengths above 0 are needed.")


@dataclass(frozen=True)
class Material:
    """One sound as the drawing sees it.

    Attributes:
        sound: its number, which a recipe names it by.
        label: its class.
        portions: where it sounds; at least one.
        onset: False where its recording begins amid the sound: it then begins with the clip.
        offset: False where its recording ends amid the sound: it then ends with the clip.
    """

    sound: int
    label: str
    portions: tuple[Portion, ...]
    onset: bool = True
    offset: bool = True


@dataclass(frozen=True)
class Placed:
    """One event of a soundscape.

    Attributes:
        sound: number of its :class:`Material`.
        label: its class.
        source: first sample that is taken of the sound.
        length: number of samples.
        onset: first sample in the clip.
        snr_db: level over the background.
    """

    sound: int
    label: str
    source: int
    length: int
    onset: int
    snr_db: float

    @property
    def end(self) -> int:
        """The sample after the last in the clip."""
        return self.onset + self.length


@dataclass(frozen=True)
class Recipe:
    """What one soundscape is mixed of.

    Attributes:
        length: samples.
        events: sorted by onset.
        background: number of the background; None: it is generated.
        background_start: first sample that is taken of it.
        noise_seed: of a generated background.
    """

    length: int
    events: tuple[Placed, ...]
    background: int | None
    background_start: int
    noise_seed: int

    def labelled(self, sample_rate: int) -> tuple[Event, ...]:
        """Its events in seconds, sorted by onset."""
        return tuple(
            Event(one.label, one.onset / sample_rate, one.end / sample_rate) for one in self.events
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """Its classes, sorted."""
        return tuple(sorted({one.label for one in self.events}))


def draw(
    rng: np.random.Generator,
    materials: Mapping[str, Sequence[Material]],
    style: Style,
    *,
    sample_rate: int,
    backgrounds: Sequence[int] = (),
    fewest: int = 0,
) -> Recipe:
    """Draw one soundscape.

    Each event has a class and a sound of it, all equally likely; one of the sound's portions, and
    a place in it where it is longer than the event shall be. It lies whole in the clip, anywhere,
    but not on another event of its class and never with more than ``style.overlap`` at a time. A
    clip in which no place is found for an event is drawn anew, so long events are rarer there.

    Args:
        rng: the recipe is a function of its state and of the other arguments.
        materials: sounds of each class; at least one.
        style: how it is drawn.
        sample_rate: hertz.
        backgrounds: samples of each background; none: backgrounds are generated.
        fewest: events at least, where ``style`` allows fewer.

    Raises:
        DataError: when so many events find no room.
    """
    length = round(style.seconds * sample_rate)
    low, high = max(style.events[0], fewest), max(style.events[1], fewest)
    count = int(rng.integers(low, high + 1))
    for _ in range(_ROUNDS):
        clip = _Clip(length, style.overlap, round(SAME_CLASS_GAP_SECONDS * sample_rate))
        if _fill(clip, count, rng, materials, style, sample_rate):
            break
    else:
        raise DataError(
            f"in {_ROUNDS} attempts no room was found for {count} events in a clip of"
            f" {style.seconds:g} s with {style.overlap} at a time at most; ask for fewer or shorter"
            " events, longer clips or more overlap."
        )
    background, start = None, 0
    if backgrounds:
        background = int(rng.integers(len(backgrounds)))
        start = int(rng.integers(max(1, backgrounds[background] - length + 1)))
    events = tuple(sorted(clip.events, key=lambda one: (one.onset, one.label)))
    return Recipe(length, events, background, start, noise_seed=int(rng.integers(2**63)))


@dataclass
class _Clip:
    """A clip that is being filled.

    Attributes:
        length: samples.
        overlap: most events at the same time.
        gap: samples between two events of a class, at least.
        events: those that found room.
    """

    length: int
    overlap: int
    gap: int
    events: list[Placed] = field(default_factory=list)

    def has_room(self, event: Placed) -> bool:
        """Whether an event may join the others."""
        beside = [one for one in self.events if one.onset < event.end and event.onset < one.end]
        at_once = [
            sum(one.onset <= place < one.end for one in beside)
            for place in [event.onset, *(max(one.onset, event.onset) for one in beside)]
        ]
        return max(at_once) < self.overlap and not any(
            one.label == event.label
            and one.onset < event.end + self.gap
            and event.onset < one.end + self.gap
            for one in self.events
        )


def _fill(
    clip: _Clip,
    count: int,
    rng: np.random.Generator,
    materials: Mapping[str, Sequence[Material]],
    style: Style,
    sample_rate: int,
) -> bool:
    """Put events into an empty clip; whether all found room."""
    labels = list(materials)
    for _ in range(count):
        label = labels[int(rng.integers(len(labels)))]
        for _ in range(_TRIES):
            event = _event(rng, materials[label], clip.length, style, sample_rate)
            if clip.has_room(event):
                clip.events.append(event)
                break
        else:
            return False
    return True


def _event(
    rng: np.random.Generator,
    sounds: Sequence[Material],
    clip: int,
    style: Style,
    sample_rate: int,
) -> Placed:
    """Draw an event of one of these sounds, somewhere in a clip of so many samples."""
    sound = sounds[int(rng.integers(len(sounds)))]
    first, end = sound.portions[int(rng.integers(len(sound.portions)))]
    low, high = style.event_seconds
    wanted = max(1, round(low * (high / low) ** rng.random() * sample_rate))
    unbounded = not (sound.onset or sound.offset)
    length = min(end - first, clip if unbounded else wanted, clip)
    source = int(rng.integers(first, end - length + 1))
    onset = int(rng.integers(clip - length + 1))
    if not sound.onset:  # it was there before the clip; its end, if it has one, is heard
        source, onset = end - length if sound.offset else source, 0
    elif not sound.offset:
        source, onset = first, clip - length
    return Placed(
        sound=sound.sound,
        label=sound.label,
        source=source,
        length=length,
        onset=onset,
        snr_db=float(rng.uniform(*style.snr_db)),
    )
