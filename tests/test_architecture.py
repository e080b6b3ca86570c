"""The stages stand in one order: a module imports only from stages before its own."""

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
ORDER = (
    "errors", "files", "console", "config", "backend", "run", "audio", "events", "mixing",
    "datasets", "targets", "features", "augment", "pipeline", "models", "postprocess", "metrics",
    "training", "inference", "evaluation", "export", "compression", "report", "experiment", "cli",
)  # fmt: skip
MODULES = sorted([*(PROJECT / "utils").rglob("*.py"), *(PROJECT / "models").rglob("*.py")])
HEAVY = (
    *("tensorflow", "keras", "librosa", "matplotlib"),
    *("scipy", "sklearn", "sed_eval", "dcase_util"),
)


def stage_of(dotted: str) -> str | None:
    """Stage that a dotted module name belongs to; None outside the project and for `utils`."""
    parts = dotted.split(".")
    if parts[0] == "models":
        return "models"
    return parts[1] if parts[0] == "utils" and len(parts) > 1 else None


def imports(tree: ast.AST) -> list[str]:
    """Every module that a file imports, also inside functions."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "utils":
            names += [f"utils.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their stage in full"
            names.append(node.module or "")
    return names


def dotted_name(path: Path) -> str:
    relative = path.relative_to(PROJECT).with_suffix("")
    return ".".join(part for part in relative.parts if part != "__init__")


@pytest.mark.parametrize("path", MODULES, ids=dotted_name)
def test_a_module_imports_only_from_earlier_stages(path):
    own = stage_of(dotted_name(path))
    assert own is None or own in ORDER, f"no stage owns {path.relative_to(PROJECT)}"
    for name in imports(ast.parse(path.read_text(encoding="utf-8"))):
        used = stage_of(name)
        if own is not None and used is not None:
            assert ORDER.index(used) <= ORDER.index(own), f"{own} imports the later stage {used}"


@pytest.mark.parametrize("path", MODULES, ids=dotted_name)
def test_heavy_packages_are_not_imported_with_the_command_line(path):
    """They take seconds; only files that are themselves imported late may name them at the top."""
    late = {f"utils.training.{name}" for name in ("callbacks", "kernels", "ramp")}
    late |= {f"utils.compression.{name}" for name in ("operators", "simulation", "zeros")}
    late |= {"models.distillation", "models.mean_teacher"}
    if dotted_name(path) in late or path.match("models/*layers.py"):
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {name.split(".")[0] for node in top for name in imports(node)}
    assert not names & set(HEAVY)


@pytest.mark.parametrize("path", MODULES, ids=dotted_name)
def test_files_stay_readable(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_nothing_that_is_read_can_run_code():
    """No pickle, no unsafe YAML, no evaluation of text anywhere in the pipeline."""
    scripts = sorted(PROJECT.glob("task*.py"))
    for path in [*MODULES, *scripts]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not {"pickle", "joblib.load", "dill", "shelve"} & set(imports(tree)), path
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in {"eval", "exec", "yaml.load", "yaml.unsafe_load"}, path
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant), path
                assert node.value.value is False, path
            if isinstance(node, ast.keyword) and node.arg == "safe_mode":
                assert isinstance(node.value, ast.Constant), path
                assert node.value.value is True, path
