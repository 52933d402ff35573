"""Cursors: where a page ended, in a form that clients pass on without reading it."""

import base64
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, Field

from service.errors import InvalidRequest

Item = TypeVar("Item")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_MICROS: Final = 253_402_300_799 * 1_000_000  # the last second of the calendar
_LARGEST_SEQ: Final = 2**63 - 1


def _plain(text: str) -> str:
    if "\0" in text:  # PostgreSQL keeps every character but this one
        raise ValueError("a character of it is NUL")
    if any("\ud800" <= letter <= "\udfff" for letter in text):  # JSON can spell them, no database keeps them
        raise ValueError("a character of it is half of one")
    return text


Plain = Annotated[str, AfterValidator(_plain)]
"""Text that every database takes."""
Id = Annotated[Plain, Field(max_length=64)]
Limit = Annotated[int, Field(ge=1, le=500)]


def page_of(found: Sequence[Item], limit: int, cursor: Callable[[Item], str]) -> tuple[list[Item], str | None]:
    """What is shown of `limit` + 1 that were asked for, and the next page's cursor: None on the last."""
    shown = list(found[:limit])
    return shown, cursor(shown[-1]) if len(found) > limit else None


def moment_cursor(at: datetime, one_id: str) -> str:
    return _encoded([(at - _EPOCH) // timedelta(microseconds=1), one_id])


def moment_of(cursor: str | None) -> tuple[datetime, str] | None:
    """The (time, id) of `moment_cursor`; None for no cursor. Raises InvalidRequest."""
    if cursor is None:
        return None
    match _decoded(cursor):
        case [int(micros), str(one_id)] if abs(micros) <= _LONGEST_MICROS and "\0" not in one_id:
            try:
                return _EPOCH + timedelta(microseconds=micros), one_id
            except OverflowError:  # before the calendar begins
                raise _refused(cursor) from None
        case _:
            raise _refused(cursor)


def seq_cursor(seq: int) -> str:
    return _encoded([seq])


def seq_of(cursor: str | None) -> int | None:
    """The number of `seq_cursor`; None for no cursor. Raises InvalidRequest."""
    if cursor is None:
        return None
    match _decoded(cursor):
        case [int(seq)] if 0 <= seq <= _LARGEST_SEQ:
            return seq
        case _:
            raise _refused(cursor)


def name_cursor(name: str) -> str:
    return _encoded([name])


def name_of(cursor: str | None) -> str | None:
    """The name of `name_cursor`; None for no cursor. Raises InvalidRequest."""
    if cursor is None:
        return None
    match _decoded(cursor):
        case [str(name)] if "\0" not in name:
            return name
        case _:
            raise _refused(cursor)


def _encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _decoded(cursor: str) -> Any:
    try:
        value = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is JSON, and no text
    except (ValueError, RecursionError):
        raise _refused(cursor) from None
    return value


def _refused(cursor: str) -> InvalidRequest:
    return InvalidRequest(f"{cursor[:50]!r} is not a cursor: send `next_cursor` of the page before, or none.")
