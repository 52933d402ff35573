"""`.ci/run` on machines that lack a browser, with every tool that it calls replaced by a stub."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "run"
BASH = shutil.which("bash")
pytestmark = pytest.mark.skipif(BASH is None, reason="not on this machine: bash")


def run(folder: Path, user: int, *tools: str) -> subprocess.CompletedProcess[str]:
    stubs = {"id": f"echo {user}", **{tool: f'echo "{tool} $* SENKA_REQUIRE=$SENKA_REQUIRE"' for tool in ("make", *tools)}}
    for name, does in stubs.items():
        (folder / name).write_text(f"#!{BASH}\n{does}\n")
        (folder / name).chmod(0o755)
    (folder / "dirname").symlink_to(str(shutil.which("dirname")))
    return subprocess.run([str(BASH), str(SCRIPT)], env={"PATH": str(folder)}, capture_output=True, text=True, check=False)


CHECKS = "make check test SENKA_REQUIRE=browser,data"


@pytest.mark.parametrize("browser", ["chromium", "google-chrome"])
def test_with_a_browser_nothing_is_installed(tmp_path, browser):
    done = run(tmp_path, 0, browser, "apt-get")
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (0, [CHECKS], "")


def test_without_one_root_installs_it(tmp_path):
    done = run(tmp_path, 0, "apt-get")
    assert done.returncode == 0
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [["apt-get", "update"], ["make", "check"]]
    assert done.stderr == ""


@pytest.mark.parametrize(("user", "tools"), [(1000, ["apt-get"]), (0, [])])
def test_who_cannot_install_it_is_told_in_one_line_and_the_checks_run(tmp_path, user, tools):
    done = run(tmp_path, user, *tools)
    assert (done.returncode, done.stdout.splitlines()) == (0, [CHECKS])
    assert len(done.stderr.splitlines()) == 1
    assert "no Chromium" in done.stderr
