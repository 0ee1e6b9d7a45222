"""How the ledgers stand: what is counted, and who is said to wait for a signature and for how long."""

from collections.abc import Iterator

import pytest

from indelible.ledger.signing import SigningKey
from indelible.server.health import _check
from indelible.store.appender import Appender
from indelible.store.intake import Intake
from indelible.store.session import Database as Connections
from indelible.store.standing import Refused, Standing, standing
from tests.conftest import Cluster
from tests.postgres import Database
from tests.signed import sign
from tests.store.samples import as_superuser, rows, send, take

pytestmark = pytest.mark.anyio

KEY = SigningKey.generate()


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    """The test's own: all ledgers in it are counted."""
    clone = cluster.databases.clone(cluster.template)
    rows(clone, "SELECT indelible.ensure_month((now() - interval '1 day')::date)")  # for what is made older
    yield clone
    cluster.databases.drop(clone)


def age(database: Database, tenant: str, *, entries: str = "", ledger: str = "", checkpoints: str = "") -> None:
    """Makes the tenant's rows so many seconds older."""
    for table, column, seconds in (
        ("events", "recorded_at", entries),
        ("ledgers", "recorded_at", ledger),
        ("ledgers", "created_at", ledger),
        ("checkpoints", "signed_at", checkpoints),
    ):
        if seconds:
            as_superuser(
                database,
                f"UPDATE indelible.{table} SET {column} = {column} - interval '{seconds} s' "
                f"WHERE tenant_id = %(tenant)s",
                tenant=tenant,
            )


async def test_an_empty_database_has_nothing_and_nobody_signed(connections: Connections) -> None:
    assert await standing(connections) == Standing(0, 0, False, 0, 0, 0, ())


async def test_ledgers_and_entries_are_counted_and_what_is_signed_does_not_wait(
    database: Database, connections: Connections, appender: Appender, intake: Intake
) -> None:
    await send(appender, *[take(intake, tenant) for tenant in ("a", "b", "b")])
    for tenant in ("a", "b"):
        sign(database, tenant, KEY)
        age(database, tenant, entries="900", ledger="900", checkpoints="900")
    assert await standing(connections) == Standing(2, 5, True, 0, 0, 0, ())


async def test_a_ledger_that_was_never_signed_waits_since_it_was_opened(
    database: Database, connections: Connections, appender: Appender, intake: Intake
) -> None:
    """Also while it goes on growing."""
    await send(appender, take(intake, "a"), take(intake, "b"))
    found = await standing(connections)
    assert (found.waiting, found.is_signed) == (0, False)
    assert 0 < found.lag < 30
    as_superuser(
        database, "UPDATE indelible.ledgers SET created_at = created_at - interval '90 s' WHERE tenant_id = 'a'"
    )
    found = await standing(connections)
    assert found.waiting == 1
    assert 90 <= found.lag < 120


async def test_a_ledger_that_grows_while_nobody_signs_waits_since_its_first_unsigned_entry(
    database: Database, connections: Connections, appender: Appender, intake: Intake
) -> None:
    """Its last change is always new, and its checkpoint may be of long before that entry."""
    await send(appender, take(intake, "a"))
    sign(database, "a", KEY)
    age(database, "a", checkpoints="500")
    await send(appender, take(intake, "a"))
    found = await standing(connections)
    assert found.waiting == 0
    assert found.lag < 30
    age(database, "a", entries="100")
    await send(appender, take(intake, "a"))
    found = await standing(connections)
    assert found.waiting == 1
    assert 100 <= found.lag < 130


async def test_where_many_wait_the_longest_are_looked_at(
    database: Database, connections: Connections, appender: Appender, intake: Intake
) -> None:
    names = [f"t{number:02}" for number in range(14)]
    await send(appender, *[take(intake, tenant) for tenant in names])
    for number, tenant in enumerate(names):
        sign(database, tenant, KEY)
        age(database, tenant, checkpoints=f"{300 + number}")
    await send(appender, *[take(intake, tenant) for tenant in names])
    for tenant in names:
        age(database, tenant, entries="200")
    found = await standing(connections)
    assert found.waiting == 10  # at least
    assert 200 <= found.lag < 230
    for tenant in names:
        age(database, tenant, ledger="100")
    assert (await standing(connections)).waiting == 14


async def test_refused_ledgers_are_named_and_not_said_to_wait(
    database: Database, connections: Connections, appender: Appender, intake: Intake
) -> None:
    """By their origin: a tenant may be a customer's name."""
    await send(appender, *[take(intake, tenant) for tenant in "abcde"])
    for number, tenant in enumerate("abcd"):
        age(database, tenant, entries="900", ledger="900")
        as_superuser(
            database,
            "INSERT INTO indelible.refusals SELECT %(tenant)s, 'h/' || %(tenant)s, 'it shrank', "
            f"now() - interval '{number} s'",
            tenant=tenant,
        )
    found = await standing(connections)
    assert (found.waiting, found.refused) == (0, 4)
    assert found.lag < 30
    assert found.refusals == tuple(Refused(f"h/{tenant}", "it shrank") for tenant in "dcb")


async def test_a_ledger_that_is_smaller_than_what_was_signed_waits(
    database: Database, connections: Connections, appender: Appender, intake: Intake
) -> None:
    """Somebody put a checkpoint in that is larger than the ledger, and took the refusal away."""
    await send(appender, take(intake, "a"))
    sign(database, "a", KEY)
    as_superuser(database, "UPDATE indelible.checkpoints SET size = 50 WHERE tenant_id = 'a'")
    assert (await standing(connections)).waiting == 0
    age(database, "a", checkpoints="90")
    found = await standing(connections)
    assert found.waiting == 1
    assert 90 <= found.lag < 120


async def test_sizes_that_no_ledger_has_stop_nothing(
    database: Database, connections: Connections, appender: Appender, intake: Intake
) -> None:
    await send(appender, *[take(intake, tenant) for tenant in "abc"])
    for name, definition in rows(
        database,
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = 'indelible.ledgers'::regclass AND contype = 'c'",
    ):
        if "size" in str(definition):
            as_superuser(database, f"ALTER TABLE indelible.ledgers DROP CONSTRAINT {name}")
    as_superuser(database, "UPDATE indelible.ledgers SET size = 9223372036854775807 WHERE tenant_id < 'c'")
    assert (await standing(connections)).entries == 2 * (2**63 - 1) + 2
    assert (await _check(connections)).readiness.ready


async def test_a_database_that_refuses_to_say_is_unknown_and_no_failure(
    database: Database, connections: Connections
) -> None:
    """Whoever watches must hear of it, and get no error of the server's."""
    as_superuser(database, "ALTER TABLE indelible.refusals RENAME COLUMN reason TO why")
    found, known = await _check(connections)
    assert known is None
    assert found.ready, "events are stored all the same"
    assert found.checks["checkpoints"].startswith("unknown: PostgreSQL refuses to say how it stands (42703)")
    as_superuser(database, "ALTER TABLE indelible.migrations RENAME TO away")
    found, known = await _check(connections)
    assert (found.ready, known) == (False, None)
    as_superuser(database, "ALTER TABLE indelible.away RENAME TO migrations")


@pytest.mark.parametrize("time", ["infinity", "-infinity", "4000-01-01 00:00:00 BC", "20000-01-01"])
async def test_a_time_that_there_is_not_hides_nothing(
    database: Database, connections: Connections, appender: Appender, intake: Intake, time: str
) -> None:
    await send(appender, take(intake, "a"), take(intake, "b"))
    sign(database, "a", KEY)
    age(database, "a", checkpoints="100")
    await send(appender, take(intake, "a"))
    for table, column in (("ledgers", "recorded_at"), ("ledgers", "created_at"), ("checkpoints", "signed_at")):
        as_superuser(database, f"UPDATE indelible.{table} SET {column} = '{time}' WHERE tenant_id = 'a'")
    found = await standing(connections)
    assert (found.ledgers, found.entries) == (2, 5)
    assert found.lag >= 0
