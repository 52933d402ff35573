"""`GET /v1/activity`: what every line and camera does just now."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from service.api.context import Parts, json_response
from service.api.paging import Plain
from service.api.resource_schemas import Body, problems
from service.farm import Farm
from service.records import activity as records

router = APIRouter(prefix="/v1", tags=["records"])


class ActivityQuery(Body):
    """Whose minutes."""

    line: Annotated[Plain, Field(min_length=1, max_length=100)] | None = Field(
        None, description="minutes of this line alone; `lines` has all of them anyway"
    )


class ShiftOut(BaseModel):
    """The shift that is running, on the farm's clock."""

    since: datetime
    until: datetime
    start: str = Field(description="HH:MM, as the farm says it")


class MinuteOut(BaseModel):
    at: datetime = Field(description="when it began")
    count: int = Field(description="photographs graded")


class CameraActivityOut(BaseModel):
    name: str | None = Field(description="null: photographs that named no camera")
    last_received_at: datetime | None = Field(description="null where nothing came for 31 days")
    per_minute: int = Field(description="in the last 60 s")


class LineActivityOut(CameraActivityOut):
    """A line that is entered, or that something came from in the last 24 h."""

    name: str | None = Field(description="null: photographs that named no line, and cameras that stand at none")
    lot: str | None = Field(description="what runs on it now")
    grower: str | None = Field(description="of that lot")
    cameras: list[CameraActivityOut] = Field(description="those entered at this line, and those heard of on it in the last 24 h")


class ActivityOut(BaseModel):
    """What the lines do now."""

    now: datetime
    shift: ShiftOut
    minutes: list[MinuteOut] = Field(description="60 of them, oldest first; the last one is still running")
    lines: list[LineActivityOut] = Field(description="by name")
    truncated: bool = Field(description="whether there are more lines and cameras than the 500 that were heard of last")


@router.get("/activity", responses={200: {"model": ActivityOut}, **problems(422, 503)}, response_class=Response)
async def activity(parts: Parts, query: Annotated[ActivityQuery, Query()]) -> Response:
    """Every line and camera with its last photograph and its speed, the shift, and fruit a minute of the last hour."""
    now = datetime.now(UTC)
    if parts.records is None:
        return json_response(records.idle(Farm(), now))
    return json_response(await asyncio.to_thread(parts.records.activity, query.line, now))
