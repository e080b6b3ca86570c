"""The submission of a challenge: train on what it allows, answer the evaluation set, pack."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote

from models import complexity
from utils import export, inference
from utils.config.schema import Settings
from utils.config.submission_section import SubmissionSettings
from utils.datasets import Clip, load_evaluation
from utils.datasets.tau import EDITIONS, SCENES
from utils.errors import ConfigError, DataError
from utils.evaluation import package, submission, validator, write_system_output
from utils.evaluation.submission_forms import Form, form_of
from utils.evaluation.validator import Counted
from utils.experiment.clips import ClipExperiment
from utils.experiment.fold import FoldExperiment
from utils.experiment.job import Job
from utils.files import write_text
from utils.report.results import Results

DEMO = "demo"  # name of generated data
FILES_OF_WEIGHTS = {"int8": ("int8", "int8_qat")}  # by the type that a form fixes
FIXED_FIGURES = ("total_parameters", "total_model_size", "memory_use", "macs")


def load_clips_to_submit(job: Job) -> tuple[Clip, ...]:
    """Check that a submission can be made of the set, then read the clips to be answered.

    The evaluation set is that of the form's year where it lies in or beside the data set's folder.
    Else it is the one that the data set is ranked on, unless real data are to be handed in by the
    form of another year.

    Raises:
        ConfigError: when settings of the submission contradict the form, or each other.
        DataError: when the evaluation set is missing or incomplete.
    """
    if job.settings.training.folds is not None:
        raise ConfigError(
            f"training.folds: the results of {job.settings.training.folds} networks are not those "
            "of the one that is handed in; set it to null for -m eval."
        )
    form = _form(job.settings)
    submission.require_fitting(job.settings.submission, form, split=job.settings.dataset.subset)
    judged, exported = job.settings.limits.format, job.settings.export.files
    if judged not in exported:
        raise ConfigError(
            f"limits.format: {judged} is to be handed in, but only exported files can be "
            f"({', '.join(exported) or 'none'})."
        )
    typed = FILES_OF_WEIGHTS.get(form.weights or "")
    if typed is not None and judged not in typed:
        raise ConfigError(
            f"limits.format: {judged} is to be handed in, but the form of {form.year} fixes the "
            f"weights to {form.weights}; judge {' or '.join(typed)}."
        )
    _require_complete(job.settings.submission, form)
    _require_external(job.settings)
    return _evaluation_clips(job, form)


def _require_complete(asked: SubmissionSettings, form: Form) -> None:
    """Refuse a labelled system, one to be handed in, whose names and authors have faults."""
    if asked.label is None:
        return
    faults = validator.entry_problems(submission.entry_of(asked, form), form)
    if faults:  # named as task.yaml has them, which does not nest
        first = faults[0].replace(".affiliation.abbreviation:", ".affiliation:")
        raise ConfigError(first.replace(".affiliation.institute:", ".institute:"))


def _require_external(settings: Settings) -> None:
    """Refuse a labelled system that learns from a folder of impulse responses and names no data."""
    asked = settings.submission
    steps = [step.DeviceResponse for step in settings.augment]
    folders = [step.folder for step in steps if step is not None and step.folder]
    if asked.label is not None and folders and not asked.external_datasets:
        raise ConfigError(
            f"submission.external_datasets: the impulse responses of {folders[0]} "
            "(augment.DeviceResponse.folder) are external data; name them."
        )


def _evaluation_clips(job: Job, form: Form) -> tuple[Clip, ...]:
    """Read the evaluation set; of the challenge's own data, exactly the clips that a form wants."""
    is_official = job.settings.dataset.name in EDITIONS and job.data.name != DEMO
    if is_official and set(job.data.classes) == set(SCENES) and job.data.classes != SCENES:
        raise ConfigError(
            "dataset.classes: the challenge has its scenes in the order of their names; leave it "
            "out for -m eval."
        )
    folders = (job.root / form.evaluation, job.root.resolve().parent / form.evaluation)
    root = next((folder for folder in folders if folder.is_dir()), None)
    if root is None and is_official and _year(job.settings) is not None:
        raise DataError(
            f"{job.root}: {form.evaluation}, whose clips the form of {form.year} wants, lies "
            "neither in it nor beside it; download that evaluation set, or change submission.year."
        )
    clips = load_evaluation(job.settings.dataset, root=root or job.root, known=job.data.clips)
    if is_official and len(clips) != form.clips:
        raise DataError(
            f"{root or job.root}: lists {len(clips):,} evaluation clips, but the form of "
            f"{form.year} wants {form.clips:,}; download {form.evaluation} as a whole."
        )
    return clips


def submit(experiment: ClipExperiment, results: Results, evaluation: Sequence[Clip]) -> None:
    """Write the output and the meta file, check them, and pack them if nothing is wrong.

    All speak of the judged format (``limits.format``) of the network that learnt all labelled
    clips that may be learnt: its answers, its figures. The scores are those of the development.

    Args:
        experiment: the finished development.
        results: its results.
        evaluation: clips without labels.

    Raises:
        ConfigError: when ``submission.complexity`` expects other figures.
    """
    job, run = experiment.job, experiment.run
    judged, classes = job.settings.limits.format, job.data.classes
    form = _form(job.settings)
    _require_expected(experiment, judged)
    fold = experiment.evaluation_fold(evaluation)
    fold.train()
    fold.calibrate()
    fold.test()
    answers = fold.export()[judged]
    if job.output is not None:
        write_system_output(job.output, answers, classes)
    counted = count(fold, judged)
    submission.require_agreement(job.settings.submission, counted.figures, model=counted.model)
    label = submission.label_of(job.settings.submission, form)
    folder = run.folder / "submission" / label
    package.remove_earlier(folder)
    submission.write_system(
        folder,
        form=form,
        submission=job.settings.submission,
        facts=_facts(experiment, results, counted),
        scores=experiment.score(experiment.predictions(judged), 0).as_dict(),
        predictions=answers,
        classes=classes,
    )
    package.write_counted(folder, counted)
    run.say(f"submission of {form.year} ({judged}): {folder}")
    _pack(experiment, folder, form, counted)


def _require_expected(experiment: ClipExperiment, judged: str) -> None:
    """Refuse expected figures that the development's model already contradicts.

    Only what each training of a network leaves as it is can be told so early: not which weights are
    zero, nor what a compression takes away, nor which layers of a mixed file stay in float16.
    """
    settings = experiment.job.settings
    expected = settings.submission.complexity.model_dump(exclude_none=True)
    if not set(FIXED_FIGURES) & set(expected):
        return
    if settings.compression is None and judged != "mixed":
        counted = count(experiment.folds[0], judged)
        fixed = {name: counted.figures.get(name) for name in FIXED_FIGURES}
        submission.require_agreement(settings.submission, fixed, model=counted.model)


def _pack(experiment: ClipExperiment, folder: Path, form: Form, counted: Counted) -> None:
    """Check what was written; say what is to be mended, or where the package is.

    Of a form with splits this is one of several that make a package together.
    """
    run, classes = experiment.run, experiment.job.data.classes
    target = folder.with_name(f"{folder.name}.zip")
    split = experiment.job.settings.dataset.subset
    if split is None:
        of_label = {folder.name: counted}
        checked = package.pack(
            [folder], target=target, form=form, classes=classes, counted=of_label
        )
        made = f"package: {target}. {package.REMARK}"
    else:
        own = replace(form, splits=(split,))
        checked = package.check_package(folder, form=own, classes=classes, counted=counted)
        others = ", ".join(str(other) for other in form.splits if other != split)
        made = (
            f"split {split} of {form.year} is ready; join it with the folders of the splits "
            f"{others}: python -m utils.cli.submission pack {quote(str(folder))} FOLDER ... "
            f"--year {form.year} -o {quote(folder.name)}.zip"
        )
    report = folder.with_name(f"{folder.name}.{package.REPORT}")
    write_text(report, checked.text())
    for problem in checked.problems:
        run.say(f"to mend before handing in: {problem}", style="yellow")
    run.say(f"checks of the submission: {report}")
    if not checked.problems:
        run.say(made)


def count(fold: FoldExperiment, judged: str) -> Counted:
    """Count what a form may ask of a trained network and of its file.

    Args:
        fold: the fold whose network is handed in, exported.
        judged: the format.

    Returns:
        The figures by the names of the meta file; operations are None where some layer's cannot
        be counted.
    """
    network = complexity.count(inference.load_keras(fold.model_path))
    passes = len(fold.job.settings.evaluation.shifts_seconds)
    macs = None if network.unknown else network.macs * passes
    path = fold.place.folder / f"model_{judged}.tflite"
    figures, types = file_figures(path)
    if figures["macs"] is None:  # of loops; the network's layers are counted one by one
        figures["macs"] = macs
    return Counted(figures, types, path.name)


def file_figures(path: Path) -> tuple[dict[str, int | float | None], tuple[str, ...]]:
    """Count what a form may ask of a ``.tflite`` file.

    The operations are those of all passes that answer one clip (``evaluation.shifts_seconds``), as
    the organisers' tool counts them.

    Returns:
        The figures by the names of the meta file (operations are None where they do not follow
        from the file), and the types of the parameters, sorted.

    Raises:
        UserError: when the file is missing or damaged.
    """
    facts, metadata = export.measure(path), inference.read_metadata(path)
    passes = 1 if metadata is None else len(metadata.shifts_seconds)
    figures: dict[str, int | float | None] = {
        "total_parameters": facts.parameters,
        "total_parameters_non_zero": facts.non_zero,
        "model_size": round(facts.non_zero_bytes / 1024, 3),
        "total_model_size": facts.parameter_bytes,
        "memory_use": export.peak_memory(path),
        "macs": None if facts.nessi_macs is None else facts.nessi_macs * passes,
    }
    return figures, tuple(sorted(facts.by_type))


def _form(settings: Settings) -> Form:
    """The form that a set is handed in by."""
    return form_of(settings.dataset.name, _year(settings))


def _year(settings: Settings) -> int | None:
    """The year that is asked for; subsets of the training list are those of 2024."""
    of_subset = 2024 if settings.dataset.subset is not None else None
    return settings.submission.year or of_subset


def _facts(
    experiment: ClipExperiment, results: Results, counted: Counted
) -> submission.SubmissionFacts:
    """What the meta file asks of the judged model."""
    settings = experiment.job.settings
    layers = results.model.layers if results.model else ()
    compression = submission.management_text(
        file=settings.limits.format,
        pruned=settings.compression is not None,
        taught=settings.training.distillation is not None,
    )
    return submission.SubmissionFacts(
        sample_rate_hz=settings.audio.sample_rate,
        acoustic_features=submission.features_text(settings.features),
        data_augmentation=submission.augmentation_text(
            settings.augment, [layer.kind for layer in layers]
        ),
        machine_learning_method=submission.method_text(layer.kind for layer in layers),
        figures=counted.figures,
        complexity_management=compression,
        pipeline=", ".join(filter(None, ("training", compression))),
        decision_making="average" if len(settings.evaluation.shifts_seconds) > 1 else None,
        demo=experiment.run.is_demo,
        split=settings.dataset.subset,
    )
