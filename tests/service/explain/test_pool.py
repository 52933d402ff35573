"""Workers: bounded, killed at the deadline, replaced when they die, and gone when the service is."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path

import numpy as np
import psutil
import pytest

from models.errors import UnknownLayer
from service.errors import Draining, ExplanationFailed, ExplanationsUnavailable, ExplanationTimeout, TooManyExplanations
from service.explain.entry import NICE
from service.explain.jobs import ArchitecturesJob, Explained, Model
from service.explain.pool import ExplainPool
from tests.service.explain.published import job_for, slow_job
from tests.service.running import until

pytestmark = pytest.mark.alone  # whoever explains gives way to all others, and would wait for the tests of other processes

BACK_WITHIN_S = 10.0
"""On a test machine that does other things too; tests/benchmarks/explain.py measures it."""


@pytest.fixture(scope="module")
def pool(model: Model) -> Iterator[ExplainPool]:
    """One worker, warm."""
    found = ExplainPool(1, 2)
    found.submit(job_for(model, "saliency"), 20).result()
    yield found
    found.close()


def pid(pool: ExplainPool) -> int:
    (worker,) = pool._processes
    found = worker.process.pid
    assert found is not None
    return found


def begun(pool: ExplainPool, model: Model, deadline_s: float = 60.0):
    """A slow job that its worker is busy with."""
    future = pool.submit(slow_job(model), deadline_s)
    end = time.monotonic() + 10
    while not future.running():
        assert time.monotonic() < end
        time.sleep(0.005)
    time.sleep(0.2)
    return future


def answers(pool: ExplainPool, model: Model) -> Explained:
    return pool.submit(job_for(model, "saliency"), 20).result(60)


def test_nothing_is_started_before_it_is_asked_for() -> None:
    pool = ExplainPool(2, 4)
    assert pool.started == 0
    pool.close()
    with pytest.raises(Draining):
        pool.submit(ArchitecturesJob(), 1)


def test_a_worker_gives_way_to_grading(pool: ExplainPool) -> None:
    worker = psutil.Process(pid(pool))
    assert worker.nice() == NICE
    assert worker.parent() != psutil.Process()


def test_no_torch_in_this_process_is_needed_for_the_service_side(model: Model) -> None:
    code = (
        "import sys, service.app, service.cli.explain, service.explain.pool, service.explain.answers, service.explain.subjects\n"
        "assert not {'torch', 'captum'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


def test_a_job_over_its_deadline_is_killed_and_the_worker_is_back(pool: ExplainPool, model: Model) -> None:
    expected, first = answers(pool, model), pid(pool)
    with pytest.raises(ExplanationTimeout) as refusal:
        pool.submit(slow_job(model), 0.3).result(30)
    assert refusal.value.facts == {"limit_s": 0.3}
    stopped = time.monotonic()
    again = answers(pool, model)
    assert time.monotonic() - stopped < BACK_WITHIN_S
    assert np.array_equal(again.explanation.values, expected.explanation.values)
    assert pid(pool) != first
    assert not psutil.pid_exists(first)


def test_a_worker_that_dies_fails_its_job_alone(pool: ExplainPool, model: Model) -> None:
    future = begun(pool, model)
    waiting = pool.submit(job_for(model, "grad_cam"), 20)
    os.kill(pid(pool), signal.SIGKILL)
    with pytest.raises(ExplanationFailed, match="died"):
        future.result(30)
    assert waiting.result(30).explanation.layer == "pool2"


def test_a_full_queue_refuses_and_room_is_made_by_those_who_left(pool: ExplainPool, model: Model) -> None:
    running = begun(pool, model)
    waiting = [pool.submit(job_for(model, "saliency", number), 20) for number in range(2)]
    with pytest.raises(TooManyExplanations):
        pool.submit(job_for(model, "saliency"), 20)
    assert waiting[0].cancel()
    late = pool.submit(job_for(model, "saliency", 5), 20)
    os.kill(pid(pool), signal.SIGKILL)
    wait([running, waiting[1], late], 30)
    assert waiting[1].result().explanation.values.shape == late.result().explanation.values.shape == (20, 28)


def test_errors_cross_as_what_they_are_and_the_worker_stays(pool: ExplainPool, model: Model) -> None:
    before = pid(pool)
    with pytest.raises(UnknownLayer) as refusal:
        pool.submit(job_for(model, "grad_cam", layer="conv9"), 20).result(30)
    assert "pool2" in refusal.value.facts["valid"]
    assert pid(pool) == before


def test_a_bug_is_a_failure_with_its_last_line_and_the_worker_stays(
    pool: ExplainPool, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    before = pid(pool)
    with pytest.raises(ExplanationFailed, match="AttributeError"):
        pool.submit("no job", 20).result(30)  # type: ignore[arg-type]
    assert "Traceback" in caplog.text
    assert pid(pool) == before


def test_without_workers_it_says_which_setting() -> None:
    with pytest.raises(ExplanationsUnavailable, match="SENKA_EXPLAIN_WORKERS"):
        ExplainPool(0, 4).submit(ArchitecturesJob(), 1)


def test_without_torch_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.explain.pool.find_spec", lambda name: None)
    with pytest.raises(ExplanationsUnavailable, match=r"pip install -e '\.\[explain\]'"):
        ExplainPool(1, 4).submit(ArchitecturesJob(), 1)


@pytest.mark.anyio
async def test_closing_fails_what_is_under_way_and_leaves_no_process(model: Model) -> None:
    pool = ExplainPool(1, 4)
    answers(pool, model)
    running = begun(pool, model)
    waiting = pool.submit(job_for(model, "saliency"), 20)
    worker = psutil.Process(pid(pool))
    pool.close()
    for future in (running, waiting):
        with pytest.raises(Draining):
            future.result(1)
    await until(lambda: not worker.is_running())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("explain-") and not thread.daemon]


def test_workers_die_with_the_service(explained_home: Path, tmp_path: Path) -> None:
    script = tmp_path / "served.py"
    script.write_text(
        "import sys, time\nfrom pathlib import Path\n"
        "from service.explain.pool import ExplainPool\n"
        "from tests.service.explain.published import job_for, known, repository_of, slow_job\n"
        "if __name__ == '__main__':\n"
        "    home = Path(sys.argv[1])\n"
        "    model = known(home, repository_of(home).get('champion'))\n"
        "    pool = ExplainPool(1, 4)\n"
        "    pool.submit(job_for(model, 'saliency'), 20).result()\n"
        "    pool.submit(slow_job(model), 60)\n"
        "    time.sleep(0.2)\n"
        "    (worker,) = pool._processes\n"
        "    print(worker.process.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen([sys.executable, str(script), str(explained_home)], stdout=subprocess.PIPE, env=environment) as served:
        assert served.stdout is not None
        worker = psutil.Process(int(served.stdout.readline()))
        served.kill()
        _, alive = psutil.wait_procs([worker], timeout=10)
    assert not alive


def test_a_fault_of_ours_costs_one_answer_and_no_more(pool: ExplainPool, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise MemoryError("no room")

    with monkeypatch.context() as patched:
        patched.setattr("service.explain.pool._Worker.ask", fails)
        with pytest.raises(ExplanationFailed, match="MemoryError: no room"):
            pool.submit(job_for(model, "saliency"), 20).result(60)
    assert answers(pool, model).explanation.values.size > 0


def test_what_is_missing_is_said_to_everybody(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(*_: object) -> None:
        raise ExplanationsUnavailable.missing("captum")

    lame = ExplainPool(1, 2)
    try:
        monkeypatch.setattr("service.explain.pool._Worker.ask", lacks)
        with pytest.raises(ExplanationsUnavailable, match="captum"):
            lame.submit(job_for(model, "saliency"), 20).result(60)
        with pytest.raises(ExplanationsUnavailable, match="captum"):
            lame.submit(job_for(model, "saliency"), 20)
    finally:
        lame.close()
