"""Alarms that only remember."""

from dataclasses import dataclass, field


@dataclass
class AlarmList:
    """What was raised and cleared, in order, and what is open now."""

    said: list[tuple[str, str]] = field(default_factory=list)
    open: dict[str, str] = field(default_factory=dict)

    def raise_(self, name: str, detail: str, severity: str = "warning") -> None:
        self.said.append(("raised", name))
        self.open[name] = detail

    def clear(self, name: str) -> None:
        self.said.append(("cleared", name))
        self.open.pop(name, None)
