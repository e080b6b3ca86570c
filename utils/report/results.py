"""The schema of results.json, which programs read: one file tells everything about a run."""

import math
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from utils.errors import UserError
from utils.files import read_json, write_json


class _Closed:
    """Unknown keys are errors when results.json is read."""

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class LayerFacts(_Closed):
    """One layer of a network.

    Attributes:
        name: name of the layer in the network.
        kind: class of the layer, ``Conv2D``.
        output_shape: shape of its output without the batch axis.
        parameters: number of its weights, moving statistics included.
        macs: multiply-accumulate operations for one clip (one window of a network that separates);
            None where they cannot be counted.
    """

    name: str
    kind: str
    output_shape: tuple[int | None, ...]
    parameters: int
    macs: int | None


@dataclass(frozen=True)
class ModelFacts(_Closed):
    """What the Keras model weighs and costs.

    Attributes:
        parameters: number of all weights.
        trainable: of these, those that training changes.
        non_zero: of these, those that are not zero.
        macs: multiply-accumulate operations for one clip, or one window as above, in one pass.
        keras_float16_bytes: size in float16 by the challenge's rule (batch normalisation in
            float32).
        peak_activation_bytes: largest memory of activations at one time, for the same.
        layers: the network layer by layer.
        passes: times that the network is asked about one clip (``evaluation.shifts_seconds``).
    """

    parameters: int
    trainable: int
    non_zero: int
    macs: int
    keras_float16_bytes: int
    peak_activation_bytes: int | None = None
    layers: tuple[LayerFacts, ...] = ()
    passes: int = 1

    @property
    def clip_macs(self) -> int:
        """Operations of all passes that answer one clip."""
        return self.macs * self.passes


@dataclass(frozen=True)
class ExportFacts(_Closed):
    """What one exported file weighs and how well it does.

    Attributes:
        file_bytes: size of the file.
        parameters: number of weights, counted in the flatbuffer.
        non_zero: of these, those that are not zero.
        parameter_bytes: bytes of the weights.
        non_zero_bytes: bytes of the weights that are not zero.
        scores: scores on the test part by name.
        max_difference: largest difference of an output to the Keras model: of a probability, or
            of a magnitude or sample of a stem.
        latency_ms: milliseconds for one clip, or one window, on one thread.
        custom_operators: operators that TFLite has not built in; None: not looked at.
        macs: multiply-accumulate operations for one clip, or one window, counted in the file; None
            where they do not follow from it.
        nessi_macs: the same by the rule of NeSsi, the challenges' tool.
        validation: loss and metrics on the validation clips, mean over the folds, named as in
            history.csv; of labels of whole clips, and of the file that limits judge.
    """

    file_bytes: int
    parameters: int
    non_zero: int
    parameter_bytes: int
    non_zero_bytes: int
    scores: dict[str, float | None] = field(default_factory=dict)
    max_difference: float | None = None
    latency_ms: float | None = None
    custom_operators: tuple[str, ...] | None = None
    macs: int | None = None
    nessi_macs: int | None = None
    validation: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class StepFacts(_Closed):
    """What a network weighs, costs and scores after a step of its compression, or as a file.

    Attributes:
        name: ``trained``, ``channels``, ``zeros``, or the format of a file.
        parameters: number of weights; in Keras those of batch normalisation included, which files
            have merged into others.
        non_zero: of these, those that are not zero.
        bytes: of the weights; in Keras 4 each.
        non_zero_bytes: of the weights that are not zero.
        macs: multiply-accumulate operations for one clip, zeros included.
        scores: scores on the test part by name.
        latency_ms: milliseconds for one clip on one thread; of Keras those of its float32 file.
    """

    name: str
    parameters: int
    non_zero: int
    bytes: int
    non_zero_bytes: int
    macs: int
    scores: dict[str, float | None] = field(default_factory=dict)
    latency_ms: float | None = None


@dataclass(frozen=True)
class Verdict(_Closed):
    """One limit of a challenge and whether the model keeps it.

    Attributes:
        name: name of the limit.
        value: what the model has.
        allowed: the most that it may have.
        passed: whether ``value`` is at most ``allowed``.
        unit: ``bytes`` (not zero), ``bytes with zeros``, ``parameters`` or ``MAC``.
        judged: the model that was judged, ``int8``.
    """

    name: str
    value: int
    allowed: int
    passed: bool
    unit: str
    judged: str


@dataclass(frozen=True)
class Results(_Closed):
    """Everything about a run, as results.json holds it.

    Attributes:
        set_id: parameter set.
        description: what the set is.
        data: ``demo`` or the name of the data set.
        data_identity: identity of the data, independent of where it lies.
        demo: whether the run was made on demo data.
        seed: seed of the run.
        commit: version of the program's source, ``unknown`` outside a repository.
        versions: versions of Python and of the libraries.
        stages: seconds of each stage by name.
        scores: ``overall``, ``intervals``, ``per_class``, ``per_device``, ``groups``, ``per_fold``,
            ``confusion``, as far as the task has them; shares, not per cent; None where undefined.
        model: facts about the Keras model.
        exports: facts about the exported files by format.
        steps: of a compressed network, what it was after each step and as each file.
        limits: verdicts on the limits.
        notes: leaks, skipped audio and other things that a reader must know.
        differences_in_demo: what the set's ``demo`` block changed, nested as in task.yaml.
    """

    set_id: str
    description: str
    data: str
    data_identity: str
    demo: bool
    seed: int
    commit: str
    versions: dict[str, str]
    stages: dict[str, float]
    scores: dict[str, Any]
    model: ModelFacts | None = None
    exports: dict[str, ExportFacts] = field(default_factory=dict)
    steps: tuple[StepFacts, ...] = ()
    limits: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()
    differences_in_demo: dict[str, Any] = field(default_factory=dict)

    @property
    def overall(self) -> dict[str, float | None]:
        """Scores over the whole test part by name."""
        overall: dict[str, float | None] = self.scores.get("overall", {})
        return overall

    def interval(self, key: str) -> tuple[float, float] | None:
        """The 95 % interval of an overall score; None where there is none."""
        bounds = self.scores.get("intervals", {}).get(key)
        if bounds is None or any(bound is None for bound in bounds):
            return None
        low, high = bounds
        return low, high


@cache
def _schema() -> TypeAdapter[Results]:
    return TypeAdapter(Results)


def _without_nan(content: Any) -> Any:
    """The same plain data with None for what JSON cannot say: not-a-number and infinity."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, dict):
        return {key: _without_nan(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_without_nan(value) for value in content]
    return content


def as_dict(results: Results) -> dict[str, Any]:
    """Results as plain data for JSON; undefined scores (not-a-number) become None.

    NumPy scalars and arrays are errors: stages hand over plain Python numbers.
    """
    plain: dict[str, Any] = _without_nan(_schema().dump_python(results))
    return plain


def write_results(path: Path, results: Results) -> None:
    """Write results.json whole or not at all.

    Args:
        path: the file.
        results: what it says.

    Raises:
        UserError: when the file cannot be written.
    """
    write_json(path, as_dict(results))


def read_results(path: Path) -> Results:
    """Read results.json and check that it is one.

    Args:
        path: the file.

    Returns:
        What ``write_results`` wrote.

    Raises:
        UserError: when the file is missing, is not JSON or holds something else.
    """
    content = read_json(path)
    try:
        return _schema().validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise UserError(
            f"{path}: is not a results.json of this program ({where}: {first['msg']}); "
            "run the set again with --overwrite, or remove the file."
        ) from error
