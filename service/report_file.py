"""A report as a table for a spreadsheet."""

import csv
import io
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from models.grades import GRADES
from service.records.export import safe_cell

MEDIA_TYPE: Final = "text/csv; charset=utf-8; header=present"
_MARK: Final = "\ufeff"
"""Excel takes a file without it for Shift JIS where the machine is Japanese."""
_PERIODS: Final = ("shift", "day")


def columns(by: str) -> list[str]:
    """The header of a report by one of its kinds."""
    return [
        *(by, "until", "time_zone", "grower", "total"),
        *(f"count_{grade}" for grade in GRADES),
        *(f"share_{grade}" for grade in GRADES),
        *("ungraded", "manual", "manual_share", "mean_confidence", "kg_estimated", "yen_estimated"),
        *("corrections", "corrected_share", "models", "first_received_at", "last_received_at", "exact"),
    ]


def csv_of(answer: Mapping[str, Any]) -> bytes:
    """UTF-8 with its mark in front, a header, and a line for each row of the answer of `GET /v1/report`.

    Starts and ends of shifts and days are local times, as a spreadsheet reads them; other times are RFC 3339 in UTC.
    """
    text = io.StringIO()
    text.write(_MARK)
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns(answer["by"]))
    for row in answer["rows"]:
        writer.writerow(safe_cell(value) for value in _cells(row, answer["by"] in _PERIODS, answer["time_zone"]))
    return text.getvalue().encode()


def _cells(row: Mapping[str, Any], of_period: bool, zone: str) -> list[Any]:
    grades = row["grades"]
    where = (_local(row["key"]), _local(row["until"]), zone) if of_period else (row["key"], None, None)
    return [
        *(*where, row["grower"], row["total"]),
        *(grades[grade]["count"] for grade in GRADES),
        *(round(grades[grade]["share"], 6) for grade in GRADES),
        *(row["ungraded"], row["manual"], round(row["manual_share"], 6)),
        None if row["mean_confidence"] is None else round(row["mean_confidence"], 6),
        *(row["kg"], row["yen"], row["corrections"], round(row["corrected_share"], 6)),
        *(";".join(str(version) for version in row["models"]), row["first_received_at"], row["last_received_at"]),
        "yes" if row["exact"] else "no",
    ]


def _local(moment: str) -> str:
    """2026-11-23T06:00:00+09:00 as 2026-11-23 06:00:00."""
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M:%S}"
