"""What was found, and whether it is what was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

TIMES = "\N{MULTIPLICATION SIGN}"
"""The unit of a ratio."""


@dataclass(frozen=True)
class Check:
    """A number, and the goal for it where there is one."""

    what: str
    value: float
    unit: str = ""
    goal: float | None = None
    at_least: bool = False
    """The goal is the least instead of the greatest value."""

    @property
    def is_met(self) -> bool | None:
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    @property
    def share(self) -> float:
        """The value as a share of its goal, turned round where more is better: up to 1, the goal is met."""
        if self.goal is None or (self.at_least and not self.value):
            return 0.0
        return self.goal / self.value if self.at_least else self.value / self.goal

    def to_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"what": self.what, "value": round(self.value, 4), "unit": self.unit}
        if self.goal is not None:
            told |= {"goal": self.goal, "isLeast": self.at_least, "isMet": self.is_met}
        return told


@dataclass(frozen=True)
class Result:
    """What a scenario found; `details` are the numbers behind it, `noise` the greatest spread of equal runs."""

    name: str
    title: str
    checks: list[Check]
    details: dict[str, Any] = field(default_factory=dict)
    noise: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "checks": [check.to_json() for check in self.checks],
            "noise": round(self.noise, 3),
            "details": self.details,
        }
