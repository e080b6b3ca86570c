"""The submission of a challenge: train on all labelled clips, answer the evaluation set."""

from collections.abc import Sequence

from utils.datasets import Clip
from utils.evaluation import submission, write_system_output
from utils.evaluation.validator import validate_pair
from utils.experiment.clips import ClipExperiment
from utils.report.results import ModelFacts, Results


def submit(experiment: ClipExperiment, results: Results, evaluation: Sequence[Clip]) -> None:
    """Write the output and the meta file, and print what the challenge would refuse in them.

    Both speak of the judged format (``limits.format``): its answers, its size, its scores on the
    development set.

    Args:
        experiment: the finished development.
        results: its results.
        evaluation: clips without labels.
    """
    job, run = experiment.job, experiment.run
    judged, classes = job.settings.limits.format, job.data.classes
    fold = experiment.evaluation_fold(evaluation)
    fold.train()
    fold.calibrate()
    by_keras = fold.test()
    answers = fold.export().get(judged, by_keras)
    if job.output is not None:
        write_system_output(job.output, answers, classes)
    folder = run.folder / "submission" / job.settings.submission.label
    pair = submission.write_pair(
        folder,
        submission=job.settings.submission,
        facts=_facts(experiment, results),
        scores=experiment.score(experiment.predictions(judged), 0).as_dict(),
        predictions=answers,
        classes=classes,
    )
    run.say(f"submission ({judged}): {folder}")
    names = [clip.name for clip in evaluation]
    for problem in validate_pair(*pair, classes=classes, expected_names=names):
        run.say(f"to mend before handing in: {problem}", style="yellow")


def _facts(experiment: ClipExperiment, results: Results) -> submission.SubmissionFacts:
    """What the meta file asks of the judged model."""
    settings = experiment.job.settings
    layers = results.model.layers if results.model else ()
    parameters, non_zero, size = _size(results, settings.limits.format)
    managed = {
        "weight quantization": settings.limits.format != "float32",
        "knowledge distillation": settings.training.distillation is not None,
    }
    return submission.SubmissionFacts(
        sample_rate_hz=settings.audio.sample_rate,
        acoustic_features=submission.features_text(settings.features),
        data_augmentation=submission.augmentation_text(settings.augment),
        machine_learning_method=submission.method_text(layer.kind for layer in layers),
        total_parameters=parameters,
        total_parameters_non_zero=non_zero,
        parameter_bytes=size,
        complexity_management=", ".join(how for how, used in managed.items() if used) or None,
        demo=experiment.run.is_demo,
    )


def _size(results: Results, judged: str) -> tuple[int, int, int]:
    """Parameters, those that are not zero, and the bytes that the challenge counts."""
    if judged in results.exports:
        facts = results.exports[judged]
        return facts.parameters, facts.non_zero, facts.non_zero_bytes
    model: ModelFacts | None = results.model
    if model is None:
        raise ValueError(f"{results.set_id}: neither {judged} nor the Keras model was measured")
    return model.parameters, model.non_zero, model.keras_float16_bytes
