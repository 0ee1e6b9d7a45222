"""`indelible tenants`: the ledgers there are, and new ones."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from indelible.catalog import Catalog
from indelible.cli.database import DataDir, connected, database
from indelible.cli.output import fail, say
from indelible.event import TenantId
from indelible.settings import Settings
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.tenants import Ledger, ledgers

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
        for ledger in asyncio.run(_ledgers(found.url)):
            say(
                msgspec.json.encode(ledger._asdict()).decode()
                if as_json
                else f"{ledger.tenant_id:30} {ledger.size:>12,} entries  {ledger.origin}"
            )


@tenants.command()
def create(tenant: Annotated[str, typer.Argument()], data_dir: DataDir = Path(".indelible")) -> None:
    """Open the ledger of a new tenant; needed where INDELIBLE_AUTO_TENANTS is false."""
    settings = Settings.from_env(os.environ)
    try:
        msgspec.convert(tenant, TenantId)
    except msgspec.ValidationError:
        fail(f"TENANT {tenant!r}: 1 to 128 letters, digits or . _ : @ ~ + -, starting with a letter or digit")
    with database(settings, data_dir) as found:
        made = asyncio.run(_create(found.url, settings, tenant))
    say(f"The ledger of {tenant} is open." if made else f"The ledger of {tenant} was open already.")


async def _ledgers(url: str) -> list[Ledger]:
    async with connected(url, size=1) as opened:
        return await ledgers(opened)


async def _create(url: str, settings: Settings, tenant: str) -> bool:
    rules = Rules(Catalog.load(settings.catalog), host=settings.ledger_host)
    async with connected(url, size=2) as opened, Appender.open(opened, rules, lanes=1) as appender:
        return await appender.open_ledger(tenant)
