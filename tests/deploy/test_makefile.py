"""The Makefile builds .venv, and mends what a broken attempt or an upgrade of Python left of one. Nothing is downloaded: the
project here is a stub without requirements, whose build backend lies beside it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="not on this machine: make")

STUB_PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "senka"
version = "0"
"""
STUB_BACKEND = """
import zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    info = "senka-0.dist-info/"
    with zipfile.ZipFile(f"{folder}/senka-0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: senka\\nVersion: 0\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "entry_points.txt", "[console_scripts]\\nsenka = stub:main\\npytest = stub:main\\n")
        wheel.writestr("stub.py", "import sys\\ndef main(): print('ran', *sys.argv[1:])\\n")
        wheel.writestr(info + "RECORD", "")
    return "senka-0-py3-none-any.whl"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.lock").touch()
    (tmp_path / "pyproject.toml").write_text(STUB_PROJECT)
    (tmp_path / "backend.py").write_text(STUB_BACKEND)
    return tmp_path


def make(project: Path, *arguments: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PIP_", "PYTHON"))}
    environment = {**kept, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    command = ["make", "-C", str(project), *arguments, f"PYTHON={python}"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=False)


def builds(project: Path) -> bool:
    """Whether `make demo` would install anything."""
    return "pip install" in make(project, "-n", "demo").stdout


def test_a_venv_half_made_is_built_anew_and_a_whole_one_is_kept(project):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(project / ".venv")], check=True)
    done = make(project, "-j4", "demo", "test", "ARGS=--once")
    assert done.returncode == 0, done.stderr
    ran = [line for line in done.stdout.splitlines() if line.startswith("ran ")]
    assert ran[0] == "ran demo --once"
    assert re.fullmatch(r"ran -n logical .* --once", ran[1])  # what ARGS says comes last, and wins
    assert done.stdout.count("pip install") == 2  # requirements and project, once for both goals
    assert not builds(project)
    # stale: installed again, into the same venv
    (project / ".venv" / "kept").touch()
    os.utime(project / "requirements.lock")
    assert make(project, "demo").returncode == 0
    assert (project / ".venv" / "kept").exists()
    assert not builds(project)
    # an interpreter that was removed, or replaced by one that has no pip
    python = project / ".venv" / "bin" / "python"
    target = python.readlink()
    for broken in ("/nowhere/python3.11", shutil.which("false")):
        python.unlink()
        python.symlink_to(str(broken))
        assert builds(project)
    python.unlink()
    python.symlink_to(target)
    assert not builds(project)


def test_a_vanished_interpreter_is_replaced_and_goals_wait_for_each_other(project):
    """With a fake interpreter, whose venv takes no time and whose `senka` needs it to stay."""
    log = project / "log"
    fake = project / "python"
    fake.write_text(
        f"""#!/bin/sh
echo "$@" >>{log}
test "$2" = venv || exit 0
mkdir -p .venv/bin && ln -sf {fake} .venv/bin/python
printf '#!/bin/sh\\nsleep 0.3; test -e "$0"' >.venv/bin/senka
chmod +x .venv/bin/senka
"""
    )
    fake.chmod(0o755)
    (project / ".venv" / "bin").mkdir(parents=True)
    (project / ".venv" / "bin" / "python").symlink_to("/nowhere/python3.11")
    (project / ".venv" / ".installed").touch()
    done = make(project, "demo", python=str(fake))
    assert done.returncode == 0, done.stderr
    assert "-m venv --clear .venv" in log.read_text()
    assert log.read_text().count("-m pip install") == 2
    done = make(project, "-j8", "clean", "demo", python=str(fake))
    assert done.returncode == 0, done.stderr
    assert log.read_text().count("-m pip install") == 4


@pytest.mark.parametrize("python", ["old", "missing"])
def test_a_python_that_is_too_old_or_absent_gets_one_clear_line(project, python):
    path = project / python
    if python == "old":
        path.write_text("#!/bin/sh\nexit 1\n")
        path.chmod(0o755)
    done = make(project, "test", python=str(path))
    assert done.returncode != 0
    said = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("make")]
    assert said == [f"Senka needs Python 3.11 or newer, and {path} is none. Name one: make PYTHON=python3.12 test"]
    assert not (project / ".venv").exists()
