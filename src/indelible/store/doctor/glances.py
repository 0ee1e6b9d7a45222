"""What must not be seen: by the wrong role, of another tenant, of another person."""

from collections.abc import Iterator

from indelible.store.doctor.act import CALLS, MINE, Act, callers
from indelible.store.session import Role

# ruff: noqa: S608 - no name in a statement comes from outside

__all__ = ["glances"]

_READING = "Reading what is not for the role"
_TENANTS = "Reading another tenant's rows"
_MEMBERS = "Reading another person's events"

_OTHER = "SET LOCAL indelible.tenant_id = {other}"
_ME = "SET LOCAL indelible.member_id = {person}"
_STRANGER = "SET LOCAL indelible.member_id = 'indelible:doctor:somebody else'"

_HOSTILE = ("'' OR true --", "%", "*")


def glances() -> Iterator[Act]:
    """For every role, and for the login itself."""
    yield from _reading()
    yield from _tenants()
    yield from _members()


def _reading() -> Iterator[Act]:
    def act(name: str, query: str, *but: Role) -> Act:
        return Act(_READING, name, (MINE, query), but=frozenset(but))

    yield act("entries", "SELECT entry FROM indelible.events WHERE tenant_id = {mine} LIMIT 1", "reader", "member")
    yield act(
        "disclosures", "SELECT actor, changes, context, metadata, targets FROM indelible.event_personal "
        "WHERE tenant_id = {mine} LIMIT 1", "reader",
    )  # fmt: skip
    yield act("search words", "SELECT search FROM indelible.event_personal WHERE tenant_id = {mine} LIMIT 1")
    for table in ("events_MONTH", "event_personal_MONTH"):
        yield act(f"{table} beside its table", f"SELECT * FROM indelible.{table} LIMIT 1")
    yield act("keys", "SELECT hash FROM indelible.keys LIMIT 1", "control")
    yield act("the installation's secret", "SELECT secret FROM indelible.installation", "control")
    yield act("passwords of PostgreSQL", "SELECT rolpassword FROM pg_authid LIMIT 1")
    for name, call in CALLS.items():
        yield act(f"{name}()", call, *callers(name))
    yield Act(
        _TENANTS,
        "with row security set off",
        ("SET LOCAL row_security = off", "SELECT id FROM indelible.events LIMIT 1"),
    )


def _tenants() -> Iterator[Act]:
    def act(name: str, role: Role, table: str, column: str, *setting: str, where: str = "") -> Act:
        query = f"SELECT {column} FROM indelible.{table}"
        allowed = (_OTHER, f"{query} WHERE tenant_id = {{other}} LIMIT 1")
        return Act(
            _TENANTS, name, (*setting, f"{query}{where} LIMIT 1"), "no rows", only=frozenset({role}), control=allowed
        )

    of_other = " WHERE tenant_id = {other}"
    readable: tuple[tuple[Role, str, str], ...] = (
        ("reader", "ledgers", "size"), ("reader", "events", "entry"), ("reader", "event_personal", "actor"),
        ("reader", "subtrees", "root"), ("writer", "ledgers", "head"), ("writer", "events", "leaf_hash"),
        ("writer", "event_personal", "fingerprint"), ("signer", "events", "leaf_hash"), ("signer", "subtrees", "root"),
    )  # fmt: skip
    for role, table, column in readable:
        yield act(f"{table}, no tenant set", role, table, column)
        yield act(f"{table}, another one set", role, table, column, MINE, where=of_other)
    for hostile in _HOSTILE:
        setting = f"SET LOCAL indelible.tenant_id = '{hostile}'"
        yield act(f"events, tenant {hostile!r}".replace("''", "'"), "reader", "events", "entry", setting)
    search = "SELECT seq FROM indelible.search('!indelibledoctor'::tsquery) LIMIT 1"
    yield Act(
        _TENANTS, "search, no tenant set", (search,), "no rows", only=frozenset({"reader"}), control=(MINE, search)
    )
    yield Act(
        _TENANTS, "move another one's ledger",
        (MINE, "UPDATE indelible.ledgers SET size = size + 1 WHERE tenant_id = {other}"), "no rows",
        only=frozenset({"writer"}),
    )  # fmt: skip


def _members() -> Iterator[Act]:
    member = frozenset[Role]({"member"})
    query = "SELECT entry FROM indelible.events WHERE tenant_id = {mine} LIMIT 1"
    own = (MINE, _ME, query)
    yield Act(_MEMBERS, "events, no person set", (MINE, query), "no rows", only=member, control=own)
    yield Act(_MEMBERS, "events, another person set", (MINE, _STRANGER, query), "no rows", only=member, control=own)
    yield Act(
        _MEMBERS, "events of another tenant", (MINE, _ME, query.replace("{mine}", "{other}")), "no rows", only=member,
        control=own,
    )  # fmt: skip
    yield Act(
        _MEMBERS, "events, no tenant set", (_ME, "SELECT entry FROM indelible.events LIMIT 1"), "no rows", only=member,
        control=own,
    )  # fmt: skip
    search = "SELECT seq FROM indelible.search_own('!indelibledoctor'::tsquery) LIMIT 1"
    yield Act(_MEMBERS, "search, no person set", (MINE, search), "no rows", only=member)
    yield Act(_MEMBERS, "search, another person set", (MINE, _STRANGER, search), "no rows", only=member)
    # Who knows where another's entry stands, still gets nothing of it.
    place = (
        "CREATE TEMPORARY TABLE place AS SELECT seq, recorded_at FROM indelible.events WHERE tenant_id = {mine} LIMIT 1"
    )
    shown = "SELECT d.* FROM pg_temp.place p, indelible.own_personal(p.seq, p.recorded_at) d"
    yield Act(_MEMBERS, "disclosures, another person set", (MINE, _ME, place, _STRANGER, shown), "no rows", only=member)
