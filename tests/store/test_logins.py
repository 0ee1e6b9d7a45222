"""Separate logins: each takes its own role and no other, and with five of them everything works."""

import secrets
from collections.abc import Callable, Iterator, Mapping

import psycopg
import pytest

from indelible.catalog import Catalog
from indelible.cli.database import as_environment, migrate_external
from indelible.ledger.signing import SigningKey
from indelible.settings import Settings
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.checkpoints import latest
from indelible.store.embedded import SERVICE_ROLE
from indelible.store.erase import DEFAULT_GROUPS, Order, Selection, erase, plan
from indelible.store.filter import Filter, Term
from indelible.store.finding import find
from indelible.store.intake import Intake
from indelible.store.keys import find_key, has_keys, save_bootstrap_key
from indelible.store.migrate import migrate, unapplied
from indelible.store.read import event
from indelible.store.session import Database as Connections
from indelible.store.session import LoginRole
from indelible.store.tenant_settings import save_settings
from indelible.store.tenants import ledgers, tenants
from indelible.store.verify import verify
from indelible.store.view import View
from indelible.worker.signer import Signer
from tests.conftest import Cluster
from tests.postgres import VERSIONS, missing
from tests.store.acting import EVENTS, PERSONAL, RUNTIME, refusal, run
from tests.store.samples import FULL, rows, send, take
from tests.store.separate import TAKES, Separate, separate_logins


@pytest.fixture(scope="module", params=list(VERSIONS), ids="postgresql{}".format)
def fresh(request: pytest.FixtureRequest, clusters: Callable[[int], Cluster]) -> Iterator[Separate]:
    """Not migrated for these logins yet."""
    if reason := missing(request.param):
        pytest.skip(reason)
    with separate_logins(clusters(request.param)) as found:
        yield found


@pytest.fixture
def separate(fresh: Separate) -> Separate:
    assert migrate(fresh.database.admin_url, service=fresh.names["service"], own=fresh.own) == []
    return fresh


def named(roles: Mapping[str, set[str]]) -> dict[str, set[str]]:
    return {login: {f"indelible_{role}" for role in its} for login, its in roles.items()}


# --- who takes what


def test_each_login_takes_its_own_role_and_no_other(separate: Separate) -> None:
    assert separate.taken() == named(TAKES)
    for login in separate.names:
        with psycopg.connect(separate.url(login)) as connection:
            for table in ("events", "event_personal", "keys", "ledgers"):
                assert refusal(connection, f"SELECT FROM indelible.{table}") == (
                    "permission denied for schema indelible"
                )


@pytest.mark.parametrize("login", list(TAKES))
@pytest.mark.parametrize("role", ["postgres", "indelible_owner", SERVICE_ROLE])
def test_no_login_becomes_another(separate: Separate, login: str, role: str) -> None:
    with psycopg.connect(separate.url(login)) as connection:
        assert "permission denied to set session authorization" in refusal(
            connection, f"SET SESSION AUTHORIZATION {role}"
        )
        assert refusal(connection, f"GRANT {role} TO {separate.names[login]}")


def test_what_the_service_had_before_is_taken_from_it(fresh: Separate) -> None:
    """Otherwise whoever sends statements by its login still reads, writes and erases."""
    admin, service = fresh.database.admin_url, fresh.names["service"]
    everything = {role.removeprefix("indelible_") for role in RUNTIME}
    migrate(admin, service=service)
    assert fresh.taken()["service"] == named({"all": everything})["all"]
    migrate(admin, service=service, own={"keeper": fresh.names["keeper"]})
    assert fresh.taken()["service"] == named({"all": everything - {"keeper"}})["all"]
    migrate(admin, service=service, own=fresh.own)
    assert fresh.taken() == named(TAKES)
    # And back again; those that are named no longer are left alone.
    migrate(admin, service=service)
    assert fresh.taken() == named({**TAKES, "service": everything})


def test_a_login_that_is_used_for_two_roles_takes_both(fresh: Separate) -> None:
    names = fresh.names
    migrate(fresh.database.admin_url, service=names["service"], own=fresh.own)
    both: dict[LoginRole, str] = {**fresh.own, "writer": names["control"], "signer": names["service"]}
    migrate(fresh.database.admin_url, service=names["service"], own=both)
    found = fresh.taken()
    assert found["control"] == named({"_": {"control", "writer"}})["_"]
    assert found["service"] == named({"_": {"signer"}})["_"]


def test_what_somebody_else_granted_is_taken_too(fresh: Separate) -> None:
    """A membership has a grantor: PostgreSQL takes back only what whoever revokes has granted, unless told whose."""
    admin, service = fresh.database.admin_url, fresh.names["service"]
    granter = f"granter_{secrets.token_hex(4)}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {granter} CREATEROLE".encode())
        connection.execute(f"GRANT indelible_reader TO {granter} WITH ADMIN OPTION".encode())
        try:
            connection.execute(f"SET ROLE {granter}; GRANT indelible_reader TO {service}; RESET ROLE".encode())
            assert "indelible_reader" in fresh.taken()["service"]
            migrate(admin, service=service, own=fresh.own)
            assert fresh.taken() == named(TAKES)
        finally:
            connection.execute(f"DROP OWNED BY {granter} CASCADE; DROP ROLE {granter}".encode())


# --- what each can do


WRITES = [
    f"INSERT INTO indelible.{EVENTS} (tenant_id) VALUES ('acme')",
    f"INSERT INTO indelible.{PERSONAL} (tenant_id) VALUES ('acme')",
    "INSERT INTO indelible.ledgers (tenant_id, origin) VALUES ('x', 'x')",
    "UPDATE indelible.ledgers SET size = size + 1",
    "INSERT INTO indelible.keys (name, hash, scopes) VALUES ('mine', sha256('mine'), '{events:read}')",
    "UPDATE indelible.keys SET revoked_at = NULL",
    "INSERT INTO indelible.tenant_settings (tenant_id, member_access) VALUES ('acme', true)",
    "DELETE FROM indelible.revoked_tokens",
    "INSERT INTO indelible.checkpoints VALUES ('acme', 1, 0, 'note')",
    "UPDATE indelible.event_personal SET actor = NULL",
    "SELECT indelible.ensure_month('2031-01-01')",
    "SELECT indelible.erase_disclosures(1, '{1}', '{actor}')",
    "SELECT indelible.move_heads('{acme}', '{1}', '{2}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
    "SELECT * FROM indelible.hold_heads('{acme}', '{x}', '{}', '{0}', '{now}', false)",
    "CREATE TABLE indelible.mine ()",
    "CREATE TABLE public.mine ()",
]


@pytest.mark.parametrize("role", ["", "indelible_reader", "indelible_member"])
def test_what_reads_cannot_write(separate: Separate, role: str) -> None:
    """Whatever statement slips into a read: its connection has no right to write anything."""
    with psycopg.connect(separate.url("reader")) as connection:
        if role:
            run(connection, f"SET ROLE {role}; SET indelible.tenant_id = 'acme'; SET indelible.member_id = 'usr_7'")
        for statement in WRITES:
            assert refusal(connection, statement).startswith("permission denied"), statement


@pytest.mark.parametrize("column", ["actor", "changes", "context", "metadata", "targets", "search"])
@pytest.mark.parametrize("login", ["writer", "control", "signer"])
def test_what_appends_and_signs_cannot_read_what_is_disclosed(separate: Separate, login: str, column: str) -> None:
    with psycopg.connect(separate.url(login)) as connection:
        run(connection, f"SET ROLE indelible_{login}; SET indelible.tenant_id = 'acme'")
        assert refusal(connection, f"SELECT {column} FROM indelible.event_personal").startswith("permission denied")
        assert refusal(connection, "SELECT entry FROM indelible.events").startswith("permission denied")


@pytest.mark.anyio
async def test_everything_works(separate: Separate, catalog: Catalog, intake: Intake) -> None:
    rules = Rules(catalog)
    async with Connections.open(separate.logins, size=4) as opened, Appender.open(opened, rules) as appender:
        assert len(opened.pools) == 6 - 1  # the service's own is used for nothing
        assert await unapplied(opened) == []
        receipts = await send(appender, *[take(intake, "acme", **FULL) for _ in range(3)])
        page = await find(opened, View("acme"), Filter(conditions=[Term(["sarah"])]), catalog)
        assert [record.seq for record in page.records] == [3, 2, 1]
        await save_settings(opened, "acme", member_access=True)
        mine = await find(opened, View("acme", member="usr_7"), Filter(), catalog)
        assert [record.seq for record in mine.records] == [3, 2, 1]
        assert (await find(opened, View("acme", member="usr_8"), Filter(), catalog)).records == []
        assert await event(opened, View("acme"), receipts[0].id) is not None

        await save_bootstrap_key(opened, "a key for the tests")
        assert await has_keys(opened)
        assert await find_key(opened, "a key for the tests") is not None
        assert await tenants(opened) == ["acme"]
        assert [ledger.size for ledger in await ledgers(opened)] == [4]

        signer = Signer(opened, rules, [SigningKey.generate()])
        assert (await signer.sign("acme")).size == 4
        signed = await latest(opened, "acme")
        assert signed is not None
        assert signed.size == 4

        selection = Selection("actor", "usr_7", DEFAULT_GROUPS["actor"])
        planned = await plan(opened, "acme", selection)
        assert planned is not None
        erased = await erase(opened, "acme", selection, Order("left"), rules, planned)
        assert (erased.events, erased.records) == (3, [4])
        found = await event(opened, View("acme"), receipts[0].id)
        assert found is not None
        assert found.event.actor.name is None
        report = await verify(opened, "acme")
        assert report is not None
        assert (report.proven, report.size) == (True, 5)
    used = "SELECT usename::text FROM pg_stat_activity WHERE datname = current_database()"
    assert separate.names["service"] not in {name for (name,) in rows(separate.database, used)}


# --- by the command


def test_the_command_grants_each_login_what_it_needs(fresh: Separate) -> None:
    """From the settings alone. A role that has no URL of its own stays with the service's login."""
    assert fresh.logins.url
    environment = {**as_environment(fresh.logins), "INDELIBLE_MIGRATION_URL": fresh.database.admin_url}
    assert environment.keys() > {"INDELIBLE_DATABASE_URL", "INDELIBLE_READER_URL", "INDELIBLE_KEEPER_URL"}
    assert migrate_external(Settings.from_env(environment), None) == []
    assert fresh.taken() == named(TAKES)
    del environment["INDELIBLE_SIGNER_URL"]
    migrate_external(Settings.from_env(environment), None)
    assert fresh.taken()["service"] == {"indelible_signer"}
