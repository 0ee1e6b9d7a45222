"""What the doctor says: checks of what PostgreSQL's catalogue holds, and attempts at what must not be possible."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

__all__ = ["GRADES", "Attempt", "Check", "Examination", "Grade", "Outcome", "Patient"]

Grade = Literal["ok", "note", "warning", "hole"]
"""`note`: to know. `warning`: to mend, though nothing that must not be possible is. `hole`: something is."""

GRADES: tuple[Grade, ...] = get_args(Grade)

Outcome = Literal["refused", "no rows", "no effect", "hole", "unclear"]
"""`unclear`: PostgreSQL could not be asked, for another reason than that it may not be."""


@dataclass(frozen=True, slots=True)
class Check:
    area: str
    grade: Grade
    said: str
    """A sentence."""
    fix: str | None = None
    """What to do: a sentence, or SQL for a superuser."""


@dataclass(frozen=True, slots=True)
class Attempt:
    area: str
    name: str
    """What was tried, in words."""
    statements: tuple[str, ...]
    """As they were sent, but for the tenants' names, which stand in angle brackets."""
    login: str
    role: str | None
    """The role that was taken; None where the login acted as itself."""
    outcome: Outcome
    sqlstate: str | None
    answer: str
    """PostgreSQL's message, or how many rows there were."""
    there_was_something: bool | None = None
    """Of attempts to read: whether the same role finds rows where it may. None where that was not asked."""


@dataclass(frozen=True, slots=True)
class Patient:
    """A login that was examined, and the roles that the service takes by it."""

    login: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Examination:
    version: str
    """Indelible's."""
    examined_at: datetime
    """In UTC, by this host's clock."""
    postgresql: str
    database: str
    patients: tuple[Patient, ...]
    checks: tuple[Check, ...]
    attempts: tuple[Attempt, ...]

    def count(self, grade: Grade) -> int:
        """How many checks are of that grade; every attempt that succeeded is a hole, every unclear one a warning."""
        tried = {"hole": "hole", "warning": "unclear"}.get(grade)
        return sum(c.grade == grade for c in self.checks) + sum(a.outcome == tried for a in self.attempts)

    @property
    def exit_code(self) -> int:
        """1: there is a hole; 2: there is none, but something could not be tried; 0: neither."""
        if self.count("hole"):
            return 1
        return 2 if any(a.outcome == "unclear" for a in self.attempts) else 0
