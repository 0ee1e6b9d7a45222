"""The directory: the actions of a tenant and the words of its names, for as long as an event has them."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.catalog import Catalog
from indelible.store import erase as erasing
from indelible.store.append import Rules, append
from indelible.store.appender import Appender
from indelible.store.erase import Order, Selection, erase, plan
from indelible.store.errors import StoreUnavailable
from indelible.store.intake import Intake
from indelible.store.session import Database as Connections
from indelible.store.words import IMPERSONATED, tokens
from tests.postgres import Database
from tests.store.samples import FULL, examples, rows, send, take

pytestmark = pytest.mark.anyio


@pytest.fixture
def tenant(tenants: list[str]) -> str:
    return tenants[0]


def directory(database: Database, tenant: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {"action": set(), "name": set()}
    for kind, value in rows(database, "SELECT kind, value FROM indelible.directory WHERE tenant_id = %s", tenant):
        found[kind].add(value)
    return found


def named(name: str, *others: str, id_: str = "u1", **fields: object) -> dict[str, Any]:
    targets = [{"type": "file", "id": f"f{n}", "name": other} for n, other in enumerate(others)]
    return {"actor": {"type": "user", "id": id_, "name": name}, "targets": targets, **fields}


async def test_it_lists_actions_and_the_words_of_names(
    database: Database, appender: Appender, intake: Intake, tenant: str
) -> None:
    staff = {"id": "os:1", "name": "Robin Müller", "email": "robin@vendor.example", "reason": "Ticket asked"}
    await send(
        appender,
        take(intake, tenant, **FULL),
        take(intake, tenant, actor={"type": "user", "impersonator": staff}, action="Größe.geändert"),
        take(intake, tenant, **named("Jo", "12345", "a1b2c3d4e5f6a1b2", "Q3 report.pdf")),
    )
    assert directory(database, tenant) == {
        "action": {"ledger.created", "user.role_changed", "user.joined", "Größe.geändert"},
        "name": {"sarah", "chen", "example", "com", "roman", "robin", "muller", "vendor", "ticket", "asked",
                 "report", "pdf", *tokens(IMPERSONATED)},
    }  # fmt: skip


WORDS = ["anna", "berta", "carla", "dora"]


@examples(25)
@given(
    drawn=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(WORDS), st.sampled_from(WORDS), st.sampled_from(["a.b", "c.d"])),
        min_size=1, max_size=12,
    ),
    number=st.integers(0, 2**60),
)  # fmt: skip
async def test_of_several_tenants_in_a_transaction_each_has_its_own(
    database: Database, appender: Appender, intake: Intake, drawn: list[tuple[int, str, str, str]], number: int
) -> None:
    tenants = [f"t-{number:x}-{n}" for n in range(3)]
    before = [directory(database, tenant) for tenant in tenants]
    await send(
        appender, *[take(intake, tenants[n], **named(actor, target, action=did)) for n, actor, target, did in drawn]
    )
    for n, tenant in enumerate(tenants):
        own = [each for each in drawn if each[0] == n]
        expected = {
            "action": {each[3] for each in own} | ({"ledger.created"} if own else set()),
            "name": {word for each in own for word in each[1:3]},
        }
        assert directory(database, tenant) == {kind: before[n][kind] | expected[kind] for kind in expected}


async def test_what_was_rolled_back_is_not_listed(
    database: Database, connections: Connections, appender: Appender, intake: Intake, catalog: Catalog, tenant: str
) -> None:
    await send(appender, take(intake, tenant, **named("Anna")))
    before = directory(database, tenant)
    async with connections.transaction("writer") as connection:
        await append(connection, [take(intake, tenant, **named("Berta", action="never.done"))], Rules(catalog))
        await connection.execute("ROLLBACK")
    assert directory(database, tenant) == before


async def test_what_is_refused_beside_others_is_not_listed(
    database: Database, appender: Appender, intake: Intake, tenant: str
) -> None:
    """An event of the same id that says something else; and one that was there already."""
    same = "0192f0c4-0000-7000-8000-000000000001"
    first = take(intake, tenant, **named("Anna", id=same))
    await send(appender, first)
    await appender.append([take(intake, tenant, **named("Berta", id=same, action="never.done")), first])
    assert directory(database, tenant) == {"action": {"ledger.created", "user.joined"}, "name": {"anna"}}


async def test_a_name_is_forgotten_with_the_last_event_that_has_it(
    database: Database,
    connections: Connections,
    appender: Appender,
    intake: Intake,
    catalog: Catalog,
    tenants: list[str],
) -> None:
    tenant, other, _ = tenants
    await send(
        appender,
        take(intake, tenant, **named("Anna Berta", "Carla", id_="u1", action="was.done")),
        take(intake, tenant, **named("Anna Dora", id_="u2", metadata={"note": "Berta"})),
        take(intake, tenant, **named("Emil", "Anna's report", id_="u3")),
        take(intake, other, **named("Anna Berta", "Carla", id_="u1")),
    )

    async def names_after(by: Any, id_: str, *groups: str) -> set[str]:
        selection = Selection(by, id_, groups)
        planned = await plan(connections, tenant, selection)
        assert planned is not None
        assert planned.events
        await erase(connections, tenant, selection, Order("asked for"), Rules(catalog), planned)
        return directory(database, tenant)["name"]

    all_of_them = {"anna", "berta", "carla", "dora", "emil", "report"}
    assert directory(database, tenant)["name"] == all_of_them
    # That somebody wrote it into metadata does not keep it: no name has it any more.
    assert await names_after("actor", "u1", "actor") == all_of_them - {"berta"}
    assert await names_after("actor", "u2", "actor", "metadata") == {"anna", "carla", "emil", "report"}
    assert await names_after("actor", "u3", "actor") == {"anna", "carla", "report"}
    assert await names_after("target", "f0", "targets") == set()
    assert directory(database, tenant)["action"] == {"ledger.created", "was.done", "user.joined", "ledger.erasure"}
    assert directory(database, other)["name"] == {"anna", "berta", "carla"}
    # And it is listed again with the next one.
    await send(appender, take(intake, tenant, **named("Berta")))
    assert directory(database, tenant)["name"] == {"berta"}


async def test_an_erasure_that_is_rolled_back_forgets_nothing(
    database: Database,
    connections: Connections,
    appender: Appender,
    intake: Intake,
    catalog: Catalog,
    tenant: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor is its record's action listed, which was not to be."""
    await send(appender, take(intake, tenant, **named("Anna", "Berta")))
    before = directory(database, tenant)
    selection = Selection("actor", "u1", ("actor", "targets"))
    planned = await plan(connections, tenant, selection)
    assert planned is not None
    with psycopg.connect(database.admin_url) as busy:
        busy.execute("LOCK TABLE indelible.directory IN EXCLUSIVE MODE")
        async with Connections.open(database.url, size=2) as hurried:
            monkeypatch.setattr(erasing, "_PATIENCE", timedelta())
            with pytest.raises(StoreUnavailable, match="lock timeout"):
                await erase(hurried, tenant, selection, Order("asked for"), Rules(catalog), planned)
    assert directory(database, tenant) == before
    await erase(connections, tenant, selection, Order("asked for"), Rules(catalog), planned)
    assert directory(database, tenant)["name"] == set()
