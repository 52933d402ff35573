"""Bodies and answers of the resources: corrections, lots, lines, growers, cameras, alarms, profiles, the audit trail."""

import unicodedata
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.api.paging import Id, Limit, Plain
from service.schemas import Moment, Problem

NOTE_CHARACTERS: Final = 2000


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`."""
    return {status: {"model": Problem} for status in statuses}


def _proper(name: str) -> str:
    spelled = name.strip()
    if not spelled or any(unicodedata.category(letter)[0] == "C" for letter in spelled):
        raise ValueError("a name has letters, digits and signs that can be seen")
    if "/" in spelled or spelled in (".", ".."):
        raise ValueError("a name stands in addresses, so it has no / in it")
    return spelled


NewName = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_proper)]
"""A name that a person gives; what cameras send is taken as it is."""
Note = Annotated[Plain, Field(max_length=NOTE_CHARACTERS)]
CorrectGrade = Literal["2L", "L", "M", "S", "2S", "BL", "BM", "BS", "C", "not_a_cucumber"]


class Body(BaseModel):
    """What is misspelt is an error, not silence."""

    model_config = ConfigDict(extra="forbid")


class PageQuery(Body):
    """How many, and from where on."""

    limit: Limit = 50
    cursor: Plain | None = Field(None, description="`next_cursor` of the page before")


class Page(BaseModel):
    next_cursor: str | None = Field(description="send it as `cursor` for the next page; null on the last")


# --- corrections ---


class CorrectionIn(Body):
    """What the fruit really was."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"grading_id": "0193...", "grade": "L", "note": "bent tip"}]})

    grading_id: Id
    grade: CorrectGrade
    note: Note | None = None


class CorrectionOut(BaseModel):
    """Somebody's word on a grading; it counts while it is the newest that was not undone."""

    id: str
    grading_id: str
    grade: str = Field(description="one of nine, or not_a_cucumber")
    note: str | None
    by: str
    at: datetime
    undone_by: str | None
    undone_at: datetime | None


class CorrectionsQuery(PageQuery):
    since: Moment | None = Field(None, description="made at this time or later")
    until: Moment | None = Field(None, description="made before this time")
    grading_id: Id | None = None


class CorrectionsPage(Page):
    corrections: list[CorrectionOut]


# --- growers, lots, lines, cameras ---


class GrowerChange(Body):
    """What is left out stays as it is."""

    note: Note | None = None


class GrowerIn(GrowerChange):
    name: NewName


class GrowerOut(BaseModel):
    name: str
    note: str | None
    created_at: datetime


class GrowersPage(Page):
    growers: list[GrowerOut]


class LotIn(Body):
    name: NewName
    grower: NewName | None = None
    note: Note | None = None


class LotChange(Body):
    """What is left out stays as it is."""

    grower: NewName | None = None
    note: Note | None = None
    closed: bool | None = Field(None, description="true takes it off its lines too; false opens it again")


class LotOut(BaseModel):
    name: str
    grower: str | None
    note: str | None
    created_at: datetime
    closed_at: datetime | None


class LotsPage(Page):
    lots: list[LotOut]


class ReassignIn(Body):
    """Which gradings of the lot belong to another: all, or those of a line or a time."""

    to: NewName
    line: Annotated[Plain, Field(max_length=100)] | None = None
    since: Moment | None = Field(None, description="received at this time or later")
    until: Moment | None = Field(None, description="received before this time")


class Reassigned(BaseModel):
    lot: str
    to: str
    gradings: int = Field(description="how many were moved")


class LineChange(Body):
    """What is left out stays as it is."""

    lot: NewName | None = Field(None, description="what runs on it from now on; null: nothing")
    note: Note | None = None


class LineIn(LineChange):
    name: NewName


class LineOut(BaseModel):
    name: str
    lot: str | None = Field(description="photographs of this line that name no lot belong to it")
    note: str | None
    created_at: datetime


class LinesPage(Page):
    lines: list[LineOut]


class CameraChange(Body):
    """What is left out stays as it is."""

    line: NewName | None = None
    note: Note | None = None


class CameraIn(CameraChange):
    name: NewName


class CameraOut(BaseModel):
    name: str
    line: str | None
    note: str | None
    created_at: datetime
    last_seen_at: datetime | None = Field(description="when its newest grading was received")
    keys: list[str] = Field(description="prefixes of the good keys that speak for this camera alone")


class CamerasPage(Page):
    cameras: list[CameraOut]


# --- alarms ---


class AlarmsQuery(PageQuery):
    open: bool = Field(False, description="only those that are not over")


class AlarmOut(BaseModel):
    """Something that a person should know of; open while `until` is null."""

    id: str
    name: str
    severity: str = Field(description="warning or critical")
    detail: str
    since: datetime
    until: datetime | None
    acknowledged_by: str | None
    acknowledged_at: datetime | None


class AlarmsPage(Page):
    alarms: list[AlarmOut]


# --- profiles, audit ---


class ProfileOut(BaseModel):
    """One version of the rules that decide lanes."""

    version: int
    rules: dict[str, Any]
    created_by: str
    created_at: datetime


class ProfilesOut(BaseModel):
    in_effect: int | None = Field(description="the version that this worker decides by")
    profiles: list[ProfileOut]


class AuditQuery(PageQuery):
    action: Annotated[Plain, Field(max_length=64)] | None = Field(
        None, description="such as lot.changed; with a dot at its end all that begin so: lot."
    )
    subject: Annotated[Plain, Field(max_length=200)] | None = None
    actor: Annotated[Plain, Field(max_length=100)] | None = None
    since: Moment | None = Field(None, description="at this time or later")
    until: Moment | None = Field(None, description="before this time")


class AuditLineOut(BaseModel):
    """Who changed what, when and from where."""

    seq: int
    at: datetime
    actor: str
    address: str | None
    action: str
    subject: str
    detail: dict[str, Any]


class AuditPage(Page):
    audit: list[AuditLineOut]
