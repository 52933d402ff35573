"""What may import what, and what a checkout may hold."""

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TRAINING_ONLY = ("torch", "torchvision", "captum", "training", "onnx", "onnxscript", "scipy", "sklearn", "tensorboard")


def tracked() -> list[Path]:
    """Every file under version control, and those about to be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def loaded_by(code: str) -> set[str]:
    """Top-level names of all modules that some code loads, in a process of its own."""
    report = f"{code}\nimport sys\nprint('loaded:', *sorted({{name.partition('.')[0] for name in sys.modules}}))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    done = subprocess.run([sys.executable, "-c", report], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return set(done.stdout.partition("loaded: ")[2].split())


def test_the_service_loads_nothing_of_training() -> None:
    assert loaded_by("import service.app").isdisjoint(TRAINING_ONLY)


def test_the_command_serve_loads_nothing_of_training() -> None:
    code = (
        "import sys\nfrom service.cli import main\nsys.argv = ['senka', 'serve', '--help']\n"
        "try:\n    main()\nexcept SystemExit as stopped:\n    assert not stopped.code"
    )
    assert loaded_by(code).isdisjoint({*TRAINING_ONLY, "prometheus_client"})


def test_the_settings_load_no_onnx_runtime() -> None:
    code = "import service.cli.serve\nfrom service.settings import Settings\nSettings.load()"
    assert loaded_by(code).isdisjoint({*TRAINING_ONLY, "onnxruntime", "cv2", "PIL", "sqlalchemy"})


def test_the_command_explain_loads_no_torch_in_its_own_process() -> None:
    code = "import service.cli.explain, service.explain.pool, service.explain.subjects, service.explain.answers"
    assert loaded_by(code).isdisjoint(TRAINING_ONLY)


def test_one_module_of_the_service_alone_imports_torch() -> None:
    pattern = re.compile(r"^\s*(?:from|import) (?:torch|captum|training)\b", re.MULTILINE)
    assert [path.name for path in sorted((ROOT / "service").rglob("*.py")) if pattern.search(path.read_text())] == ["worker.py"]
    ruled = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    excepted = [line for contract in ruled for line in contract.get("ignore_imports", [])]
    assert excepted == ["service.explain.worker -> **"]


def test_models_loads_neither_torch_nor_the_service() -> None:
    code = (
        "import models.card, models.errors, models.imaging, models.labelled, models.preprocess, models.repository\n"
        "import models.gallery, models.explain.catalogue, models.explain.pictures, models.explain.placement, models.explain.why"
    )
    assert loaded_by(code).isdisjoint({"torch", "service", "training", "fastapi", "starlette", "sqlalchemy"})


def test_importing_the_service_opens_no_log_and_starts_no_thread() -> None:
    code = (
        "import logging, threading, service.app\n"
        "assert not logging.getLogger().handlers\nassert threading.active_count() == 1, threading.enumerate()"
    )
    loaded_by(code)


def test_the_import_rules_hold() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    done = subprocess.run([*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


@pytest.mark.parametrize("name", ["models", "service", "training"])
def test_no_other_distribution_brings_our_names(name: str) -> None:
    assert set(packages_distributions().get(name, ["senka"])) == {"senka"}


def test_the_project_is_not_for_an_index() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "Private :: Do Not Upload" in project["classifiers"]


def test_every_folder_with_tests_is_a_package() -> None:
    folders = {folder for path in (ROOT / "tests").rglob("test_*.py") for folder in path.parents if folder != ROOT}
    folders &= {ROOT / "tests", *(ROOT / "tests").rglob("*")}
    assert len(folders) > 5
    assert sorted(str(folder) for folder in folders if not (folder / "__init__.py").is_file()) == []


def test_no_module_is_too_long() -> None:
    sources = [path for name in ("models", "service", "training") for path in (ROOT / name).rglob("*.py")]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources}
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}


def test_a_checkout_is_code() -> None:
    forbidden = r"\.(onnx|pt|pth|ckpt|safetensors|npy|npz|pkl|pickle|db|sqlite3?|tar|gz|tgz|zip|jpe?g|bmp|webp)$"
    assert [str(path) for path in tracked() if re.search(forbidden, path.name)] == []
    assert [str(path) for path in tracked() if path.stat().st_size > 500_000] == []


def test_the_lock_has_names_and_versions_only() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert len(lines) > 50
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.+!]+", line)] == []


def test_the_lock_covers_every_dependency() -> None:
    locked = {_normal(line.partition("==")[0]) for line in (ROOT / "requirements.lock").read_text().splitlines()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *extras["train"], *extras["test"]]
    assert {_normal(re.split(r"[\[><=;]", one)[0]) for one in asked} <= locked


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
