"""What the database itself holds of keys, revocations, settings and members, whoever writes the SQL."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.errors import CheckViolation

from indelible.store.appender import Appender
from indelible.store.intake import Intake
from indelible.store.session import Database as Connections
from tests.postgres import Database
from tests.store.acting import MINE, OTHER, acting, refusal, run
from tests.store.samples import EVER, examples, found_by, rows, send, take

CONTROL = "indelible_control"
KEY = (
    "INSERT INTO indelible.keys (name, hash, scopes, expires_at, revoked_at) VALUES ('k', sha256('k'), '{{}}', {}, {})"
)
NEVER_LONGER = "a key that was revoked stays so, and none lasts longer than it was made for"
REVOKE = "INSERT INTO indelible.revoked_tokens (tenant_id, kind, value, revoked_at) VALUES ('acme', 'token', 'x', {})"


@contextlib.contextmanager
def key(database: Database, role: str, expires: str = "NULL", revoked: str = "NULL") -> Iterator[psycopg.Connection]:
    """A transaction as `role`, with a key 'k' in it."""
    with acting(database, role) as connection:
        run(connection, KEY.format(expires, revoked))
        yield connection


# --- keys


@pytest.mark.parametrize("statement", ["DELETE FROM indelible.keys", "TRUNCATE indelible.keys"])
def test_a_key_is_never_deleted(filled: Database, statement: str) -> None:
    """Whose key it was stays on record. Nobody may, and not even a superuser can by mistake."""
    with key(filled, CONTROL) as connection:
        assert refusal(connection, statement) == "permission denied for table keys"
    with key(filled, "postgres") as connection:
        assert "on indelible.keys is refused" in refusal(connection, statement)


@pytest.mark.parametrize("role", [CONTROL, "postgres"])
@pytest.mark.parametrize("revoked_at", ["NULL", "now() + interval '1 hour'", "'-infinity'", "'infinity'"])
def test_a_revoked_key_stays_revoked(filled: Database, role: str, revoked_at: str) -> None:
    with key(filled, role, revoked="now()") as connection:
        assert refusal(connection, f"UPDATE indelible.keys SET revoked_at = {revoked_at} WHERE name = 'k'") == (
            NEVER_LONGER
        )
        assert refusal(connection, "UPDATE indelible.keys SET last_used_ip = 'x', revoked_at = revoked_at") == ""


def test_nothing_else_of_a_key_is_changed(filled: Database) -> None:
    with key(filled, CONTROL) as connection:
        for column in ("key_id", "name", "hash", "scopes", "tenant_id", "created_by", "created_at", "replaces"):
            assert refusal(connection, f"UPDATE indelible.keys SET {column} = {column}") == (
                "permission denied for table keys"
            )


SOON = datetime(2031, 1, 1, tzinfo=UTC)
ENDS = st.none() | st.integers(-3, 3).map(lambda hours: SOON + timedelta(hours=hours))


@given(first=ENDS, then=st.lists(ENDS, max_size=6))
@examples(30)
def test_a_key_never_lasts_longer(filled: Database, first: datetime | None, then: list[datetime | None]) -> None:
    lasts = first
    with key(filled, CONTROL) as connection:
        run(connection, "UPDATE indelible.keys SET expires_at = %s WHERE name = 'k'", first)
        for end in then:
            change = "UPDATE indelible.keys SET expires_at = {} WHERE name = 'k'".format(f"'{end}'" if end else "NULL")
            shorter = lasts is None or (end is not None and end <= lasts)
            assert refusal(connection, change) == ("" if shorter else NEVER_LONGER)
            if shorter:
                run(connection, change)
                lasts = end
        assert run(connection, "SELECT expires_at FROM indelible.keys WHERE name = 'k'") == [(lasts,)]


# --- the epoch

EPOCH = "SELECT epoch FROM indelible.installation"
SETTINGS = "INSERT INTO indelible.tenant_settings (tenant_id) VALUES ('acme')"
BUMPS = {
    "revoking a key": "UPDATE indelible.keys SET revoked_at = now() WHERE name = 'k'",
    "ending a key": "UPDATE indelible.keys SET expires_at = now() WHERE name = 'k'",
    "new settings": SETTINGS,
    "changed settings": f"{SETTINGS}; UPDATE indelible.tenant_settings SET member_access = true",
    "settings at once": f"{SETTINGS} ON CONFLICT (tenant_id) DO UPDATE SET member_access = true",
    "a revoked token": REVOKE.format("now()"),
    "a token revoked again": f"{REVOKE.format('now()')}; UPDATE indelible.revoked_tokens SET revoked_at = now()",
}
BUMPS_OF_A_SUPERUSER = {
    "scopes": "UPDATE indelible.keys SET scopes = '{export}' WHERE name = 'k'",
    "the tenant of a key": "UPDATE indelible.keys SET tenant_id = 'acme' WHERE name = 'k'",
    "the hash of a key": "UPDATE indelible.keys SET hash = sha256('other') WHERE name = 'k'",
    "no settings": f"{SETTINGS}; DELETE FROM indelible.tenant_settings",
    "no settings of anybody": f"{SETTINGS}; TRUNCATE indelible.tenant_settings",
    "no revoked tokens": f"{REVOKE.format('now()')}; DELETE FROM indelible.revoked_tokens",
    "none at all": f"{REVOKE.format('now()')}; TRUNCATE indelible.revoked_tokens",
}


def moved(connection: psycopg.Connection, statements: str) -> bool:
    """Whether the last of `statements` moves the epoch on."""
    *first, last = statements.split("; ")
    for statement in first:
        run(connection, statement)
    ((before,),) = run(connection, EPOCH)
    run(connection, last)
    ((after,),) = run(connection, EPOCH)
    return bool(after > before)


@pytest.mark.parametrize("what", BUMPS)
@pytest.mark.parametrize("role", [CONTROL, "postgres"])
def test_what_processes_remember_has_an_epoch(filled: Database, role: str, what: str) -> None:
    """So an operator who revokes by plain SQL is heard by every process as well."""
    with key(filled, role) as connection:
        assert moved(connection, BUMPS[what])


@pytest.mark.parametrize("what", BUMPS_OF_A_SUPERUSER)
def test_a_superusers_changes_are_heard_too(filled: Database, what: str) -> None:
    with key(filled, "postgres") as connection:
        assert moved(connection, BUMPS_OF_A_SUPERUSER[what])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE indelible.keys SET last_used_at = now(), last_used_ip = '203.0.113.7' WHERE name = 'k'",
        "INSERT INTO indelible.keys (name, hash, scopes) VALUES ('l', sha256('l'), '{}')",
        "INSERT INTO indelible.usage VALUES ('key:1', now(), 1) ON CONFLICT (subject, period) DO UPDATE SET used = 2",
        "DELETE FROM indelible.usage",
    ],
)
def test_what_nobody_remembers_moves_no_epoch(filled: Database, statement: str) -> None:
    """Otherwise each use of a key would have every process ask anew."""
    with key(filled, CONTROL) as connection:
        assert not moved(connection, statement)


def test_the_epoch_is_nobodys_to_set(filled: Database) -> None:
    """By setting it back, an old state would be believed again."""
    with acting(filled, CONTROL) as connection:
        for statement in ("SET epoch = 0", "SET secret = sha256('x')"):
            assert refusal(connection, f"UPDATE indelible.installation {statement}") == (
                "permission denied for table installation"
            )
        assert run(connection, "SELECT count(*), min(octet_length(secret)) FROM indelible.installation") == [(1, 32)]


def test_a_rolled_back_change_is_none(filled: Database) -> None:
    before = rows(filled, EPOCH)
    with key(filled, CONTROL) as connection:
        assert moved(connection, BUMPS["revoking a key"])
    assert rows(filled, EPOCH) == before


# --- tokens, settings, usage


@pytest.mark.parametrize(
    ("ago", "left"), [("0 s", 1), ("23 hours 59 minutes", 1), ("24 hours 1 minute", 0), ("-1 day", 1)]
)
def test_a_revocation_is_forgotten_after_a_day_and_no_earlier(filled: Database, ago: str, left: int) -> None:
    with acting(filled, CONTROL) as connection:
        run(connection, REVOKE.format(f"now() - interval '{ago}'"))
        run(connection, "DELETE FROM indelible.revoked_tokens")
        assert run(connection, "SELECT count(*) FROM indelible.revoked_tokens") == [(left,)]


@pytest.mark.parametrize("role", [CONTROL, "postgres"])
def test_a_revocation_is_not_dated_back(filled: Database, role: str) -> None:
    """Tokens that were issued before it would be good again; and it could be forgotten at once."""
    again = "ON CONFLICT (tenant_id, kind, value) DO UPDATE SET revoked_at = EXCLUDED.revoked_at"
    with acting(filled, role) as connection:
        run(connection, REVOKE.format("'2031-01-01Z'"))
        for earlier in ("'2030-12-31Z'", "'-infinity'"):
            run(connection, f"UPDATE indelible.revoked_tokens SET revoked_at = {earlier}")
            run(connection, f"{REVOKE.format(earlier)} {again}")
        assert run(connection, "SELECT revoked_at FROM indelible.revoked_tokens") == [(SOON,)]
        later = "'2031-01-02Z'"
        run(connection, f"{REVOKE.format(later)} {again}")
        assert run(connection, "SELECT revoked_at FROM indelible.revoked_tokens") == [(SOON + timedelta(days=1),)]


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("revoked_tokens (tenant_id, kind, value)", "'acme', 'everybody', 'x'"),
        ("revoked_tokens (tenant_id, kind, value)", "'acme', 'tenant', 'x'"),
        ("revoked_tokens (tenant_id, kind, value)", "'acme', 'token', ''"),
        ("tenant_settings (tenant_id, member_sees)", "'acme', '{changes,everything}'"),
        ("installation (single)", "false"),
    ],
)
def test_what_means_nothing_is_not_stored(filled: Database, table: str, values: str) -> None:
    with acting(filled, "postgres") as connection, pytest.raises(CheckViolation):
        run(connection, f"INSERT INTO indelible.{table} VALUES ({values})")


def test_members_may_nothing_until_somebody_says_so(filled: Database) -> None:
    with acting(filled, CONTROL) as connection:
        run(connection, SETTINGS)
        assert run(connection, "SELECT member_access, member_sees FROM indelible.tenant_settings") == [
            (False, ["changes", "request_id", "session_id"])
        ]


def test_only_the_usage_is_not_logged(filled: Database) -> None:
    """It is written at each request, and losing it costs nothing; of the rest nothing may be lost."""
    query = "SELECT relname::text FROM pg_class WHERE relnamespace = 'indelible'::regnamespace AND relkind = 'r'"
    assert rows(filled, f"{query} AND relpersistence <> 'p'") == [("usage",)]


# --- members

PERSON = {"type": "user", "id": "usr_1", "name": "Alex Roman"}
SYSTEM = {"type": "system"}
SOMEBODY = {"type": "user", "id": "usr_2"}
THEIRS: list[dict[str, Any]] = [
    {"actor": PERSON},
    {"actor": SYSTEM, "targets": [PERSON]},
    {"actor": SYSTEM, "targets": [{"type": "file", "id": "f"}, PERSON]},
    {"actor": SOMEBODY, "targets": [SOMEBODY, SOMEBODY, PERSON]},
]
NOT_THEIRS: list[dict[str, Any]] = [
    {"actor": SOMEBODY},
    {"actor": {"type": "api_key", "id": "usr_1"}},
    {"actor": SYSTEM, "targets": [{"type": "file", "id": "usr_1"}]},
    {"actor": SYSTEM, "targets": [SOMEBODY, {"type": "file", "id": "usr_1"}]},
    {"actor": SYSTEM, "targets": [SOMEBODY, {"type": "user", "name": "usr_1"}]},
    {"actor": {**SOMEBODY, "impersonator": {"id": "usr_1"}}},
]


@pytest.mark.anyio
async def test_a_member_sees_the_events_of_one_person_of_one_tenant(
    filled: Database, connections: Connections, appender: Appender, intake: Intake, tenants: list[str]
) -> None:
    tenant, other, _ = tenants
    mine = [r.seq for r in await send(appender, *[take(intake, tenant, **event) for event in THEIRS])]
    await send(appender, *[take(intake, tenant, **event) for event in NOT_THEIRS])
    await send(appender, *[take(intake, other, **event) for event in THEIRS])
    query = "SELECT tenant_id, seq FROM indelible.events ORDER BY seq"
    for set_, seen in (
        ((tenant, "usr_1"), [(tenant, seq) for seq in mine]),
        ((tenant, ""), []),
        (("", "usr_1"), []),
        (("", ""), []),
        ((tenant, "usr_3"), []),
    ):
        with acting(filled, "indelible_member", *set_) as connection:
            assert run(connection, query) == seen
            assert run(connection, f"SELECT 1 FROM ({query}) _ WHERE tenant_id = %s", other) == []
            for table in ("event_personal", "ledgers", "keys", "tenant_settings", "usage"):
                assert refusal(connection, f"SELECT FROM indelible.{table}").startswith("permission denied")
    async with connections.transaction("member", tenant, member="usr_1") as acting_as:
        assert await (await acting_as.execute(query.encode())).fetchall() == [(tenant, seq) for seq in mine]
    async with connections.transaction("member", tenant) as acting_as:
        assert await (await acting_as.execute(query.encode())).fetchall() == []


@pytest.mark.parametrize("role", ["indelible_reader", "indelible_writer"])
def test_the_member_that_is_set_matters_to_members_alone(filled: Database, role: str) -> None:
    with acting(filled, role, MINE, "nobody") as connection:
        assert run(connection, "SELECT count(*) FROM indelible.events") == [(4,)]


@pytest.mark.parametrize(("tenant", "member"), [("", "usr_7"), (MINE, ""), (OTHER, "nobody"), ("", "")])
def test_the_functions_for_members_give_nothing_of_others(filled: Database, tenant: str, member: str) -> None:
    """They run as roles that see more; what they give is of the member and the tenant that are set."""
    with acting(filled, "postgres") as connection:
        run(
            connection,
            "INSERT INTO indelible.tenant_settings (tenant_id, member_access) "
            "SELECT tenant_id, true FROM indelible.ledgers",
        )
        places = run(connection, "SELECT seq, recorded_at FROM indelible.events")
        run(connection, "SET LOCAL ROLE indelible_member")

        def given() -> int:
            found = run(connection, f"SELECT 1 FROM indelible.search_own(%s, {EVER})", found_by(MINE, "a", "sarah"))
            return len(found) + sum(
                len(run(connection, "SELECT 1 FROM indelible.own_personal(%s, %s)", *place)) for place in places
            )

        run(connection, f"SET LOCAL indelible.tenant_id = '{tenant}'; SET LOCAL indelible.member_id = '{member}'")
        assert given() == 0
        run(connection, f"SET LOCAL indelible.tenant_id = '{MINE}'; SET LOCAL indelible.member_id = 'usr_7'")
        assert given() == 6
