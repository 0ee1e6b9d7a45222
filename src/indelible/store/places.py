"""Places in the timeline, and spans between them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from psycopg import sql

__all__ = ["FIRST", "LAST", "Place", "Span", "months_later", "shifted", "within_years"]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """That of an event, whether there is one or not."""

    occurred_at: datetime
    seq: int


FIRST, LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
"""Python has no datetime for infinity or the years before 1, which somebody may have written: it is taken for these."""


def within_years(alias: str) -> sql.Composed:
    """`occurred_at` as a time from `FIRST` to `LAST`."""
    return sql.SQL("least(greatest({}, {}), {})").format(
        sql.Identifier(alias, "occurred_at"), sql.Literal(FIRST), sql.Literal(LAST)
    )


class Span(NamedTuple):
    """The places from `lo` on and before `hi`; None is no bound."""

    lo: Place | None = None
    hi: Place | None = None

    @property
    def is_empty(self) -> bool:
        return self.lo is not None and self.hi is not None and self.lo >= self.hi

    def conditions(self, alias: str, parameters: dict[str, Any]) -> list[sql.Composable]:
        """What a row has to fulfil to lie in it; adds the values to `parameters`."""
        found: list[sql.Composable] = []
        for name, place, operator in (("lo", self.lo, ">="), ("hi", self.hi, "<")):
            if place is not None:
                at_an_end = not FIRST < place.occurred_at < LAST
                found.append(
                    sql.SQL("({time}, {a}.seq) {operator} ({its_time}, {its_seq})").format(
                        a=sql.Identifier(alias),
                        time=within_years(alias) if at_an_end else sql.Identifier(alias, "occurred_at"),
                        operator=sql.SQL(operator),
                        its_time=sql.Placeholder(f"{name}_time"),
                        its_seq=sql.Placeholder(f"{name}_seq"),
                    )
                )
                parameters |= {f"{name}_time": place.occurred_at, f"{name}_seq": place.seq}
        return found


_BEGIN, _END = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 1, tzinfo=UTC)


def months_later(moment: datetime, months: int) -> datetime:
    """When the month began that is so many after that of `moment`; within the years that there are."""
    count = moment.year * 12 + moment.month - 1 + months
    if count < 12:
        return _BEGIN
    return _END if count > 9999 * 12 + 11 else datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC)


def shifted(moment: datetime, span: timedelta) -> datetime:
    """`moment + span`, or the first or last moment that there is."""
    try:
        return moment + span
    except OverflowError:
        return _BEGIN if span < timedelta() else _END
