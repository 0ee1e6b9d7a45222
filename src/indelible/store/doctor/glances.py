"""What must not be seen: by the wrong role, of another tenant, of another person."""

from collections.abc import Iterator

from indelible.store.doctor.act import CALLS, MINE, OTHER, SAVE, Act, callers
from indelible.store.session import Role

# ruff: noqa: S608 - no name in a statement comes from outside

__all__ = ["glances"]

_READING = "Reading what is not for the role"
_TENANTS = "Reading another tenant's rows"
_MEMBERS = "Reading another person's events"

_ME = "SET LOCAL indelible.member_id = {person}"
_STRANGER = "SET LOCAL indelible.member_id = 'indelible:doctor:somebody else'"

# What begins the words of a tenant, as `word_prefix` has it, which nobody calls who is tried here.
_PREFIX = "left(translate(encode(sha256(convert_to({}, 'UTF8')), 'base64'), '+/', '-_'), 3)"

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
    yield act("search words", "SELECT search FROM indelible.event_personal WHERE tenant_id = {mine} LIMIT 1", "reader")
    yield act("the directory", "SELECT value FROM indelible.directory WHERE tenant_id = {mine} LIMIT 1", "reader")
    yield act("saved views", "SELECT query FROM indelible.saved_views WHERE tenant_id = {mine} LIMIT 1", "control")
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
        allowed = (OTHER, f"{query} WHERE tenant_id = {{other}} LIMIT 1")
        return Act(
            _TENANTS, name, (*setting, f"{query}{where} LIMIT 1"), "no rows", only=frozenset({role}), control=allowed
        )

    of_other = " WHERE tenant_id = {other}"
    readable: tuple[tuple[Role, str, str], ...] = (
        ("reader", "ledgers", "size"), ("reader", "events", "entry"), ("reader", "event_personal", "actor"),
        ("reader", "event_personal", "search"), ("reader", "directory", "value"),
        ("reader", "subtrees", "root"), ("writer", "ledgers", "head"), ("writer", "events", "leaf_hash"),
        ("writer", "event_personal", "fingerprint"), ("signer", "events", "leaf_hash"), ("signer", "subtrees", "root"),
    )  # fmt: skip
    for role, table, column in readable:
        name = "search words" if column == "search" else table
        yield act(f"{name}, no tenant set", role, table, column)
        yield act(f"{name}, another one set", role, table, column, MINE, where=of_other)
    views = f"SELECT query FROM indelible.saved_views{of_other}"
    for name, setting in (("no tenant set", "SET LOCAL indelible.tenant_id = ''"), ("another one set", MINE)):
        yield Act(
            _TENANTS, f"saved_views, {name}", (OTHER, SAVE, setting, views), "no rows", only=frozenset({"control"}),
            control=(OTHER, SAVE, views),
        )  # fmt: skip
    for hostile in _HOSTILE:
        setting = f"SET LOCAL indelible.tenant_id = '{hostile}'"
        yield act(f"events, tenant {hostile!r}".replace("''", "'"), "reader", "events", "entry", setting)
    mine, of_another = (_search("search", "''''||{}||''':*'", tenant) for tenant in ("{mine}", "{other}"))
    reader = frozenset[Role]({"reader"})
    yield Act(_TENANTS, "search, no tenant set", (mine,), "no rows", only=reader, control=(MINE, mine))
    yield Act(
        _TENANTS, "search, another one set", (MINE, of_another), "no rows", only=reader, control=(OTHER, of_another)
    )
    yield Act(
        _TENANTS, "move another one's ledger",
        (MINE, "UPDATE indelible.ledgers SET size = size + 1 WHERE tenant_id = {other}"), "no rows",
        only=frozenset({"writer"}),
    )  # fmt: skip


def _search(function: str, query: str, tenant: str) -> str:
    words = query.format(_PREFIX.format(tenant))
    return f"SELECT seq FROM indelible.{function}(({words})::tsquery, '-infinity', 'infinity', 1)"


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
    search = "SELECT seq FROM indelible.search_own(NULL, '-infinity', 'infinity', 1)"
    yield Act(_MEMBERS, "search, no person set", (MINE, search), "no rows", only=member)
    yield Act(_MEMBERS, "search, another person set", (MINE, _STRANGER, search), "no rows", only=member)
    for name, query, tenant in (
        ("for what lacks a word of no part", "'!'''||{}||'?doctor'''", "{mine}"),
        ("for what lacks another tenant's word", "'!'''||{}||'adoctor'''", "{other}"),
        ("for all words at once", "''''||{}||''':*'", "{mine}"),
    ):
        search = _search("search_own", query, tenant)
        yield Act(_MEMBERS, f"search {name}", (MINE, _ME, search), "no rows", only=member)
    # Who knows where another's entry stands, still gets nothing of it.
    place = (
        "CREATE TEMPORARY TABLE place AS SELECT seq, recorded_at FROM indelible.events WHERE tenant_id = {mine} LIMIT 1"
    )
    shown = "SELECT d.* FROM pg_temp.place p, indelible.own_personal(p.seq, p.recorded_at) d"
    yield Act(_MEMBERS, "disclosures, another person set", (MINE, _ME, place, _STRANGER, shown), "no rows", only=member)
