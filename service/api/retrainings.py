"""`/v1/retrainings`: the next model made of new labels, in a process of its own, and how far it is."""

import asyncio
import re
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path as FilePath
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Body, Path, Query, Request, Response
from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from models.errors import SenkaError
from models.judged import Gate, gate_of
from models.retrainings import GATE_PAGE, INTAKE_PAGE, Retraining, RetrainRequest, Share
from service import retrainings
from service.api.context import Context, Parts, engine_of, json_response
from service.api.paging import Id, name_cursor, name_of, page_of
from service.api.places import signature
from service.api.resource_schemas import Body as Strict
from service.api.resource_schemas import Page, PageQuery, problems
from service.errors import InvalidRequest
from service.grading import rfc3339
from service.records.resources import Signature
from service.schemas import Moment

router = APIRouter(prefix="/v1/retrainings", tags=["retrainings"])

RECORDS: Final = "records:"
"""The source that `senka` exports the corrections for."""
PAGES: Final = {"intake": INTAKE_PAGE, "gate": GATE_PAGE}
PAGE_HEADERS: Final = {
    # Text and pictures in the file itself, and nothing that runs: whoever sent a batch chose names that stand in it.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; sandbox",
    # HTML has it that a page is not shown at all which is sandboxed and asks for a window group of its own
    "Cross-Origin-Opener-Policy": "unsafe-none",
    "Cache-Control": "private, no-cache",
}
_EXAMPLE: Final[dict[str, JsonValue]] = {
    "batches": ["0193a2f0-7b1c-7d2e-9a57-1f0e4b6c2d11"],
    "records": {"since": "2026-11-01", "until": "2026-11-24"},
}


def _text(value: Any) -> Any:
    if not isinstance(value, str):  # pydantic would take seconds since 1970, too
        raise ValueError("not a time of RFC 3339, such as 2026-11-23T02:11:00Z")
    return value


def _day(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        raise ValueError("not a day such as 2026-11-24")
    return value


Time = Annotated[Moment, BeforeValidator(_text)] | Annotated[date, BeforeValidator(_day)]
Architecture = Literal["alexnet", "vgg19", "deep-mnist", "googlenet", "resnet34", "lenet", "rbf"]
Recipe = Literal["best", "fruit"]


class Span(Strict):
    """Corrections of a time; what is left out is open."""

    since: Time | None = Field(None, description="from then on: a day, from its start in UTC, or RFC 3339")
    until: Time | None = Field(None, description="before then: a day, that day included, or RFC 3339")

    @model_validator(mode="after")
    def _forward(self) -> "Span":
        if self.since is not None and self.until is not None and _start(self.since) >= _end(self.until):
            raise ValueError(f"{_said(self.since)} is not before {_said(self.until)}")
        return self


class RetrainingIn(Strict):
    """What to train with, and what to do with the model. Batches, corrections on record, or both."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    batches: list[Id] = Field(default_factory=list, max_length=500, description="ids of batches on record")
    records: bool | Span = Field(False, description="the corrections on record: all, or those of a time")
    promote: bool = Field(False, description="make it the champion when the gate passes; else it becomes the challenger")
    require: Literal["better", "not_worse"] = "better"
    to_golden: Share = Field(0.0, description="share of the new fruit that the golden set is grown by, never trained on")
    scratch: Literal["auto", "always", "never"] = Field("auto", description="whether to train from scratch as well")
    arch: Architecture | None = Field(None, description="architecture from scratch; null: the champion's, or lenet")
    recipe: Recipe | None = Field(None, description="or a recipe")
    epochs: int | None = Field(None, ge=1, le=10_000, description="of the fine-tuning")
    seed: int = Field(0, ge=0, lt=2**32)
    threads: int = Field(0, ge=0, le=256, description="of the training; 0: one fewer than there are cores")
    nice: int = Field(10, ge=0, le=19, description="how far it steps back for grading")


class RetrainingOut(Retraining):
    """One retraining as it stands."""

    cancelling: bool = Field(False, description="it runs, and was asked to stop; it does at its next step")


class RetrainingDetail(RetrainingOut):
    """The same, with what was asked and what there is to read."""

    pages: list[Literal["intake", "gate"]] = Field(description="those that are made: GET /v1/retrainings/{id}/intake and /gate")
    request: RetrainRequest = Field(description="sources in SENKA_HOME are named as in /v1/batches")
    gate: Gate | None = Field(description="how the gate judged its model, also one that it refused; null before it did")


class RetrainingsPage(Page):
    retrainings: list[RetrainingOut]


class PageNotMade(SenkaError):
    code = "page_not_made"

    def __init__(self, retraining: Retraining, page: str) -> None:
        super().__init__(
            f"Retraining {retraining.id} has no page of the {page}: it is {retraining.state}, at {retraining.stage}.",
            retraining=retraining.id,
            state=retraining.state,
            stage=retraining.stage,
        )


_Id = Annotated[Id, Path()]
_LOCATION: Final = {"headers": {"Location": {"description": "of the retraining", "schema": {"type": "string"}}}}
_HTML: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}
_TEXT: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


@router.post(
    "",
    status_code=202,
    responses={202: {"model": RetrainingOut, **_LOCATION}, **problems(404, 409, 422, 503)},
    response_class=Response,
)
async def begin(parts: Parts, request: Request, body: Annotated[RetrainingIn, Body()]) -> Response:
    """Start a retraining, the only one at a time. It goes on when the service stops."""
    engine, settings, who = engine_of(parts, "batches and corrections"), parts.settings, signature(request)
    if not body.batches and body.records is False:
        raise InvalidRequest("Name something to train with: `batches`, `records`, or both.")
    if body.arch and body.recipe:
        raise InvalidRequest("`arch` and `recipe` both say what is trained from scratch: give one of them.")

    def work() -> RetrainingOut:
        data = (*retrainings.batch_sources(settings, engine, body.batches), *_records(body.records))
        asked = RetrainRequest(data=data, by=who.by, **body.model_dump(exclude={"batches", "records"}))
        return _out(parts, retrainings.start(settings, engine, asked, who))

    made = await asyncio.to_thread(work)
    response = json_response(made.model_dump(mode="json"), 202)
    root = str(request.scope.get("root_path", "")).rstrip("/")
    response.headers["Location"] = f"{root}{router.prefix}/{made.id}"
    return response


@router.get("", responses={200: {"model": RetrainingsPage}, **problems(422, 503)}, response_class=Response)
async def listed(parts: Parts, query: Annotated[PageQuery, Query()]) -> Response:
    """Retrainings, newest first, also those that `senka retrain` started."""
    before = name_of(query.cursor)
    found = await asyncio.to_thread(_listed, parts, query.limit + 1, before)
    shown, cursor = page_of(found, query.limit, lambda one: name_cursor(one.id))
    return json_response({"retrainings": [one.model_dump(mode="json") for one in shown], "next_cursor": cursor})


@router.get("/{retraining_id}", responses={200: {"model": RetrainingDetail}, **problems(404, 422, 503)}, response_class=Response)
async def one(parts: Parts, retraining_id: _Id) -> Response:
    """How far one is, or how it ended."""
    return json_response((await asyncio.to_thread(_one, parts, retraining_id)).model_dump(mode="json"))


@router.post(
    "/{retraining_id}/cancel",
    status_code=202,
    responses={202: {"model": RetrainingOut}, **problems(404, 409, 422, 503)},
    response_class=Response,
)
async def cancel(parts: Parts, request: Request, retraining_id: _Id) -> Response:
    """Ask it to stop, which it does at its next step. It can be resumed."""
    return await _change(parts, retrainings.cancel, retraining_id, signature(request))


@router.post(
    "/{retraining_id}/resume",
    status_code=202,
    responses={202: {"model": RetrainingOut}, **problems(404, 409, 422, 503)},
    response_class=Response,
)
async def resume(parts: Parts, request: Request, retraining_id: _Id) -> Response:
    """Go on with one that was interrupted or cancelled or that failed; what it had finished is not done again."""
    return await _change(parts, retrainings.resume, retraining_id, signature(request))


@router.get("/{retraining_id}/intake", responses={**_HTML, **problems(404, 422, 503)}, response_class=Response)
async def intake(parts: Parts, retraining_id: _Id) -> Response:
    """What the intake found in the new photographs, as a page."""
    return await asyncio.to_thread(_page, parts, retraining_id, "intake")


@router.get("/{retraining_id}/gate", responses={**_HTML, **problems(404, 422, 503)}, response_class=Response)
async def gate(parts: Parts, retraining_id: _Id) -> Response:
    """How the gate judged the new model, as a page."""
    return await asyncio.to_thread(_page, parts, retraining_id, "gate")


@router.get("/{retraining_id}/log", responses={**_TEXT, **problems(404, 422, 503)}, response_class=Response)
async def log(parts: Parts, retraining_id: _Id) -> Response:
    """The end of what its process said, at most 64 KiB; nothing of one that was started on a command line."""
    said = await asyncio.to_thread(lambda: retrainings.log_end(_folder(parts, retraining_id)))
    return Response(said, media_type="text/plain", headers={"Cache-Control": "no-store"})


def _records(wanted: bool | Span) -> tuple[str, ...]:
    if not isinstance(wanted, Span):
        return (RECORDS,) if wanted else ()
    if wanted.since is None and wanted.until is None:
        return (RECORDS,)
    return (f"{RECORDS}{_said(wanted.since)}..{_said(wanted.until)}",)


def _said(moment: date | None) -> str:
    """As `senka` reads it: a day, or a moment of RFC 3339."""
    if isinstance(moment, datetime):
        return rfc3339(moment)
    return "" if moment is None else moment.isoformat()


def _start(moment: date) -> datetime:
    return moment if isinstance(moment, datetime) else datetime.combine(moment, time(), UTC)


def _end(moment: date) -> datetime:
    """A day ends with it."""
    if isinstance(moment, datetime):
        return moment
    if moment == date.max:
        raise ValueError("the time is out of range")
    return datetime.combine(moment + timedelta(days=1), time(), UTC)


def _folder(parts: Context, retraining_id: str) -> FilePath:
    return parts.settings.retrainings.folder(retraining_id)


def _out(parts: Context, found: Retraining) -> RetrainingOut:
    cancelling = found.state == "running" and parts.settings.retrainings.is_cancelled(found.id)
    return RetrainingOut(**dict(found), cancelling=cancelling)


def _listed(parts: Context, limit: int, before: str | None) -> list[RetrainingOut]:
    return [_out(parts, found) for found in parts.settings.retrainings.listed(limit, before)]


def _one(parts: Context, retraining_id: str) -> RetrainingDetail:
    known = parts.settings.retrainings
    found, folder, asked = _out(parts, known.get(retraining_id)), known.folder(retraining_id), known.request(retraining_id)
    named = {name: retrainings.shown(parts.settings, getattr(asked, name)) for name in ("data", "replay", "corrections")}
    golden = asked.golden and retrainings.shown(parts.settings, [asked.golden])[0]
    return RetrainingDetail(
        **dict(found),
        pages=[name for name, file in PAGES.items() if (folder / file).is_file()],
        request=asked.model_copy(update={**named, "golden": golden}),
        gate=gate_of(known, found),
    )


async def _change(parts: Context, change: Any, retraining_id: str, who: Signature) -> Response:
    engine = parts.records.engine if parts.records else None
    found = await asyncio.to_thread(change, parts.settings, engine, retraining_id, who)
    return json_response(_out(parts, found).model_dump(mode="json"), 202)


def _page(parts: Context, retraining_id: str, page: str) -> Response:
    """Raises RetrainingNotFound, PageNotMade."""
    try:
        content = (_folder(parts, retraining_id) / PAGES[page]).read_bytes()
    except FileNotFoundError:
        raise PageNotMade(parts.settings.retrainings.get(retraining_id), page) from None
    return Response(content, media_type="text/html", headers=PAGE_HEADERS)
