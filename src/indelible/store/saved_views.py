"""Saved views: filters of the timeline under a name, one person's own or shared by all who read the tenant's events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast
from uuid import UUID

import msgspec
from psycopg.errors import UniqueViolation
from psycopg.sql import SQL, Composed
from psycopg.types.json import Jsonb

from indelible.event import Actor
from indelible.store.errors import StoreError
from indelible.store.session import Connection, Database

__all__ = [
    "MAX_OWN",
    "MAX_SHARED",
    "SavedView",
    "TooManyViews",
    "ViewExists",
    "change_view",
    "check_name",
    "check_new_view",
    "create_view",
    "delete_view",
    "get_view",
    "list_views",
]

MAX_SHARED: Final = 200
"""Of a tenant."""
MAX_OWN: Final = 100
"""Of a person."""


class ViewExists(StoreError):
    """There is one of this name among the shared ones, or among the person's own."""

    def __init__(self, name: str, *, shared: bool) -> None:
        which = "a shared view" if shared else "a view of your own"
        super().__init__(f"there is {which} called {name!r} already; change that one, or choose another name")


class TooManyViews(StoreError):
    """The tenant has as many shared ones as it may, or the person of their own."""

    def __init__(self, *, shared: bool) -> None:
        there = f"{MAX_SHARED} shared views, as many as a tenant" if shared else f"{MAX_OWN} views, as many as a person"
        super().__init__(f"there are {there} may have; delete one first")


@dataclass(frozen=True, slots=True)
class SavedView:
    view_id: UUID
    owner: str | None
    """Whose own it is, one text for each person: `user:` or `staff:` and the id. None: it is shared."""
    name: str
    query: str
    """The parameters of the timeline, as the query of a URL."""
    created_by: Actor
    created_at: datetime
    changed_at: datetime


_COLUMNS = SQL("view_id, owner, name, query, created_by, created_at, changed_at")
_LIST = SQL(
    "SELECT {} FROM indelible.saved_views WHERE tenant_id = %(tenant)s AND (owner IS NULL OR owner = %(owner)s) "
    "ORDER BY owner NULLS FIRST, name, view_id"
).format(_COLUMNS)
_ONE = SQL(
    "SELECT {} FROM indelible.saved_views "
    "WHERE tenant_id = %(tenant)s AND view_id = %(view_id)s AND (owner IS NULL OR owner = %(owner)s)"
).format(_COLUMNS)
_CREATE = SQL(
    "INSERT INTO indelible.saved_views (tenant_id, view_id, owner, name, query, created_by) "
    "VALUES (%(tenant)s, %(view_id)s, %(owner)s, %(name)s, %(query)s, %(created_by)s) RETURNING {}"
).format(_COLUMNS)
_CHANGE = SQL(
    "UPDATE indelible.saved_views SET name = %(name)s, query = %(query)s, changed_at = greatest(changed_at, now()) "
    "WHERE tenant_id = %(tenant)s AND view_id = %(view_id)s AND owner IS NOT DISTINCT FROM %(owner)s RETURNING {}"
).format(_COLUMNS)

# Of those who save at once for the same owner, one counts after the other.
_IN_TURN = SQL("SELECT pg_advisory_xact_lock(hashtextextended('indelible.saved_views ' || %s || ' ' || %s, 0))")
_COUNT = SQL(
    "SELECT count(*), count(*) FILTER (WHERE name = %(name)s) FROM indelible.saved_views "
    "WHERE tenant_id = %(tenant)s AND owner IS NOT DISTINCT FROM %(owner)s"
)


async def list_views(database: Database, tenant: str, owner: str | None) -> list[SavedView]:
    """The shared ones of the tenant, then those of `owner`, each by name. Of nobody, where `owner` is None."""
    async with database.transaction("control", tenant) as connection:
        return await _views(connection, _LIST, {"tenant": tenant, "owner": owner})


async def get_view(database: Database, tenant: str, view_id: UUID, owner: str | None) -> SavedView | None:
    """A shared one, or one of `owner`; anybody else's is as if it were not there."""
    async with database.transaction("control", tenant) as connection:
        found = await _views(connection, _ONE, {"tenant": tenant, "view_id": view_id, "owner": owner})
    return found[0] if found else None


async def check_new_view(database: Database, tenant: str, owner: str | None, name: str) -> None:
    """Raises `ViewExists` or `TooManyViews` where `create_view` would now."""
    async with database.transaction("control", tenant) as connection:
        await _check(connection, tenant, owner, name)


async def check_name(database: Database, tenant: str, owner: str | None, name: str) -> None:
    """Raises `ViewExists` where `change_view` would now."""
    async with database.transaction("control", tenant) as connection:
        await _check(connection, tenant, owner, name, is_new=False)


async def create_view(
    database: Database, tenant: str, view_id: UUID, *, owner: str | None, name: str, query: str, created_by: Actor
) -> SavedView:
    """Raises `ViewExists` and `TooManyViews`."""
    given = {
        "tenant": tenant,
        "view_id": view_id,
        "owner": owner,
        "name": name,
        "query": query,
        "created_by": Jsonb(msgspec.to_builtins(created_by)),
    }
    async with database.transaction("control", tenant) as connection:
        await connection.execute(_IN_TURN, (tenant, owner or ""))
        await _check(connection, tenant, owner, name)
        return (await _views(connection, _CREATE, given))[0]


async def change_view(database: Database, tenant: str, view: SavedView, *, name: str, query: str) -> SavedView | None:
    """The view with this name and query; None where it is not there any more. Raises `ViewExists`."""
    given = {"tenant": tenant, "view_id": view.view_id, "owner": view.owner, "name": name, "query": query}
    try:
        async with database.transaction("control", tenant) as connection:
            found = await _views(connection, _CHANGE, given)
    except UniqueViolation:
        raise ViewExists(name, shared=view.owner is None) from None
    return found[0] if found else None


async def delete_view(database: Database, tenant: str, view: SavedView) -> None:
    """Nothing where it is not there any more."""
    async with database.transaction("control", tenant) as connection:
        await connection.execute(
            "DELETE FROM indelible.saved_views WHERE tenant_id = %s AND view_id = %s", (tenant, view.view_id)
        )


async def _check(connection: Connection, tenant: str, owner: str | None, name: str, *, is_new: bool = True) -> None:
    cursor = await connection.execute(_COUNT, {"tenant": tenant, "owner": owner, "name": name})
    count, same = cast("tuple[int, int]", await cursor.fetchone())
    shared = owner is None
    if same:
        raise ViewExists(name, shared=shared)
    if is_new and count >= (MAX_SHARED if shared else MAX_OWN):
        raise TooManyViews(shared=shared)


async def _views(connection: Connection, query: Composed, given: dict[str, Any]) -> list[SavedView]:
    cursor = await connection.execute(query, given)
    return [_view(row) for row in cast("Sequence[tuple[Any, ...]]", await cursor.fetchall())]


def _view(row: tuple[Any, ...]) -> SavedView:
    view_id, owner, name, query, created_by, created_at, changed_at = row
    created, changed = created_at.astimezone(UTC), changed_at.astimezone(UTC)
    return SavedView(view_id, owner, name, query, msgspec.convert(created_by, Actor), created, changed)
