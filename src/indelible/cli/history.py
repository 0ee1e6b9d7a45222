"""A generated history: 90 days of Northwind, a small customer's workspace, with one incident hidden in it.

`history` is a pure function of the day, the tenant, the length and the seed: the same arguments give the same events
with the same ids, so that sending them twice adds nothing. docs/guide-demo.md walks through finding the incident.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import chain
from random import Random
from typing import Any
from uuid import UUID

from indelible.cli import northwind
from indelible.cli.northwind import Details, Person, details
from indelible.event import Actor, Context, Event, Target

__all__ = ["history"]


def history(now: datetime, *, tenant: str = "northwind", days: int = 90, seed: int = 7) -> Iterator[Event]:
    """Some 5,000 events of the `days` days before `now`'s (in UTC), ordered by `occurred_at`.

    Anything older than 30 days needs the scope events:import when it is sent.
    """
    end = now.astimezone(UTC).date()
    author = _Author(tenant, end, seed)
    events = chain.from_iterable(author.day(end + timedelta(days=back)) for back in range(-days, 0))
    return iter(sorted(events, key=lambda event: (event.occurred_at, event.id)))


class _Author:
    """Writes the days of one tenant's history, each on its own."""

    def __init__(self, tenant: str, end: date, seed: int) -> None:
        self.tenant, self.end, self.seed = tenant, end, seed
        # A Thursday, 12 to 18 days back, so that the next morning is a working day.
        self.night = end - timedelta(days=12 + (end.weekday() - 3 - 12) % 7)
        self.script = [(_weekday(end + timedelta(days=moment.day)), moment) for moment in northwind.STORY]
        self.script += [(self.night + timedelta(days=moment.day), moment) for moment in northwind.INCIDENT]

    def day(self, day: date) -> Iterator[Event]:
        for on, moment in self.script:
            if on == day:
                at = datetime.combine(day, time.fromisoformat(moment.at), UTC)
                yield self.event(at, self.rng(at, moment.action), moment.actor, moment.action, moment.target,
                                 moment.context, source=moment.source, **moment.details)  # fmt: skip
        yield from self.nightly(day)
        if day.weekday() < 5 and (day.month, day.day) not in northwind.FREE_DAYS:
            for person in northwind.PEOPLE:
                rng = self.rng(day, person.id)
                if person.joined < (day - self.end).days < person.left and rng.random() < 0.93:
                    yield from self.workday(day, person, rng)

    def nightly(self, day: date) -> Iterator[Event]:
        """What happens without anybody."""
        rng = self.rng(day, "nightly")
        at = datetime.combine(day, time(3, 10, rng.randrange(60)), UTC)
        if day.weekday() < 5:
            yield self.event(
                at, rng, northwind.WEBSITE, "document.viewed", northwind.PRICE_LIST, northwind.SHOP, source="api"
            )
        if day.weekday() == 6:
            yield self.event(at, rng, northwind.BACKUP, "data.exported", None, northwind.NOWHERE, source="background",
                             **details(records=rng.randrange(90_000, 95_000), destination="backup vault"))  # fmt: skip

    def workday(self, day: date, person: Person, rng: Random) -> Iterator[Event]:
        """One session: signing in, work, and signing out or forgetting to."""
        if person in (northwind.TOMAS, northwind.MARCUS) and day == self.night + timedelta(days=1):
            return  # one is suspended, the other busy: see northwind.INCIDENT
        shares = (50, 42, 8) if person.zone in (0, 1) else (0, 85, 15)
        address = rng.choices((northwind.OFFICE, person.home, northwind.VPN), shares)[0]
        session = Context(address, person.agent, session_id=f"ses_{rng.getrandbits(32):08x}")
        opens = datetime.combine(day, time(8), UTC) + timedelta(hours=-person.zone, minutes=rng.uniform(0, 70))
        closes = opens + timedelta(hours=rng.uniform(7.4, 9))

        def does(at: datetime, action: str, target: Target | None = None, told: Details = northwind.PLAIN) -> Event:
            return self.event(at, rng, person.actor, action, target, session, source="ui", **told)

        if (day - self.end).days > northwind.SSO_FROM and (person != northwind.TOMAS or day > self.night):
            yield does(opens, "user.signed_in", None, details(method="sso", identity_provider="Keyhouse"))
        else:
            if rng.random() < 0.08:
                mistyped = details("failure", method="password", reason="wrong_password", attempts=1)
                yield does(opens - timedelta(seconds=rng.uniform(9, 40)), "user.sign_in_failed", None, mistyped)
            yield does(opens, "user.signed_in", None, details(method="password", mfa="passed"))
        work = [work for work in northwind.WORK if person.role in work.roles]
        for done in rng.choices(work, [w.weight for w in work], k=max(1, round(rng.gauss(person.pace, 2)))):
            at = opens + (closes - opens) * rng.uniform(0.01, 0.98)
            yield does(at, done.action, _thing(done.kind, rng), done.details(rng))
        if rng.random() < 0.7:
            yield does(closes, "user.signed_out")
        else:
            yield does(closes + timedelta(minutes=30), "session.expired", None, details(idle_seconds=1800))

    def rng(self, *of: object) -> Random:
        """The dice of one part of the history: other parts don't change them."""
        return Random(" ".join(map(str, (self.seed, *of))))  # noqa: S311

    def event(
        self, at: datetime, rng: Random, actor: Actor, action: str, target: Target | None, context: Context, **rest: Any
    ) -> Event:
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)
        id_ = round(at.timestamp() * 1000) << 80 | 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62)
        seen = Context(context.ip_address, context.user_agent, f"req_{rng.getrandbits(48):012x}", context.session_id)
        targets = [target] if target else []
        return Event(tenant_id=self.tenant, id=UUID(int=id_), occurred_at=at, actor=actor, action=action,
                     targets=targets, context=seen, **rest)  # fmt: skip


def _weekday(day: date) -> date:
    """`day`, or the Friday before it on a weekend."""
    return day - timedelta(days=max(0, day.weekday() - 4))


def _thing(kind: str, rng: Random) -> Target | None:
    """One of the tenant's things; the first ones are the busiest."""
    if names := northwind.THINGS.get(kind):
        index = int(rng.triangular(0, len(names), 0))
        return Target(kind, f"{kind[:3]}_{100 + index}", names[index])
    number = rng.randrange(1000, 9999)
    return Target(kind, f"{kind[:3]}_{number}", f"{kind.title()} {number}") if kind else None
