"""Train student and teacher on clips with events, with labels, and with neither."""

from typing import TYPE_CHECKING

from utils import inference, pipeline, training
from utils.experiment.event_judging import EventJudge
from utils.experiment.event_learning import EventLearning
from utils.experiment.facts import statistics
from utils.experiment.job import Job
from utils.experiment.needs import on_one_device
from utils.experiment.network import build_network
from utils.experiment.records import write_best_epoch
from utils.features import Representation
from utils.files import write_json
from utils.run import Place

if TYPE_CHECKING:
    from models.mean_teacher import EventLearner

STUDENT, TEACHER = "student", "teacher"
NETWORKS = {STUDENT: "student.keras", TEACHER: "teacher.keras"}
"""Files of the networks by name."""


def network_names(job: Job) -> tuple[str, ...]:
    """Names of what is trained."""
    return (STUDENT, TEACHER) if job.settings.training.teacher else (STUDENT,)


def train_networks(learning: EventLearning, judge: EventJudge, place: Place) -> float:
    """Train; leaves the networks, normaliser.json, history.csv and training.json in the folder.

    Args:
        learning: the clips.
        judge: of an epoch.
        place: of the run.

    Returns:
        Seconds that processes before this one spent on it.
    """
    job, folder = learning.job, place.folder
    # a mirrored batch would give each device other kinds of clips, and add their losses up
    settings = on_one_device(job.settings.training, "networks of sound events")
    size = sum(learning.per_batch.values())
    steps = pipeline.steps(learning.source, size)
    trained = training.fit(
        lambda: learner_of(job, learning.representation, steps=steps),
        lambda first_epoch: pipeline.training_batches(
            learning.source, batch_size=size, seed=job.settings.seed,
            first_epoch=first_epoch, epochs=settings.epochs, prepare=learning.prepare,
            augment=learning.augment, memory_gb=job.settings.pipeline.memory_gb,
        ),
        training.Judge(judge.columns, judge),
        steps=steps, settings=settings, folder=folder, seed=job.settings.seed,
        inputs=learning.learnt,
        console=job.console,
        tensorboard=place.tensorboard,
    )  # fmt: skip
    for name in network_names(job):
        inference.save_keras(folder / NETWORKS[name], getattr(trained.model, name))
    write_json(folder / "normaliser.json", statistics(learning.normaliser))
    write_best_epoch(folder, trained.best_epoch)
    return trained.earlier_seconds


def learner_of(job: Job, representation: Representation, *, steps: int) -> "EventLearner":
    """Student and teacher as one model; the teacher has a random state of its own.

    Args:
        job: the set and the data.
        representation: what the networks see.
        steps: training batches per epoch.
    """
    from models.mean_teacher import EventLearner, Teaching

    seed, asked = job.settings.seed, job.settings.training.teacher
    if asked is None:
        return EventLearner(build_network(job, representation))
    teacher = build_network(job, representation, seed=seed + 1)
    teaching = Teaching(
        decay=asked.decay,
        weight=asked.weight,
        warmup_steps=round(asked.warmup_epochs * steps),
        distance=asked.distance,
    )
    return EventLearner(build_network(job, representation), teacher, teaching=teaching)
