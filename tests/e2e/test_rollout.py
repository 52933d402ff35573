"""A new model under load, by the service's own address: in the shadow first, promoted, rolled back, and no photograph lost."""

import re
import time
from pathlib import Path

import psutil
import pytest

from models.preprocess import PreprocessSpec
from tests.e2e.conftest import Serve, repository_of
from tests.e2e.live import LiveService
from tests.e2e.test_lifecycle import Line, every_grading, wait_for
from tests.service.models import make_model

CLIENTS = 16


def connections_by_worker(service: LiveService) -> list[int]:
    """How many connections of clients each worker has."""
    workers = service.grading_processes()
    return [
        sum(one.status == psutil.CONN_ESTABLISHED and one.laddr.port == service.port for one in worker.net_connections("tcp"))
        for worker in workers
    ]


def followed_after_s(line: Line, version: int, since: float) -> float:
    """Seconds until the last photograph was asked for that another version graded; waits until all clients have the new one."""

    def all_have_it() -> bool:
        latest = line.answers[-4 * CLIENTS :]
        return all(answer.status == 200 and answer.json["model"]["version"] == version for _, answer in latest)

    wait_for(all_have_it)
    old = [asked for asked, answer in list(line.answers) if asked > since and answer.json["model"]["version"] != version]
    return max(old, default=since) - since


@pytest.mark.parametrize("shadow_share", [0, 1])
def test_every_worker_follows_a_promotion_and_a_rollback_under_load(
    serve: Serve, home: Path, tmp_path: Path, shadow_share: int
) -> None:
    spec = PreprocessSpec(width=48, height=24)
    with serve(home, workers=2, shadow_share=shadow_share) as service:
        wait_for(lambda: service.said.count("Application startup complete") == 2)
        with Line(service, CLIENTS) as line:
            wait_for(lambda: len(line.answers) > 200)
            assert min(connections_by_worker(service)) > 0, "each of them has to show that it follows"
            repository_of(home).publish(make_model(tmp_path / "next.onnx", seed=1, spec=spec))
            if shadow_share:
                wait_for(lambda: service.get("/v1/models/shadow").json["seen"] > 0)
            took: list[float] = []
            for path, version, within_s in (("2/promote", 2, 10.0), ("rollback", 1, 5.0), ("2/promote", 2, 10.0)):
                since = time.monotonic()
                answer = service.request("POST", f"/v1/models/{path}")
                assert (answer.status, answer.json["champion"], answer.json["serving"]) == (200, version, version)
                took.append(followed_after_s(line, version, since))
                assert took[-1] < within_s
        print(f"every worker followed after {', '.join(f'{seconds:.2f}' for seconds in took)} s")
        assert line.broken == []
        assert set(line.statuses()) == {200}
        on_record = every_grading(service)
        graded = line.graded()
        assert len(on_record) == len(graded)
        assert all(on_record[str(one["id"])] == one for one in graded)
        trail = service.get("/v1/audit?action=model.").json["audit"]
        assert [(one["action"], one["detail"]["from"], one["detail"]["to"]) for one in reversed(trail)] == [
            ("model.promoted", 1, 2),
            ("model.rolled_back", 2, 1),
            ("model.promoted", 1, 2),
        ]
        assert "Traceback" not in service.said


def counts(service: LiveService) -> dict[str, float]:
    """By result, what became of the photographs for the challenger."""
    text = service.get("/metrics").body.decode()
    found = dict(re.findall(r'^senka_shadow_total\{result="(\w+)"\} (\S+)$', text, re.MULTILINE))
    return {result: float(found.get(result, 0)) for result in ("agree", "disagree", "dropped", "failed")}


def test_in_the_shadow_both_workers_compare_and_nobody_is_answered_with_it(serve: Serve, home: Path, tmp_path: Path) -> None:
    repository_of(home).publish(make_model(tmp_path / "next.onnx", seed=1, spec=PreprocessSpec(width=48, height=24)))
    with serve(home, workers=2) as service:
        wait_for(lambda: service.said.count("model cucumber version 2 loaded") == 2)
        with Line(service, 4) as line:
            wait_for(lambda: service.metric("senka_shadow_total") >= 200)
        assert {one["model"]["version"] for one in line.graded()} == {1}  # type: ignore[index]
        assert set(line.statuses()) == {200}
        total = len(line.graded())
        # the last ones are still graded, and written within a second
        wait_for(lambda: service.get("/v1/models/shadow").json["seen"] + counts(service)["dropped"] >= total)
        report, found = service.get("/v1/models/shadow").json, counts(service)
        assert (report["champion"], report["challenger"]) == (1, 2)
        assert report["seen"] == found["agree"] + found["disagree"] > 0
        assert report["agreed"] == found["agree"]
        assert found["failed"] == 0
        assert report["seen"] + found["dropped"] == total
        print(f"of {total} photographs {report['seen']} in the shadow, the others dropped")
