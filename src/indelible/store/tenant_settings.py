"""What a tenant's members may see: a row each, for those of whom it was ever said."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from indelible.store.epoch import in_force_everywhere
from indelible.store.session import Database
from indelible.store.view import Part

__all__ = ["DEFAULT", "TenantSettings", "save_settings", "settings_of", "settings_of_each"]


@dataclass(frozen=True, slots=True)
class TenantSettings:
    member_access: bool
    """Whether members may read the events in which they are actor or target."""
    member_sees: frozenset[Part]
    """What they are shown of those, besides who did what to whom."""


DEFAULT = TenantSettings(member_access=False, member_sees=frozenset({"changes", "request_id", "session_id"}))
"""As the table has it, for tenants of whom nothing was said."""


async def settings_of(database: Database, tenant: str) -> TenantSettings:
    return (await settings_of_each(database, [tenant]))[tenant]


async def settings_of_each(database: Database, tenants: Iterable[str]) -> dict[str, TenantSettings]:
    """Of each of the tenants, whether or not there is one of this name."""
    wanted = list(tenants)
    async with database.transaction("control") as connection:
        cursor = await connection.execute(
            "SELECT tenant_id, member_access, member_sees FROM indelible.tenant_settings WHERE tenant_id = ANY (%s)",
            (wanted,),
        )
        rows = cast("list[tuple[str, bool, list[Part]]]", await cursor.fetchall())
    return dict.fromkeys(wanted, DEFAULT) | {t: TenantSettings(access, frozenset(sees)) for t, access, sees in rows}


async def save_settings(
    database: Database, tenant: str, *, member_access: bool | None = None, member_sees: frozenset[Part] | None = None
) -> TenantSettings:
    """Sets those that are given; returns what they all are, once every process goes by it."""
    sees = None if member_sees is None else sorted(member_sees)
    async with database.transaction("control") as connection:
        cursor = await connection.execute(
            "INSERT INTO indelible.tenant_settings AS s (tenant_id, member_access, member_sees) "
            "VALUES (%(tenant)s, coalesce(%(access)s, %(default_access)s), "
            "coalesce(%(sees)s::text[], %(default_sees)s)) "
            "ON CONFLICT (tenant_id) DO UPDATE SET member_access = coalesce(%(access)s, s.member_access), "
            "member_sees = coalesce(%(sees)s::text[], s.member_sees), changed_at = excluded.changed_at "
            "RETURNING member_access, member_sees",
            {
                "tenant": tenant,
                "access": member_access,
                "sees": sees,
                "default_access": DEFAULT.member_access,
                "default_sees": sorted(DEFAULT.member_sees),
            },
        )
        row = cast("tuple[bool, list[Part]]", await cursor.fetchone())
    await in_force_everywhere()
    return TenantSettings(row[0], frozenset(row[1]))
