"""`senka models` and `senka grade`: the repository and a grader from the command line."""

import json
import socket
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from service.records.audit import AuditFilters, page
from tests.commands import home, ok, senka  # noqa: F401 - home is a fixture
from tests.service.models import make_model
from tests.service.pictures import picture

pytestmark = pytest.mark.usefixtures("home")


def models() -> dict:
    return json.loads(ok("models", "list", "--json").stdout)


def trail(home: Path) -> list:  # noqa: F811
    """What was done with models, oldest first."""
    engine = create_engine(f"sqlite:///{home / 'senka.db'}")
    try:
        return list(reversed(page(engine, AuditFilters(action="model."), 100)))
    finally:
        engine.dispose()


def test_publish_promote_and_roll_back():
    for seed in (1, 2):
        make_model(Path(f"{seed}.onnx"), seed=seed)
    ok("models", "publish", "1.onnx", "--promote", "--note", "spring")
    ok("models", "publish", "2.onnx")
    assert (models()["champion"], models()["challenger"]) == (1, 2)
    assert models()["versions"][0]["note"] == "spring"
    ok("models", "promote", "challenger")
    assert (models()["champion"], models()["challenger"]) == (2, None)
    assert "version 1 of cucumber is the champion; `senka models promote 2` goes forward" in ok("models", "rollback").stdout
    assert models()["champion"] == 1


def test_who_exchanged_the_champion_is_on_the_trail(home):  # noqa: F811
    for seed in (1, 2):
        make_model(Path(f"{seed}.onnx"), seed=seed)
    ok("models", "publish", "1.onnx", "--promote")  # there are no records yet, and none are made for it
    assert not (home / "senka.db").exists()
    ok("keys", "list")
    ok("models", "publish", "2.onnx", "--promote")
    ok("models", "promote", "2")  # it is already
    ok("models", "rollback")
    ok("models", "promote", "2")
    found = trail(home)
    assert [(one.action, one.subject, one.detail["from"], one.detail["to"]) for one in found] == [
        ("model.promoted", "cucumber", 1, 2),
        ("model.rolled_back", "cucumber", 2, 1),
        ("model.promoted", "cucumber", 1, 2),
    ]
    assert all(one.actor.startswith("cli") and len(one.detail["sha256"]) == 64 for one in found)


def test_with_records_off_it_is_promoted_all_the_same(home, monkeypatch):  # noqa: F811
    ok("keys", "list")
    make_model(Path("1.onnx"))
    ok("models", "publish", "1.onnx")
    monkeypatch.setenv("SENKA_RECORDS", "off")
    assert ok("models", "promote", "1").stderr == ""
    assert (models()["champion"], trail(home)) == (1, [])


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [("SENKA_DATABASE_URL", "postgresql://senka@127.0.0.1:9/senka", "do not answer"), ("SENKA_PORT", "x", "SENKA_PORT")],
)
def test_what_cannot_be_put_on_the_trail_is_done_and_said(monkeypatch, setting, value, says):
    make_model(Path("1.onnx"))
    ok("models", "publish", "1.onnx")
    monkeypatch.setenv(setting, value)
    done = ok("models", "promote", "1")
    assert done.stdout == "Version 1 of cucumber is the champion.\n"
    assert done.stderr.startswith("senka: this was done, and the audit trail has no line of it: ")
    assert says in done.stderr
    monkeypatch.delenv(setting)
    assert models()["champion"] == 1


def test_publishing_the_champion_again_says_what_it_is():
    make_model(Path("1.onnx"))
    ok("models", "publish", "1.onnx", "--promote")
    assert "is cucumber version 1 already, champion" in ok("models", "publish", "1.onnx").stdout
    assert models()["challenger"] is None


def test_show_refuses_a_file_that_was_changed(home):  # noqa: F811
    make_model(Path("1.onnx"))
    ok("models", "publish", "1.onnx", "--promote")
    shown = json.loads(ok("models", "show", "--json").stdout)
    assert shown["card"]["grades"][0] == "2L"
    published = home / "models" / "cucumber" / "1" / "model.onnx"
    published.write_bytes(published.read_bytes() + b"x")
    done = senka("models", "show")
    assert done.exit_code == 1
    assert "is not the file that was published" in done.stderr


def test_an_unknown_version_names_the_valid_ones():
    make_model(Path("1.onnx"))
    ok("models", "publish", "1.onnx")
    done = senka("models", "promote", "7")
    assert done.exit_code == 1
    assert "It has: 1, challenger" in done.stderr


def test_grade_tells_each_file_apart():
    make_model(Path("m.onnx"))
    Path("good.jpg").write_bytes(picture())
    Path("bad.jpg").write_text("a shopping list")
    done = senka("grade", "good.jpg", "bad.jpg", "gone.jpg", "--model", "m.onnx", "--json")
    assert done.exit_code == 1
    answer = json.loads(done.stdout)
    assert [graded["file"] for graded in answer["gradings"]] == ["good.jpg"]
    assert sum(answer["gradings"][0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert {failed["file"]: failed["code"] for failed in answer["failed"]} == {
        "bad.jpg": "undecodable_image",
        "gone.jpg": "unreadable_file",
    }


def test_grade_without_a_model_says_how_to_get_one():
    Path("good.jpg").write_bytes(picture())
    done = senka("grade", "good.jpg")
    assert done.exit_code == 1
    assert "senka models publish" in done.stderr


def test_an_empty_repository_says_where_it_looked(home):  # noqa: F811
    assert str(home / "models" / "cucumber") in " ".join(ok("models", "list").stdout.split())
    assert models()["versions"] == []


def test_a_challenger_alone_is_not_a_champion():
    make_model(Path("1.onnx"))
    ok("models", "publish", "1.onnx")
    assert "senka models promote N" in senka("models", "show").stderr


def test_an_address_that_is_taken_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = senka("serve", "--port", str(port))
    assert done.exit_code == 1
    assert (
        done.stderr
        == f"senka: 127.0.0.1 port {port} cannot be listened on: Address already in use. Choose another with --host or --port.\n"
    )
