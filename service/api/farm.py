"""`/v1/farm`: the farm's name, time zone and shifts, and what its fruit weighs and fetches."""

import asyncio
import unicodedata
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from service.api.context import Parts, engine_of, json_response
from service.api.gradings import Grade
from service.api.paging import Plain
from service.api.places import signature
from service.api.resource_schemas import problems
from service.farm import MAX_SHIFTS, Farm, is_time_zone
from service.records import farm as records

router = APIRouter(prefix="/v1", tags=["farm"])

MAX_GRAMS: Final = 5_000.0
MAX_YEN: Final = 100_000.0


def _visible(name: str) -> str:
    spelled = name.strip()
    if not spelled or any(unicodedata.category(letter)[0] == "C" for letter in spelled):
        raise ValueError("a name has letters, digits and signs that can be seen; null takes it away")
    return spelled


def _time_zone(name: str) -> str:
    if not is_time_zone(name):
        raise ValueError("there is no time zone of this name; it is a name such as Asia/Tokyo or UTC")
    return name


def _in_order(starts: list[str]) -> list[str]:
    if len(set(starts)) < len(starts):
        raise ValueError("two shifts start at the same time; give each start once")
    return sorted(starts)


Start = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Grams = Annotated[float, Field(gt=0, le=MAX_GRAMS, strict=True, allow_inf_nan=False)]
Yen = Annotated[float, Field(ge=0, le=MAX_YEN, strict=True, allow_inf_nan=False)]


class FarmChange(BaseModel):
    """What is left out stays as it is; null puts a value back to its default."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"time_zone": "Asia/Tokyo", "shift_starts": ["06:00", "14:00"], "yen_per_fruit": {"M": 17}}]
        },
    )

    name: Annotated[Plain, Field(max_length=100), AfterValidator(_visible)] | None = None
    time_zone: Annotated[Plain, Field(max_length=64), AfterValidator(_time_zone)] | None = Field(
        None, description="a name of the IANA's, such as Asia/Tokyo; by default that of the machine"
    )
    shift_starts: Annotated[list[Start], Field(min_length=1, max_length=MAX_SHIFTS), AfterValidator(_in_order)] | None = Field(
        None, description="HH:MM on the farm's clock, each once; a shift ends where the next one starts"
    )
    grams_per_fruit: dict[Grade, Grams | None] | None = Field(None, description="by grade; grades that are left out stay")
    yen_per_fruit: dict[Grade, Yen | None] | None = Field(None, description="by grade; grades that are left out stay")


class FarmOut(BaseModel):
    """What is said of the farm. Weights and prices are estimates, which a farm sets itself."""

    name: str | None
    time_zone: str = Field(description="a name of the IANA's: days and shifts begin on its clock")
    shift_starts: list[str] = Field(description="HH:MM, earliest first")
    grams_per_fruit: dict[str, float] = Field(description="all nine grades")
    yen_per_fruit: dict[str, float] = Field(description="all nine grades")
    changed_by: str | None = Field(description="null where nobody has changed anything")
    changed_at: datetime | None


@router.get("/farm", responses={200: {"model": FarmOut}, **problems(503)}, response_class=Response)
async def farm(parts: Parts) -> Response:
    """The farm's name, time zone and shifts, and what a fruit of each grade weighs and fetches."""
    if parts.records is None:
        return json_response(Farm().to_json())
    return json_response((await asyncio.to_thread(records.read, parts.records.engine)).to_json())


@router.patch("/farm", responses={200: {"model": FarmOut}, **problems(409, 422, 503)}, response_class=Response)
async def change_farm(parts: Parts, request: Request, body: Annotated[FarmChange, Body()]) -> Response:
    """Change what is given. Reports and shifts go by it from now on, those of past days too."""
    engine, wanted = engine_of(parts, "what is said of the farm"), _given(body)
    return json_response((await asyncio.to_thread(records.change, engine, wanted, signature(request))).to_json())


def _given(body: FarmChange) -> dict[str, Any]:
    return body.model_dump(exclude_unset=True)
