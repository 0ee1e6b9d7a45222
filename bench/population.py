"""Believable customers and what happened at them over years: the same for the same seed, apart from the time.

One tenant, `BIG`, is large; the others' sizes follow Zipf's law, as do in each tenant the people, what they do, and the
documents, projects and so on that they do it to. Sessions are runs of events of one person from one address. A few
things are rare, for those who look for them; they are constants here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from operator import itemgetter
from typing import Any, Final, NamedTuple
from uuid import UUID

from indelible.catalog import Catalog
from indelible.event import Actor, Change, Context, Event, Impersonator, Outcome, Source, Target
from payloads import AGENTS, FIRST, LAST, ROLES

__all__ = ["BIG", "NEWEST", "RARE_ACTOR", "RARE_ACTOR_EVENTS", "RARE_DOCUMENT", "RARE_DOCUMENT_EVENTS", "RARE_WORD",
           "RARE_WORD_EVENTS", "Moment", "Population", "Tenant"]  # fmt: skip

BIG: Final = "big"
RARE_WORD: Final = "zanzibar"
RARE_WORD_EVENTS: Final = 20
"""Of `BIG`, in the metadata, spread over all the time."""
RARE_DOCUMENT: Final = "doc_rare"
RARE_DOCUMENT_EVENTS: Final = 60
RARE_ACTOR: Final = "usr_rare"
RARE_ACTOR_EVENTS: Final = 5
NEWEST: Final = 10
"""How many of `BIG`'s events are `Population.newest`."""

Moment = tuple[datetime, Event]
"""When it is recorded, and what."""

Make = Callable[[random.Random], Any]

COUNTRIES = "DE US GB FR NL SE PL ES IT CH AT DK NO FI BE PT IE CZ CA BR IN JP AU SG ZA MX KR IL AE NZ".split()
NOUNS = "Budget Roadmap Payroll Contract Forecast Handbook Invoice Minutes Offer Plan Proposal Report Review".split()
ABOUT = "Apollo Atlas Beacon Cedar Delta Ember Falcon Harbor Indigo Juniper Kestrel Lumen Meridian Nova Orion".split()
REASONS = ("asked for by the customer", "quarterly access review", "left the company", "moved to another team",
           "no longer used", "incident follow-up", "requested by legal", "policy")  # fmt: skip
PREFIX = {"document": "doc", "project": "prj", "group": "grp", "api_key": "key", "integration": "int", "user": "usr"}
KNOWN: Mapping[str, Sequence[object]] = {
    "role": ROLES, "default_role": ROLES, "reason": REASONS, "plan": ("free", "pro", "enterprise"),
    "classification": ("public", "internal", "confidential"), "format": ("csv", "json", "pdf", "xlsx"),
    "resource_type": ("contacts", "invoices", "deals", "tickets"), "identity_provider": ("okta", "entra", "google"),
    "days": (30, 90, 365, 730), "owner": tuple(f"usr_{n}" for n in range(50)), "name": ABOUT, "status": NOUNS,
    "city": ("Bern", "Basel", "Lyon", "Turin", "Graz"), "department": ("Sales", "Support", "Finance", "Legal"),
}  # fmt: skip

EVERYDAY: Mapping[str, float] = {
    "document.viewed": 30, "user.signed_out": 6, "record.changed": 14, "data.exported": 4, "link.created": 4,
    "document.shared_externally": 3, "user.role_changed": 2, "record.deleted": 2, "access.requested": 2,
    "user.invited": 1.5, "plan.upgraded": 0.3, "plan.downgraded": 0.2,
}  # fmt: skip
"""How often, against the others, whose share falls from 1 on."""

UNREGISTERED = ("comment.posted", "report.scheduled", "invoice.sent", "ticket.escalated", "deal.won", "form.submitted",
                "board.archived", "shipment.dispatched", "automation.ran", "dashboard.pinned")  # fmt: skip


class _Action(NamedTuple):
    name: str
    target: str | None
    metadata: Sequence[tuple[str, Make]]
    changes: Sequence[tuple[str, Make]]


class _Actions:
    """The catalog's actions and some that it does not know, by outcome."""

    def __init__(self, catalog: Catalog) -> None:
        self._of: dict[Outcome, list[_Action]] = {"success": [], "failure": [], "denied": []}
        for name, spec in catalog.actions.items():
            if not name.startswith(("ledger.", "audit_log.")):
                fields = {key: _make(key, field.type, field.values) for key, field in spec.metadata.items()}
                if spec.category == "data" or name.startswith(("plan.", "billing.")):
                    key = "file_name" if spec.category == "data" else "amount"
                    fields[key] = _make(key, "", ())
                changes = {key: _make(key, "", ()) for key in spec.example.get("changes", {})}
                changes |= {key: _make(key, field.type, field.values) for key, field in spec.changes.items()}
                (target, *_) = spec.example.get("targets", [{"type": None}])
                self._of[spec.outcome].append(_Action(name, target["type"], [*fields.items()], [*changes.items()]))
        named = {action.name: action for action in self._of["success"]}
        self.sign_in, self.viewing = named.pop("user.signed_in"), named["document.viewed"]
        own = [(key, _make(key, "", ())) for key in ("amount", "file_name")]
        self._of["success"] = [*named.values(), *(_Action(n, n.partition(".")[0], own, ()) for n in UNREGISTERED)]
        self._weights = {
            outcome: [*accumulate(EVERYDAY.get(a.name, 1 / (1 + n % 12)) for n, a in enumerate(actions))]
            for outcome, actions in self._of.items()
        }

    def pick(self, rng: random.Random, outcome: Outcome) -> _Action:
        """Half of what failed or was denied are actions that say so by themselves."""
        which: Outcome = outcome if rng.random() < 0.5 else "success"
        return rng.choices(self._of[which], cum_weights=self._weights[which])[0]


def _make(key: str, kind: str, values: Sequence[str]) -> Make:
    """What makes up values of a field."""
    if some := values or KNOWN.get(key):
        return lambda rng: some[int(rng.random() * len(some))]
    match key, kind:
        case "file_name", _:
            return lambda rng: f"{NOUNS[int(rng.random() * len(NOUNS))]}-{int(rng.random() * 10_000)}.pdf".lower()
        case "recipients", _:
            return lambda rng: [f"{FIRST[int(rng.random() * len(FIRST))]}@partner.example".lower()]
        case ("amount", _) | (_, "integer" | "number"):
            return lambda rng: int(10_000 ** rng.random())
        case _, "boolean":
            return lambda rng: rng.random() < 0.5
        case _, "timestamp":
            return lambda rng: f"2027-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"
        case _, "list":
            return lambda rng: [f"{ABOUT[int(rng.random() * len(ABOUT))].lower()}:{end}" for end in ("read", "write")]
        case _:
            return lambda rng: f"{ABOUT[int(rng.random() * len(ABOUT))].lower()}-{int(rng.random() * 1000)}"


def _change(make: Make, rng: random.Random) -> Change:
    before = after = make(rng)
    while after == before:
        after = make(rng)
    return Change(before, after)


class _Session(NamedTuple):
    actor: Actor
    source: Source
    ip_address: str
    user_agent: str
    id: str | None
    country: str


class Tenant:
    """A customer, with the state of what is made up of it."""

    def __init__(self, number: int, tenant_id: str, events: int, seed: object, *, rare: bool = False) -> None:
        self.id = tenant_id
        self.events = events
        self._number = number
        self._rng = random.Random(f"{seed}/{tenant_id}")
        self._people = 4 + int(2 * events**0.5)
        self._made = 0
        self._word = _spread(RARE_WORD_EVENTS, events, 0.5) if rare else frozenset()
        self._document = _spread(RARE_DOCUMENT_EVENTS, events, 0.2) if rare else frozenset()
        self._actor = _spread(RARE_ACTOR_EVENTS, events, 0.7) if rare else frozenset()

    def plan(self, start: datetime, end: datetime, count: int) -> Iterator[_Plan]:
        """`count` events from `start` until before `end`, but for what is in them."""
        rng, span = self._rng, (end - start).total_seconds()
        while count > 0:
            length = min(count, rng.randrange(3, 41) if rng.random() < 0.3 else rng.randrange(3, 12))
            count -= length
            at, session = self._begin(rng, start, span), self._session(rng)
            for n in range(length):
                yield min(start + timedelta(seconds=at), end - timedelta(microseconds=1)), self, session, n == 0
                at += rng.expovariate(1 / 40)

    def event(self, recorded_at: datetime, session: _Session, actions: _Actions, *, first: bool) -> Event:
        rng, made = self._rng, self._made
        self._made += 1
        chance = rng.random()
        outcome: Outcome = "success" if chance < 0.93 else "failure" if chance < 0.98 else "denied"
        person = session.actor.type == "user"
        action = actions.sign_in if first and person else actions.pick(rng, outcome)
        actor, metadata = session.actor, {k: make(rng) for k, make in action.metadata if rng.random() < 0.7}
        if action is actions.sign_in:
            metadata["country"] = session.country
        if rng.random() < 0.25:
            metadata["ticket"] = str(int(rng.random() * 100_000))
        targets = [self._target(rng, action.target)] if action.target else []
        if made in self._word:
            metadata["note"] = f"{RARE_WORD} office"
        if made in self._actor:
            actor = Actor("user", RARE_ACTOR, "Quentin Rarely", "quentin.rarely@big.example")
        if made in self._document:
            action, outcome, targets = actions.viewing, "success", [Target("document", RARE_DOCUMENT, "The rare one")]
        elif targets and rng.random() < 0.2:
            kinds = ("user", action.target)
            targets += [self._target(rng, kinds[rng.random() < 0.5]) for _ in range(rng.randrange(1, 4))]
        return Event(
            id=_uuid7(recorded_at, rng),
            tenant_id=self.id,
            action=action.name,
            occurred_at=_occurred(recorded_at, rng),
            actor=actor,
            targets=targets,
            changes={key: _change(make, rng) for key, make in action.changes},
            outcome=outcome,
            source=session.source,
            context=Context(session.ip_address, session.user_agent, f"req_{rng.getrandbits(80):020x}", session.id),
            metadata=metadata,
        )

    def _begin(self, rng: random.Random, start: datetime, span: float) -> float:
        """Seconds after `start`: by day, and rarely at weekends, where there is the time to choose."""
        while True:
            at = rng.random() * span
            when = start + timedelta(seconds=at)
            if span < 3 * 86400 or rng.random() < (0.2 if when.weekday() > 4 else 1) * (
                1 if 7 <= when.hour < 19 else 0.2
            ):
                return at

    def _session(self, rng: random.Random) -> _Session:
        kind, number = rng.random(), _zipf(rng, self._people)
        home = self._number * 7919 + number * 104_729
        address = f"198.{18 + home % 2}.{home // 2 % 256}.{home // 512 % 256}"
        country, agent = COUNTRIES[home % 97 % len(COUNTRIES)], AGENTS[home % len(AGENTS)]
        if kind < 0.04:
            actor = Actor("system", f"job_{number % 7}")
            return _Session(actor, "background", "127.0.0.1", "scheduler/3.2", None, country)
        if kind < 0.12:
            key = number % 12
            actor = Actor("api_key", f"key_{key}", f"{ABOUT[key]} sync")
            return _Session(actor, "api", address, "python-requests/2.32", None, country)
        actor = Actor("user", f"usr_{number}", *self._person(number))
        source: Source = "ui" if kind < 0.9 else "api"
        if kind > 0.995:
            first, last, ticket = rng.choice(FIRST), rng.choice(LAST), int(rng.random() * 100_000)
            email = f"{first}.{last}@vendor.example".lower()
            actor.impersonator = Impersonator(f"sup_{first}".lower(), f"{first} {last}", email, f"ticket {ticket}")
            source = "admin_panel"
        return _Session(actor, source, address, agent, f"ses_{rng.getrandbits(64):016x}", country)

    def _person(self, number: int) -> tuple[str, str]:
        first, last = FIRST[number % len(FIRST)], LAST[(number // len(FIRST) + self._number) % len(LAST)]
        return f"{first} {last}", f"{first}.{last}{number}@{self.id}.example".lower()

    def _target(self, rng: random.Random, kind: str | None) -> Target:
        if kind == "user":
            number = _zipf(rng, self._people)
            return Target("user", f"usr_{number}", self._person(number)[0])
        # Most are documents and records; of all else there are fewer.
        number = _zipf(rng, max(5, self.events // (30 if kind in {"document", "deal"} else 1000)))
        name = f"{ABOUT[number % len(ABOUT)]} {NOUNS[number // 3 % len(NOUNS)]} {number}"
        return Target(str(kind), f"{PREFIX.get(str(kind), kind)}_{number}", name)


_Plan = tuple[datetime, Tenant, _Session, bool]
"""When, at whom, in which session, and whether that begins with it."""


class Population:
    """`events` events, `big` of which are `BIG`'s and the others' those of `tenants` more, recorded from `since` on.

    `rare` plants the rare things.
    """

    def __init__(
        self, *, events: int, big: int, tenants: int, since: datetime, until: datetime, seed: object, rare: bool = True
    ) -> None:
        self._actions = _Actions(Catalog.load())
        self._since, self._span = since, until - since
        weights = [*accumulate(1 / n for n in range(1, tenants + 1))]
        ends = [0, *(round((events - big) * weight / weights[-1]) for weight in weights)]
        self.big = Tenant(0, BIG, big, seed, rare=rare)
        others = (Tenant(n, f"customer-{n:04}", ends[n] - ends[n - 1], seed) for n in range(1, tenants + 1))
        self.tenants = [self.big, *(tenant for tenant in others if tenant.events)]

    def between(self, start: datetime, end: datetime, tenants: Sequence[Tenant]) -> Iterator[Moment]:
        """Those of `tenants`, in the order of recording. Ask for one time after the other, of months at most."""
        plans: list[_Plan] = []
        for tenant in tenants:
            count = tenant.events - (NEWEST if tenant is self.big else 0)
            before, after = (int(count * ((at - self._since) / self._span)) for at in (start, end))
            plans += tenant.plan(start, end, after - before)
        return self._events(plans)

    def newest(self, now: datetime) -> list[Moment]:
        """The last `NEWEST` of `BIG`, of the seconds before `now`."""
        plans = self.big.plan(now - timedelta(seconds=10), now, NEWEST)
        return [*self._events(plans)]

    def _events(self, plans: Iterable[_Plan]) -> Iterator[Moment]:
        for at, tenant, session, first in sorted(plans, key=itemgetter(0)):
            yield at, tenant.event(at, session, self._actions, first=first)


def _zipf(rng: random.Random, count: int) -> int:
    """From 0 to `count` - 1, each about 1 / (n + 1) as often as the first."""
    return min(int((count + 1) ** rng.random()), count) - 1


def _spread(count: int, over: int, start: float) -> frozenset[int]:
    return frozenset(int((n + start) * (over - NEWEST) / count) for n in range(count))


def _occurred(recorded_at: datetime, rng: random.Random) -> datetime:
    chance = rng.random()
    if chance < 0.002:
        late = 86400 * rng.uniform(30, 150)
    else:
        late = 60 * 7200 ** rng.random() if chance < 0.04 else 0.002 + 0.5 * rng.random()
    at = recorded_at - timedelta(seconds=late)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def _uuid7(at: datetime, rng: random.Random) -> UUID:
    chance = rng.getrandbits(74)
    return UUID(
        int=(at - _EPOCH) // _MILLISECOND << 80 | 7 << 76 | chance >> 62 << 64 | 2 << 62 | chance & (1 << 62) - 1
    )
