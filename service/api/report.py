"""`GET /v1/report`: what was graded, by lot, grower, line, camera, shift or day."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from service.api.context import Parts, json_response
from service.api.paging import Plain
from service.api.resource_schemas import Body, problems
from service.farm import Farm
from service.records.report import By, answer, report
from service.records.report_counts import Which
from service.report_file import MEDIA_TYPE, csv_of
from service.schemas import Moment

router = APIRouter(prefix="/v1", tags=["records"])

MAX_ROWS: Final = 500
MAX_FILE_ROWS: Final = 10_000

_Named = Annotated[Plain, Field(min_length=1, max_length=100)]


class ReportQuery(Body):
    """Which gradings, and what they are added up by."""

    by: By
    since: Moment | None = Field(None, description="received at this time or later")
    until: Moment | None = Field(None, description="received before this time")
    line: _Named | None = None
    lot: _Named | None = None
    grower: _Named | None = Field(None, description="of lots that are this grower's now")
    format: Literal["json", "csv"] = Field("json", description="csv for spreadsheets: a line for each row")

    def which(self) -> Which:
        """As the records know them."""
        return Which(self.since, self.until, self.line, self.lot, self.grower)


class GradeShareOut(BaseModel):
    count: int
    share: float = Field(description="of all gradings of the row, 0 to 1")


class ReportFiguresOut(BaseModel):
    """Gradings added up. A correction changes no count: grades are as they were graded."""

    total: int
    grades: dict[str, GradeShareOut] = Field(description="all nine, counted or not")
    ungraded: int = Field(description="without a grade: the deadline was missed")
    manual: int = Field(description="in the manual lane")
    manual_share: float = Field(description="of all, 0 to 1")
    mean_confidence: float | None = Field(description="of those with a grade; null where there are none")
    kg: float = Field(description="estimated, of all fruit with a grade, those of the manual lane too")
    yen: float = Field(description="estimated, of all fruit with a grade, those of the manual lane too")
    corrections: int = Field(description="gradings with a correction in effect, one that confirms the grade too")
    corrected_share: float = Field(description="those of all, 0 to 1")
    models: list[int] = Field(description="versions that graded them")
    first_received_at: datetime | None
    last_received_at: datetime | None
    exact: bool = Field(
        description="false where a shift or day starts within an hour and there is too much to look at each grading: such an "
        "hour counts as a whole where most of it lies"
    )


class ReportRowOut(ReportFiguresOut):
    """One lot, grower, line, camera, shift or day."""

    key: str | None = Field(description="its name, null for none; of a shift or day when it starts, on the farm's clock")
    until: datetime | None = Field(description="when the shift or day ends; null for names")
    grower: str | None = Field(description="of the lot, where rows are lots")


class EstimatesOut(BaseModel):
    """What weights and yen were estimated from: PATCH /v1/farm changes it."""

    grams_per_fruit: dict[str, float]
    yen_per_fruit: dict[str, float]


class ReportOut(BaseModel):
    """Newest first."""

    by: By
    since: datetime | None
    until: datetime | None
    time_zone: str = Field(description="of the farm: days and shifts begin on its clock")
    rows: list[ReportRowOut] = Field(description="with gradings in them, 500 at most; names by their last grading")
    total: ReportFiguresOut = Field(description="of all that was asked for, also of rows beyond those shown")
    truncated: bool = Field(description="whether there are more rows: ask for less time")
    estimates: EstimatesOut


_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": ReportOut, "content": {"text/csv": {}}, "description": "the report, or with format=csv the file"},
    **problems(422, 503),
}


@router.get("/report", responses=_ANSWERS, response_class=Response)
async def make_report(parts: Parts, query: Annotated[ReportQuery, Query()]) -> Response:
    """Counts, shares, estimated weight and yen, corrections and models of each lot, grower, line, camera, shift or day.

    The CSV is UTF-8 with a mark in front, for Excel, and has up to 10,000 rows. A text cell that starts with one of `= + - @`, a
    tab or a line break has an apostrophe in front, so that no spreadsheet runs it as a formula.
    """
    which, limit = query.which(), MAX_ROWS if query.format == "json" else MAX_FILE_ROWS
    if parts.records is None:
        made = answer(Farm(), query.by, which, [], limit)
    else:
        made = await asyncio.to_thread(report, parts.records.engine, query.by, which, limit)
    if query.format == "json":
        return json_response(made)
    headers = {"Content-Disposition": f'attachment; filename="{_filename(query)}"'}
    return Response(await asyncio.to_thread(csv_of, made), headers=headers, media_type=MEDIA_TYPE)


def _filename(query: ReportQuery) -> str:
    """senka-lot-2026-11-01-to-2026-12-01.csv: the days asked for, in UTC."""
    days = [f"{moment:%Y-%m-%d}" for moment in (query.since, query.until) if moment]
    return f"senka-{query.by}-{'-to-'.join(days) or 'all'}.csv"
