"""Saved views: a tenant's shared ones and a person's own, and nobody else's."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from indelible.event import Actor
from indelible.store.saved_views import (
    MAX_OWN,
    MAX_SHARED,
    SavedView,
    TooManyViews,
    ViewExists,
    change_view,
    check_name,
    check_new_view,
    create_view,
    delete_view,
    get_view,
    list_views,
)
from indelible.store.session import Database as Connections
from tests.postgres import Database
from tests.store.acting import RUNTIME, acting, refusal, run
from tests.store.samples import as_superuser, rows

SARAH = Actor(type="user", id="usr_7", name="Sarah Chen")


async def saved(
    connections: Connections, tenant: str, name: str, owner: str | None = None, query: str = "q=x"
) -> SavedView:
    return await create_view(connections, tenant, uuid4(), owner=owner, name=name, query=query, created_by=SARAH)


async def names(connections: Connections, tenant: str, owner: str | None) -> list[str]:
    return [view.name for view in await list_views(connections, tenant, owner)]


@pytest.mark.anyio
async def test_one_sees_the_shared_ones_and_ones_own(connections: Connections, tenants: list[str]) -> None:
    tenant, other, _ = tenants
    shared = await saved(connections, tenant, "everybody's")
    own = await saved(connections, tenant, "mine", "usr_7")
    theirs = await saved(connections, tenant, "theirs", "usr_8")
    elsewhere = await saved(connections, other, "elsewhere")
    assert await list_views(connections, tenant, "usr_7") == [shared, own]
    assert await list_views(connections, tenant, "usr_8") == [shared, theirs]
    assert await list_views(connections, tenant, None) == [shared]
    assert await list_views(connections, other, "usr_7") == [elsewhere]
    assert (shared.owner, own.owner, own.query, own.created_by) == (None, "usr_7", "q=x", SARAH)
    for owner, seen in (("usr_7", own), ("usr_8", None), (None, None)):
        assert await get_view(connections, tenant, own.view_id, owner) == seen
    assert await get_view(connections, other, shared.view_id, "usr_7") is None


@pytest.mark.anyio
async def test_a_name_is_taken_once_by_the_tenant_and_once_by_each_person(
    connections: Connections, tenants: list[str]
) -> None:
    tenant, other, _ = tenants
    for place, owner in ((tenant, None), (tenant, "usr_7"), (tenant, "usr_8"), (other, None)):
        await saved(connections, place, "weekly", owner)
        with pytest.raises(ViewExists, match="'weekly'"):
            await saved(connections, place, "weekly", owner)
        with pytest.raises(ViewExists):
            await check_new_view(connections, place, owner, "weekly")
    second = await saved(connections, tenant, "daily")
    with pytest.raises(ViewExists, match="shared view called 'weekly'"):
        await change_view(connections, tenant, second, name="weekly", query="")
    with pytest.raises(ViewExists):
        await check_name(connections, tenant, None, "weekly")
    assert await get_view(connections, tenant, second.view_id, None) == second


@pytest.mark.anyio
async def test_what_is_changed_is_the_one_that_was_meant(connections: Connections, tenants: list[str]) -> None:
    tenant, other, _ = tenants
    shared, own = await saved(connections, tenant, "one"), await saved(connections, tenant, "two", "usr_7")
    changed = await change_view(connections, tenant, own, name="three", query="q=y")
    assert changed is not None
    assert (changed.name, changed.query, changed.created_at) == ("three", "q=y", own.created_at)
    assert changed.changed_at > own.changed_at
    assert await change_view(connections, other, own, name="four", query="") is None
    await delete_view(connections, other, own)
    assert await list_views(connections, tenant, "usr_7") == [shared, changed]
    await delete_view(connections, tenant, own)
    await delete_view(connections, tenant, own)
    assert await list_views(connections, tenant, "usr_7") == [shared]
    assert await change_view(connections, tenant, own, name="five", query="") is None


@pytest.mark.anyio
@pytest.mark.parametrize(("owner", "most"), [(None, MAX_SHARED), ("usr_7", MAX_OWN)], ids=["shared", "own"])
async def test_there_are_at_most_so_many_however_many_ask_at_once(
    connections: Connections, database: Database, tenants: list[str], owner: str | None, most: int
) -> None:
    tenant = tenants[0]
    as_superuser(
        database,
        "INSERT INTO indelible.saved_views (tenant_id, owner, name, query, created_by) "
        "SELECT %(tenant)s, %(owner)s, 'view ' || n, '', '{\"type\": \"user\"}' FROM generate_series(1, %(count)s) n",
        tenant=tenant, owner=owner, count=most - 2,
    )  # fmt: skip
    answers = await asyncio.gather(
        *(saved(connections, tenant, f"more {number}", owner) for number in range(5)), return_exceptions=True
    )
    assert sum(isinstance(answer, SavedView) for answer in answers) == 2
    assert sum(isinstance(answer, TooManyViews) for answer in answers) == 3
    with pytest.raises(TooManyViews, match=str(most)):
        await check_new_view(connections, tenant, owner, "one more")
    # Another person, and another tenant, has as many; and at the limit names can be changed.
    await saved(connections, tenant, "one more", "usr_8")
    await saved(connections, tenants[1], "one more", owner)
    await check_name(connections, tenant, owner, "renamed")


# --- what PostgreSQL sees to


@pytest.fixture
def views(database: Database, tenants: list[str]) -> dict[str, UUID]:
    """A shared view of each of two tenants."""
    as_superuser(
        database,
        *(
            "INSERT INTO indelible.saved_views (tenant_id, name, query, created_by) "
            f"VALUES ('{tenant}', 'of {tenant}', 'q=secret', '{{}}')"
            for tenant in tenants[:2]
        ),
    )
    found = rows(database, "SELECT tenant_id, view_id FROM indelible.saved_views WHERE tenant_id = ANY (%s)", tenants)
    return dict(found)


def test_control_reaches_those_of_the_tenant_that_is_set(
    database: Database, tenants: list[str], views: dict[str, UUID]
) -> None:
    mine, other, _ = tenants
    every = "SELECT tenant_id FROM indelible.saved_views"
    with acting(database, "indelible_control") as connection:
        assert run(connection, every) == []
    with acting(database, "indelible_control", tenant=mine) as connection:
        assert run(connection, every) == [(mine,)]
        for statement in (
            "UPDATE indelible.saved_views SET name = 'x' WHERE view_id = %s RETURNING name",
            "DELETE FROM indelible.saved_views WHERE view_id = %s RETURNING name",
        ):
            assert run(connection, statement, views[other]) == []
            assert len(run(connection, statement, views[mine])) == 1
        put = "INSERT INTO indelible.saved_views (tenant_id, name, query, created_by) VALUES (%s, 'x', '', '{}')"
        run(connection, put, mine)
        with pytest.raises(InsufficientPrivilege, match="row-level security"):
            run(connection, put, other)


def test_a_view_is_never_handed_over(database: Database, tenants: list[str], views: dict[str, UUID]) -> None:
    """Neither to another tenant nor from a person to everybody: what is shared is recorded when it is made."""
    assert views
    with acting(database, "indelible_control", tenant=tenants[0]) as connection:
        for column in ("tenant_id", "view_id", "owner", "created_by", "created_at"):
            told = refusal(connection, f"UPDATE indelible.saved_views SET {column} = DEFAULT")
            assert told == "permission denied for table saved_views", column


@pytest.mark.parametrize("role", [role for role in RUNTIME if role != "indelible_control"])
def test_no_other_role_reaches_any(database: Database, tenants: list[str], views: dict[str, UUID], role: str) -> None:
    assert views
    with acting(database, role, tenant=tenants[0], member="usr_7") as connection:
        for statement in (
            "SELECT FROM indelible.saved_views",
            "INSERT INTO indelible.saved_views (tenant_id) VALUES ('x')",
            "UPDATE indelible.saved_views SET name = 'x'",
            "DELETE FROM indelible.saved_views",
        ):
            assert refusal(connection, statement) == "permission denied for table saved_views"


def test_what_is_too_long_is_refused_by_the_table_too(database: Database, tenants: list[str]) -> None:
    put = "INSERT INTO indelible.saved_views (tenant_id, name, query, created_by) VALUES (%s, %s, %s, '{}')"
    with psycopg.connect(database.admin_url) as connection:
        for name, query in (("", ""), ("x" * 101, ""), ("x", "q" * 8193)):
            with pytest.raises(psycopg.errors.CheckViolation), connection.transaction():
                connection.execute(put, (tenants[0], name, query))
        connection.execute(put, (tenants[0], "é" * 100, "q" * 8192))
        connection.rollback()
