"""`indelible tenants`: the ledgers there are, new ones, and what members may see."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from indelible.catalog import Catalog
from indelible.cli.database import DataDir, connected, database
from indelible.cli.output import fail, say
from indelible.cli.recording import recorded
from indelible.event import is_tenant_id
from indelible.server.tenants import SettingsChange, changes_of
from indelible.settings import Settings
from indelible.store.access import OPERATOR
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.session import Database, Logins
from indelible.store.tenant_settings import TenantSettings, save_settings, settings_of
from indelible.store.tenants import Ledger, ledgers
from indelible.store.view import ALL_PARTS, Part

__all__ = ["tenants"]

tenants = typer.Typer(name="tenants", no_args_is_help=True, help="The tenants, each with its ledger.")


@tenants.command("list")
def list_tenants(
    data_dir: DataDir = Path(".indelible"),
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
) -> None:
    """List the tenants and how large their ledgers are."""
    settings = Settings.from_env(os.environ)
    with database(settings, data_dir) as found:
        for ledger in asyncio.run(_ledgers(found.logins)):
            say(
                msgspec.json.encode(ledger._asdict()).decode()
                if as_json
                else f"{ledger.tenant_id:30} {ledger.size:>12,} entries  {ledger.origin}"
            )


@tenants.command()
def create(tenant: Annotated[str, typer.Argument()], data_dir: DataDir = Path(".indelible")) -> None:
    """Open the ledger of a new tenant; needed where INDELIBLE_AUTO_TENANTS is false."""
    settings = Settings.from_env(os.environ)
    if not is_tenant_id(tenant):
        fail(f"TENANT {tenant!r}: 1 to 128 letters, digits or . _ : @ ~ + -, starting with a letter or digit")
    if tenant == OPERATOR:
        fail(f"TENANT {OPERATOR} is the service's own ledger, which it opens itself; give the id of a customer")
    with database(settings, data_dir) as found:
        made = asyncio.run(_create(found.logins, settings, tenant))
    say(f"The ledger of {tenant} is open." if made else f"The ledger of {tenant} was open already.")


@tenants.command()
def show(
    tenant: Annotated[str, typer.Argument()],
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
    data_dir: DataDir = Path(".indelible"),
) -> None:
    """Show a tenant: its ledger, and what its members may see."""
    settings = Settings.from_env(os.environ)
    with database(settings, data_dir) as found:
        ledger, seen = asyncio.run(_shown(found.logins, tenant))
    if as_json:
        told = {"member_access": seen.member_access, "member_sees": sorted(seen.member_sees)}
        say(msgspec.json.encode({**ledger._asdict(), "settings": told}).decode())
        return
    say(f"{ledger.tenant_id}: {ledger.size:,} entries, {ledger.origin}")
    say(_in_words(seen))


@tenants.command("set")
def set_settings(
    tenant: Annotated[str, typer.Argument()],
    member_access: Annotated[
        bool | None,
        typer.Option(
            "--member-access/--no-member-access",
            help="Whether members may read the events in which they are actor or target.",
            show_default=False,
        ),
    ] = None,
    member_sees: Annotated[
        str | None,
        typer.Option(
            help=f"What they are shown of those, with commas between: {', '.join(sorted(ALL_PARTS))}; none.",
            metavar="PARTS",
        ),
    ] = None,
    data_dir: DataDir = Path(".indelible"),
) -> None:
    """Change what a tenant's members may see. In force on every process when this returns, and on record."""
    if member_access is None and member_sees is None:
        fail("nothing to change: give --member-access, --no-member-access or --member-sees")
    wanted = SettingsChange(member_access, None if member_sees is None else _parts(member_sees))
    settings = Settings.from_env(os.environ)
    with database(settings, data_dir) as found:
        seen = asyncio.run(_set(found.logins, settings, tenant, wanted))
    say(f"{tenant}: {_in_words(seen)}")


def _parts(given: str) -> list[Part]:
    if given == "none":
        return []
    found: list[Part] = []
    for name in given.split(","):
        part = next((part for part in ALL_PARTS if part == name.strip()), None)
        if part is None:
            fail(f"--member-sees {name.strip()!r}: there are {', '.join(sorted(ALL_PARTS))}, or none alone")
        found.append(part)
    return found


def _in_words(seen: TenantSettings) -> str:
    if not seen.member_access:
        return "members see nothing"
    besides = f", and of them {', '.join(sorted(seen.member_sees))}" if seen.member_sees else ""
    return f"members see the events in which they are actor or target{besides}"


async def _shown(logins: Logins, tenant: str) -> tuple[Ledger, TenantSettings]:
    async with connected(logins, size=1) as opened:
        return await _the_ledger(opened, tenant), await settings_of(opened, tenant)


async def _set(logins: Logins, settings: Settings, tenant: str, wanted: SettingsChange) -> TenantSettings:
    async with connected(logins, size=2) as opened:
        await _the_ledger(opened, tenant)
        before = await settings_of(opened, tenant)
        changes = changes_of(before, wanted)
        if not changes:
            return before
        # Recorded first, as the service does it: nothing is changed without an entry.
        await recorded(opened, settings, tenant, "audit_log.settings_changed", changes=changes)
        sees = None if wanted.member_sees is None else frozenset(wanted.member_sees)
        return await save_settings(opened, tenant, member_access=wanted.member_access, member_sees=sees)


async def _the_ledger(opened: Database, tenant: str) -> Ledger:
    found = await ledgers(opened, tenant=tenant)
    if not found:
        fail(f"there is no tenant {tenant!r}; `indelible tenants list` names those there are")
    return found[0]


async def _ledgers(logins: Logins) -> list[Ledger]:
    async with connected(logins, size=1) as opened:
        return await ledgers(opened)


async def _create(logins: Logins, settings: Settings, tenant: str) -> bool:
    rules = Rules(Catalog.load(settings.catalog), host=settings.ledger_host)
    async with connected(logins, size=2) as opened, Appender.open(opened, rules, lanes=1) as appender:
        return await appender.open_ledger(tenant)
