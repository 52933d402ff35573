"""What a check found: one line, and where something is wrong, what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """`warning` works but will not for long, or is not safe; `failure` does not work."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    level: Level
    says: str
    mend: str | None = None

    def to_json(self) -> dict[str, str | None]:
        return {"check": self.check, "level": self.level.value, "says": self.says, "mend": self.mend}


def ok(check: str, says: str) -> Finding:
    return Finding(check, Level.OK, says)


def warning(check: str, says: str, mend: str) -> Finding:
    return Finding(check, Level.WARNING, says, mend)


def failure(check: str, says: str, mend: str) -> Finding:
    return Finding(check, Level.FAILURE, says, mend)
