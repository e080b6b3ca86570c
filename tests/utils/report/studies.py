"""Studies of few runs, made by hand."""

from dataclasses import replace

from utils.report.study import Study, StudyArm, StudyRun

NAN = float("nan")
LOSSES = tuple(8.0 / n for n in range(1, 101))


def run(arm, seed, curve, *, rate=0.1, state="done", **more):
    return StudyRun(
        arm, rate, seed, f"s/{arm}@{rate:g}", f"runs/{arm}/{seed}", state, curve, **more
    )


def arm(name, curves, *, mode="min", steps=None, clip=None, rate=0.1, searched=(), **more):
    """An arm of one run a seed, each with a curve; diverged where that is None."""
    runs = [
        run(name, seed, curve or (), rate=rate, state="done" if curve else "diverged", **more)
        for seed, curve in enumerate(curves)
    ]
    if steps is not None:
        losses, norms = steps
        runs = [
            replace(one, losses=losses, norms=norms, step_seconds=(0.5, 0.1, 0.3)) for one in runs
        ]
    changes = f"training.optimizer.{name}"
    return StudyArm(name, changes, mode, rate, clip, tuple(searched), tuple(runs))


def study(*arms, mode="min", baseline=None, notes=()):
    return Study(
        study_id="optimizers", description="which <one>?", base="tiny", data="words",
        data_identity="abc", demo=False, commit="c0ffee", metric="val_loss", mode=mode,
        seeds=(0, 1, 2), baseline=baseline, arms=arms, notes=tuple(notes),
    )  # fmt: skip


A = arm("a", [(0.9, 0.5), (0.6, 0.8), (0.9, 0.7)])
B = arm("b", [(0.9, 0.4), (0.45, 0.5), (0.9, 0.65)])
C = arm("c", [(0.9,), (1.0,), (1.15,)])


def cells(table, name):
    row = next(row for row in table.rows if row.cells[0] == name)
    return dict(zip([column.name for column in table.columns], row.cells, strict=True))


def logged(name, losses, *, norms=(), **more):
    """An arm of one run a seed that logs its first losses; a seed without any for None."""
    made = arm(name, [(0.5,)] * len(losses), **more)
    runs = [
        replace(one, losses=tuple(given), norms=norms)
        for one, given in zip(made.runs, losses, strict=True)
        if given is not None
    ]
    return replace(made, runs=tuple(runs))


def scored(made, *scores):
    """An arm whose runs have test scores; one with None has none."""
    runs = [replace(one, scores=given or {}) for one, given in zip(made.runs, scores, strict=True)]
    return replace(made, runs=tuple(runs))
