"""Behind PgBouncer in transaction mode: three server connections, dozens of clients of two tenants, trouble among them.

No row may come to another tenant or member, and nothing that was set may stay on a connection.
"""

import asyncio
import contextlib
import io
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import anyio
import psycopg
import pytest

from indelible.catalog import Catalog
from indelible.export.evidence import Scope, export_evidence
from indelible.ledger.signing import SigningKey
from indelible.store import session
from indelible.store.append import Receipt, Rules
from indelible.store.appender import Appender
from indelible.store.checkpoints import at_least, latest, request
from indelible.store.embedded import SERVICE_ROLE
from indelible.store.erase import Order, Selection, erase, plan
from indelible.store.errors import StoreUnavailable, TooSlow
from indelible.store.filter import Filter, Term
from indelible.store.finding import find
from indelible.store.intake import Intake
from indelible.store.migrate import migrate, migrations
from indelible.store.read import event
from indelible.store.sealing import Record
from indelible.store.session import Connection, Logins, Pool, Role
from indelible.store.session import Database as Connections
from indelible.store.verify import verify
from indelible.store.view import View
from indelible.worker.signer import Signer
from tests.conftest import Cluster
from tests.pgbouncer import Pooler, missing, pooler
from tests.store.samples import rows, take
from tests.worker.signing import until

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(missing() is not None, reason=missing() or "")]

TENANTS = ("acme", "globex")
MEMBERS = ("usr_1", "usr_2")
"""The same ids in both: what is told apart by the member alone would show."""

SECONDS = 3.0


@pytest.fixture
def behind(cluster: Cluster) -> Iterator[Pooler]:
    """A migrated database of the test's own, and PgBouncer in front of it."""
    clone = cluster.databases.clone(cluster.template)
    with pooler(clone) as running:
        yield running
    cluster.databases.drop(clone)


@dataclass
class Load:
    """Two tenants' worth of everything that is done with a database."""

    opened: Connections
    hasty: Connections
    """The same, where a statement may take 30 ms."""
    behind: Pooler
    appender: Appender
    rules: Rules
    intake: Intake
    known: dict[str, list[Receipt]] = field(default_factory=lambda: {tenant: [] for tenant in TENANTS})
    crossed: list[str] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)

    async def append(self, tenant: str, member: str) -> None:
        prepared = [
            take(
                self.intake,
                tenant,
                actor={"type": "user", "id": member, "name": f"{member} of {tenant}"},
                metadata={"tenant": tenant},
            )
            for _ in range(random.randint(1, 3))
        ]
        for answer in await self.appender.append(prepared):
            if isinstance(answer, Receipt):
                self.known[tenant].append(answer)

    async def read(self, tenant: str, member: str) -> None:
        for view in (View(tenant), View(tenant, member=member)):
            page = await find(
                self.opened,
                view,
                Filter(conditions=[Term(["of"])] if random.random() < 0.3 else []),
                self.rules.catalog,
                limit=20,
            )
            for record in page.records:
                self.look("timeline", view, record)

    async def read_one(self, tenant: str, _member: str) -> None:
        for each in TENANTS:
            if self.known[each]:
                receipt = random.choice(self.known[each])
                found = await event(self.opened, View(tenant), receipt.id)
                if found is not None:
                    self.look("event", View(tenant), found)
                if (found is None) == (each == tenant):
                    self.crossed.append(f"an event of {each} read as {tenant}: {found}")

    def look(self, how: str, view: View, record: Record) -> None:
        """What an entry and its disclosures say themselves, not what they were asked for by."""
        said = (record.event.metadata or {}).get("tenant")
        if said not in (None, view.tenant) or record.altered:
            self.crossed.append(f"{how} of {view.tenant}: {record}")
        if view.member is not None and record.event.actor.id != view.member:
            self.crossed.append(f"{how} of {view.member}: {record}")

    async def read_whatever_there_is(self, tenant: str, member: str) -> None:
        """Without a condition: what separates the tenants is the setting, and PostgreSQL."""
        query = "SELECT DISTINCT tenant_id, actor_id FROM indelible.events"
        async with self.opened.transaction("reader", tenant) as connection:
            seen = await everything(connection, query)
            await asyncio.sleep(random.random() / 200)
            seen += await everything(connection, query)
        if {each for each, _ in seen} - {tenant}:
            self.crossed.append(f"{tenant} saw {seen}")
        async with self.opened.transaction("member", tenant, member=member) as connection:
            seen = await everything(connection, query)
        if set(seen) - {(tenant, member)}:
            self.crossed.append(f"{member} of {tenant} saw {seen}")

    async def read_as_nobody(self, tenant: str, member: str) -> None:
        """What somebody else set, and was not set back, would show here."""
        async with self.opened.transaction("reader") as connection:
            seen = await everything(connection, "SELECT DISTINCT tenant_id, 'nobody' FROM indelible.events")
        async with self.opened.transaction("member", tenant) as connection:
            seen += await everything(connection, "SELECT DISTINCT tenant_id, 'no member' FROM indelible.events")
        async with self.opened.transaction("member", member=member) as connection:
            seen += await everything(connection, "SELECT DISTINCT tenant_id, 'no tenant' FROM indelible.events")
        if seen:
            self.crossed.append(f"nobody saw {seen}")

    async def erase(self, tenant: str, _member: str) -> None:
        if self.known[tenant]:
            selection = Selection("event", str(random.choice(self.known[tenant]).id), ("actor",))
            planned = await plan(self.opened, tenant, selection)
            assert planned is not None
            await erase(self.opened, tenant, selection, Order("asked for"), self.rules, planned)

    async def verify(self, tenant: str, _member: str) -> None:
        report = await verify(self.opened, tenant)
        if report is not None and report.contradictions:
            self.crossed.append(f"{tenant} contradicts itself: {report.contradictions}")

    # --- trouble

    async def time_out(self, tenant: str, _member: str) -> None:
        with contextlib.suppress(TooSlow):
            async with self.hasty.transaction("reader", tenant) as connection:
                await connection.execute("SELECT pg_sleep(1)")

    async def fail(self, tenant: str, _member: str) -> None:
        with contextlib.suppress(psycopg.DataError):
            async with self.opened.transaction("writer", tenant) as connection:
                await connection.execute("SELECT 1 / 0")
        with contextlib.suppress(ZeroDivisionError):
            async with self.opened.transaction("reader", tenant) as connection:
                await connection.execute("SELECT FROM indelible.events")
                raise ZeroDivisionError

    async def cancel(self, tenant: str, member: str) -> None:
        """Whatever it is doing just then: waiting for a connection, beginning, reading, committing."""
        work = random.choice([self.append, self.read, self.read_whatever_there_is, self.erase, self.time_out])
        task = asyncio.ensure_future(work(tenant, member))
        await asyncio.sleep(random.random() / 50)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def cancel_for_good(self, tenant: str, member: str) -> None:
        """As structured concurrency cancels: what cleans up is cancelled too, at each await."""
        with anyio.move_on_after(random.random() / 50):
            await random.choice([self.read, self.read_whatever_there_is, self.time_out])(tenant, member)

    async def hang_up(self, tenant: str, _member: str) -> None:
        """A process that is killed in the middle of a transaction, as PgBouncer sees it."""
        connection = await psycopg.AsyncConnection.connect(self.behind.url(), autocommit=True)
        await connection.execute(session._begin("reader", tenant, None, timedelta(seconds=1), timedelta(seconds=1)))
        if random.random() < 0.5:
            connection.pgconn.send_query(b"SELECT pg_sleep(0.05)")
            connection.pgconn.flush()
        await connection.close()

    async def run(self, seconds: float, *work: Callable[[str, str], Awaitable[None]]) -> None:
        """All of `work` for each tenant and member at once, again and again, twice over.

        On a machine that is busy it takes longer, until something of each was done.
        """
        clock = asyncio.get_running_loop().time
        until, at_last = clock() + seconds, clock() + 10 * seconds

        async def repeat(each: Callable[[str, str], Awaitable[None]], tenant: str, member: str) -> None:
            while not self.crossed and clock() < (until if len(self.done) == len(work) else at_last):
                with contextlib.suppress(StoreUnavailable):
                    await each(tenant, member)
                    self.done[each.__name__] = self.done.get(each.__name__, 0) + 1
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as tasks:
            for each in (*work, *work):
                for tenant in TENANTS:
                    for member in MEMBERS:
                        tasks.create_task(repeat(each, tenant, member))


async def everything(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query.encode())).fetchall()


@contextlib.asynccontextmanager
async def load(behind: Pooler, catalog: Catalog) -> AsyncIterator[Load]:
    rules = Rules(catalog)
    async with (
        Connections.open(behind.url(), size=20) as opened,
        Connections.open(behind.url(), size=4, statement_timeout=timedelta(milliseconds=30)) as hasty,
        Appender.open(opened, rules, lanes=4) as appender,
    ):
        found = Load(opened, hasty, behind, appender, rules, Intake(catalog))
        for tenant in TENANTS:
            for member in MEMBERS:
                await found.append(tenant, member)
        yield found


SETTINGS = ("role", "search_path", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout",
            "default_transaction_read_only", "timezone", "datestyle", "row_security")  # fmt: skip


async def left_over(behind: Pooler) -> list[tuple[str, str]]:
    """What differs, on any of the server connections, from what a new connection starts with."""
    with psycopg.connect(behind.database.url) as new:
        defaults = {name: str(new.execute(f"SHOW {name}".encode()).fetchone()) for name in SETTINGS}
    found = []
    async with contextlib.AsyncExitStack() as held:
        for _ in range(behind.size):  # at once, so that each is another server connection
            connection = await held.enter_async_context(await psycopg.AsyncConnection.connect(behind.url()))
            for name, default in defaults.items():
                if (now := str(await (await connection.execute(f"SHOW {name}".encode())).fetchone())) != default:
                    found.append((name, now))
            for name in ("tenant_id", "member_id"):
                cursor = await connection.execute(f"SELECT coalesce(current_setting('indelible.{name}', true), '')")
                if (set_ := await cursor.fetchone()) != ("",):
                    found.append((name, str(set_)))
            cursor = await connection.execute("SELECT current_user = session_user")
            if await cursor.fetchone() != (True,):
                found.append(("current_user", "of somebody else"))
    return found


def is_whole(pool: Pool) -> bool:
    """Whether everybody gave their connection back."""
    stats = pool.get_stats()
    return stats["pool_available"] == stats["pool_size"] > 0


def held(behind: Pooler) -> int:
    """How many connections PgBouncer has to this database."""
    return sum(each["database"] == behind.database.name for each in behind.shown("SERVERS"))


# --- (a)


async def test_no_row_crosses_and_nothing_stays_set(behind: Pooler, catalog: Catalog) -> None:
    async with load(behind, catalog) as running:
        await running.run(
            SECONDS, running.append, running.read, running.read_one, running.read_whatever_there_is,
            running.read_as_nobody, running.erase, running.verify, running.time_out, running.fail, running.cancel,
            running.cancel_for_good, running.hang_up,
        )  # fmt: skip
        assert running.crossed == []
        assert held(behind) <= behind.size < 20
        assert len(running.done) == 12
        assert min(running.done.values()) > 0, running.done
        for each in (running.opened, running.hasty):
            await until(lambda each=each: all(is_whole(pool) for pool in each.pools.values()))
        for tenant in TENANTS:
            report = await verify(running.opened, tenant)
            assert report is not None
            assert report.contradictions == ()
            assert report.proven
            assert report.size > len(running.known[tenant]) > 0
            stored = {
                id_ for (id_,) in rows(behind.database, "SELECT id FROM indelible.events WHERE tenant_id = %s", tenant)
            }
            assert {receipt.id for receipt in running.known[tenant]} <= stored
    assert await left_over(behind) == []
    assert rows(behind.database, "SELECT pid FROM pg_locks WHERE locktype = 'advisory'") == []


# --- (c) the tests above can fail

PLAIN = {
    "every setting": (b"SET LOCAL ", b"SET "),
    "the tenant": (b'SET LOCAL "indelible"."tenant_id"', b"SET indelible.tenant_id"),
    "the member": (b'SET LOCAL "indelible"."member_id"', b"SET indelible.member_id"),
    "the role": (b"SET LOCAL ROLE", b"SET ROLE"),
    "the schemas": (b"SET LOCAL search_path", b"SET search_path"),
    "the time limit": (b"SET LOCAL statement_timeout", b"SET statement_timeout"),
}


@pytest.mark.parametrize("what", PLAIN)
async def test_what_is_set_for_longer_than_a_transaction_is_found(
    behind: Pooler, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    begin = session._begin
    local, plain = PLAIN[what]

    def mutant(*given: Any) -> bytes:
        return begin(*given).replace(local, plain)

    async with load(behind, catalog) as running:
        await running.read_whatever_there_is("acme", "usr_1")
        assert await left_over(behind) == []
        monkeypatch.setattr(session, "_begin", mutant)
        for _ in range(behind.size):
            async with running.opened.transaction("member", "acme", member="usr_1") as connection:
                await connection.execute("SELECT 1")
        found = await left_over(behind)
        # What others of ours set first thing, a client that sets nothing now has: somebody's events, it may be.
        assert found
        if what == "every setting":
            assert {"role", "tenant_id", "member_id", "search_path", "statement_timeout"} <= {name for name, _ in found}


async def test_a_tenant_that_stays_set_is_seen_by_the_next(
    behind: Pooler, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for the transaction alone, nor set anew by each: the next transaction reads the tenant before it."""
    begin = session._begin

    def mutant(*given: Any) -> bytes:
        kept = begin(*given).replace(b"; SET LOCAL indelible.tenant_id = ''", b"")
        return kept.replace(b'SET LOCAL "indelible"', b'SET "indelible"')

    async with load(behind, catalog) as running:
        monkeypatch.setattr(session, "_begin", mutant)
        await running.run(SECONDS, running.read_whatever_there_is, running.read_as_nobody)
        assert running.crossed


async def test_what_is_set_before_the_transaction_crosses(
    behind: Pooler, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings in a round trip of their own are some other client's by the time the transaction begins. Without a
    pooler this would work, and no other test would tell."""

    async def mutant(opened: Connections, role: Role, text: bytes) -> tuple[Connection, object]:
        of_transaction, *given = text.split(b'; SET LOCAL "indelible"')
        connection = await opened.pools[opened.logins.of(role)].getconn()
        for each in given:
            await connection.execute(b'SET "indelible"' + each)
        began = await connection.execute(of_transaction.partition(b"; SET LOCAL indelible.tenant_id")[0])
        return connection, began

    async with load(behind, catalog) as running:
        monkeypatch.setattr(Connections, "_sent", mutant)
        await running.run(SECONDS, running.read_whatever_there_is)
        assert running.crossed


# --- what needs more than a transaction


async def test_a_month_is_made_once_by_many(behind: Pooler, catalog: Catalog) -> None:
    """The lock on making one is the transaction's, so that it does not stay with a server connection."""
    async with load(behind, catalog) as running:

        async def make(_: int) -> bool:
            async with running.opened.transaction("writer") as connection:
                ((made,),) = await everything(connection, "SELECT indelible.ensure_month('2031-06-15')")
            return bool(made)

        assert sorted(await asyncio.gather(*map(make, range(8)))) == [False] * 7 + [True]
    assert rows(behind.database, "SELECT pid FROM pg_locks WHERE locktype = 'advisory'") == []


async def test_the_signer_has_a_connection_of_its_own_and_exports_need_none(behind: Pooler, catalog: Catalog) -> None:
    """Who asks may come by the pooler; who listens may not: the connection is handed to others meanwhile."""
    logins = Logins(behind.url(), {"signer": behind.database.url})
    stop = asyncio.Event()
    async with load(behind, catalog) as running, Connections.open(logins) as opened:
        signer = Signer(opened, Rules(catalog), [SigningKey.generate()], interval=timedelta(hours=1))
        signing = asyncio.create_task(signer.run(stop))

        async def is_signed() -> bool:
            ((size,),) = rows(behind.database, "SELECT size FROM indelible.ledgers WHERE tenant_id = 'acme'")
            signed = await latest(running.opened, "acme")
            return signed is not None and signed.size == size

        await until(is_signed)  # its first round; the next is in an hour
        await running.append("acme", "usr_1")
        await request(running.opened, "acme")
        await until(is_signed)
        stop.set()
        await signing

        async def note(size: int) -> str | None:
            signed = await at_least(running.opened, "acme", size)
            return signed and signed.note

        file = io.BytesIO()
        exported = await export_evidence(running.opened, "acme", file, Scope(), note)
        assert (exported.lacking, exported.faults) == (0, ())
        assert exported.shown == exported.size > 0
        assert file.tell() > 0
    assert await left_over(behind) == []


async def test_the_database_is_migrated_through_it_too(behind: Pooler) -> None:
    """Who has no other way in. It is one transaction."""
    with psycopg.connect(behind.database.admin_url) as connection:
        connection.execute("DROP SCHEMA indelible CASCADE")
    assert migrate(behind.url("postgres"), service=SERVICE_ROLE) == [each.name for each in migrations()[1:]]
    assert await left_over(behind) == []
