"""`/v1/gradings`, `/v1/stats`: what is on record."""

import asyncio
import base64
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from models.grades import GRADES
from models.imaging import MEDIA_TYPES
from service.api.context import Parts, json_response
from service.api.paging import Plain
from service.errors import GradingNotFound, InvalidRequest, PhotographNotKept
from service.grading import Grading
from service.records.filters import Reason
from service.records.repository import Filters, Position, Records
from service.schemas import GradingsPage, Moment, Problem, RecordedOut, Stats

router = APIRouter(prefix="/v1", tags=["records"])

_UNREADABLE: Final[dict[int | str, dict[str, Any]]] = {code: {"model": Problem} for code in (422, 503)}

LARGEST_VERSION: Final = 2**31 - 1
"""PostgreSQL keeps no larger number there."""

Grade = Literal["2L", "L", "M", "S", "2S", "BL", "BM", "BS", "C"]
Lane = Literal["2L", "L", "M", "S", "2S", "BL", "BM", "BS", "C", "manual"]


class FilterQuery(BaseModel):
    """Which gradings."""

    model_config = ConfigDict(extra="forbid")

    since: Moment | None = Field(None, description="received at this time or later")
    until: Moment | None = Field(None, description="received before this time")
    line: Plain | None = None
    lot: Plain | None = None
    camera: Plain | None = None
    grade: Grade | None = None
    lane: Lane | None = None
    model: int | None = Field(None, ge=1, le=LARGEST_VERSION, description="the version that graded")
    reason: Reason | None = Field(None, description="why it went to the manual lane")
    max_confidence: float | None = Field(None, ge=0, le=1, description="at most this sure")

    def filters(self) -> Filters:
        """As the records know them."""
        chosen = {name: getattr(self, name) for name in FilterQuery.model_fields if name != "model"}
        return Filters(**chosen, model_version=self.model)


def _in_hundredths(value: float | None) -> float | None:
    if value is not None and round(value, 2) != value:
        raise ValueError("figures are counted by hundredths of confidence: give two decimals at most")
    return value


class StatsQuery(FilterQuery):
    """Which gradings to count."""

    max_confidence: Annotated[float | None, AfterValidator(_in_hundredths)] = Field(
        None, ge=0, le=1, description="at most this sure, in hundredths; not together with `model`"
    )

    @model_validator(mode="after")
    def _not_both(self) -> Self:
        if self.model is not None and self.max_confidence is not None:
            raise ValueError("figures by confidence are not counted for each model: leave out `model` or `max_confidence`")
        return self


class PageQuery(FilterQuery):
    """And how many of them."""

    limit: int = Field(50, ge=1, le=500)
    cursor: str | None = Field(None, description="`next_cursor` of the page before")


@router.get("/gradings", responses={200: {"model": GradingsPage}, **_UNREADABLE}, response_class=Response)
async def gradings(parts: Parts, query: Annotated[PageQuery, Query()]) -> Response:
    """Gradings on record, newest first."""
    before = _position(query.cursor) if query.cursor else None
    if parts.records is None:
        return json_response({"gradings": [], "next_cursor": None})
    return json_response(await asyncio.to_thread(_page, parts.records, query.filters(), query.limit, before))


def _page(records: Records, filters: Filters, limit: int, before: Position | None) -> dict[str, Any]:
    found = records.page(filters, limit + 1, before)  # one more than asked for tells whether there is a next page
    cursor = _cursor(found[limit - 1].position) if len(found) > limit else None
    return {"gradings": _with_corrections(records, [r.grading for r in found[:limit]]), "next_cursor": cursor}


@router.get(
    "/gradings/{grading_id}",
    responses={200: {"model": RecordedOut}, 404: {"model": Problem}, **_UNREADABLE},
    response_class=Response,
)
async def grading(parts: Parts, grading_id: str) -> Response:
    """One grading as it was answered, and its correction."""
    found = await _find(parts.records, grading_id)
    (shown,) = await asyncio.to_thread(_with_corrections, parts.records, [found])
    return json_response(shown)


def _with_corrections(records: Records | None, shown: Sequence[Grading]) -> list[dict[str, Any]]:
    corrections = records.corrections([one.id for one in shown]) if records else {}
    # only where there is one: a grading that nobody corrected reads as it was answered
    found = ((one.to_json(), corrections.get(one.id)) for one in shown)
    return [{**answer, "correction": correction} if correction else answer for answer, correction in found]


_IMAGE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {kind: {} for kind in MEDIA_TYPES.values()}},
    404: {"model": Problem},
    503: {"model": Problem},
}


@router.get("/gradings/{grading_id}/image", responses=_IMAGE, response_class=Response)
async def image(parts: Parts, grading_id: str) -> Response:
    """The photograph, byte for byte as it was sent."""
    if parts.records is None:
        raise GradingNotFound(grading_id)
    shown = parts.records.shown
    kept = shown.get(grading_id)
    if kept is None:
        key = shown.key(grading_id) or (await _find(parts.records, grading_id)).photograph
        kept = await asyncio.to_thread(parts.records.photographs.get, key) if key else None
        if kept is None:
            raise PhotographNotKept(grading_id)
        shown.put(grading_id, kept)
    # Named by its content, so it never changes; and it is what a stranger sent, so no browser may guess at its type.
    headers = {"Cache-Control": "private, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(kept[0], media_type=kept[1], headers=headers)


@router.get("/stats", responses={200: {"model": Stats}, **_UNREADABLE}, response_class=Response)
async def stats(parts: Parts, query: Annotated[StatsQuery, Query()]) -> Response:
    """Counts, shares, confidence and throughput by grade."""
    if parts.records is None:
        blank = {"count": 0, "share": 0.0, "mean_confidence": None, "per_minute": 0}
        empty = {"total": 0, "manual": 0, "mean_confidence": None, "per_minute": 0, "first_received_at": None}
        return json_response({**empty, "last_received_at": None, "grades": dict.fromkeys(GRADES, blank)})
    return json_response(await asyncio.to_thread(parts.records.stats, query.filters()))


async def _find(records: Records | None, grading_id: str) -> Grading:
    found = await asyncio.to_thread(records.get, grading_id) if records else None
    if found is None:
        raise GradingNotFound(grading_id)
    return found


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _cursor(position: Position) -> str:
    micros = (position.received_at - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(f"{micros}.{position.seq}".encode()).decode().rstrip("=")


def _position(cursor: str) -> Position:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        if (found := re.fullmatch(r"(\d{1,18})\.(\d{1,18})", text)) is not None:
            return Position(_EPOCH + timedelta(microseconds=int(found[1])), int(found[2]))
    except (ValueError, OverflowError):  # not base64, or later than the calendar goes
        pass
    raise InvalidRequest(f"{cursor[:50]!r} is not a cursor: send `next_cursor` of the page before, or none.")
