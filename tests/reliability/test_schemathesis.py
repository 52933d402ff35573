"""A short sweep over the OpenAPI document by everybody there is; `python -m tests.reliability.schemathesis` is the long one."""

from pathlib import Path
from typing import Any

import pytest

from service.api import document
from tests.reliability.schemathesis import CALLERS, ENDLESS, sweep

EXAMPLES = 3
WHAT_SOMEBODY_MAY = {"off": 45, "admin": 45, "operator": 40, "viewer": 22, "camera": 8, "nobody": 4}
"""Operations that must have been answered well at least once, or the sweep met refusals alone."""


# 20 s each: what the quick run leaves to the long one is what others meet too. An admin meets every answer that is none of a
# refusal, a camera those of too few rights; who may what is the matter of tests/service/api/test_access.py.
SLOW = ("operator", "viewer")


@pytest.mark.parametrize("caller", [pytest.param(one, marks=[pytest.mark.slow] if one in SLOW else []) for one in CALLERS])
def test_every_answer_is_as_the_document_says(caller: str, tmp_path: Path) -> None:
    report = sweep(caller, EXAMPLES, tmp_path)
    assert report.findings == {}
    assert report.operations > 60
    assert len(report.succeeded) >= WHAT_SOMEBODY_MAY[caller], sorted(report.succeeded)
    assert {what.rpartition(": ")[2] for what in report.unavailable} <= {"explanations_unavailable"}, report.unavailable
    assert not ENDLESS & report.succeeded


def test_a_document_that_says_too_little_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mended = document.mend

    def forget(made: dict[str, Any]) -> None:
        if "200" not in made["paths"]["/v1/lots"]["get"]["responses"]:
            return
        mended(made)
        del made["paths"]["/v1/lots"]["get"]["responses"]["200"]
        made["paths"]["/v1/lots"]["post"]["responses"]["422"]["content"] = {"application/json": {}}

    monkeypatch.setattr(document, "mend", forget)
    lots = sweep("off", 12, tmp_path / "lots", only="/v1/lots")
    assert any(what.startswith("POST /v1/lots: UndefinedContentType 422") for what in lots.findings), lots.findings
    assert any(what.startswith("GET /v1/lots: UndefinedStatusCode 200") for what in lots.findings), lots.findings
