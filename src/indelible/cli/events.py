"""`indelible log` and `indelible list`: one event in, some events out."""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from indelible.catalog import Catalog
from indelible.cli.database import DataDir, connected, database
from indelible.cli.output import fail, note, say
from indelible.cli.recording import recorded_listing
from indelible.cli.selecting import selected
from indelible.event import MAX_EVENT_BYTES, InvalidEvent
from indelible.server.query import FilterQuery
from indelible.server.wire import Accepted, LoggedEvent, sentence
from indelible.settings import Settings
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.finding import find
from indelible.store.intake import Intake
from indelible.store.sealing import Record
from indelible.store.session import Logins
from indelible.store.tenants import ledgers
from indelible.store.view import View

__all__ = ["list_events", "log"]


def log(
    action: Annotated[str | None, typer.Argument(help="Such as user.role_changed; absent with --event.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Whose ledger.", metavar="TENANT")] = None,
    actor: Annotated[str, typer.Option(help="TYPE[:ID]; the type is user, system or api_key.")] = "system",
    actor_name: Annotated[str | None, typer.Option(metavar="NAME")] = None,
    target: Annotated[list[str] | None, typer.Option(help="TYPE:ID[:NAME]; may be repeated.")] = None,
    change: Annotated[list[str] | None, typer.Option(help="FIELD=FROM:TO; may be repeated.")] = None,
    metadata: Annotated[list[str] | None, typer.Option(help="KEY=VALUE; may be repeated.")] = None,
    outcome: Annotated[str, typer.Option(help="success, failure or denied.")] = "success",
    source: Annotated[str, typer.Option(help="ui, admin_panel, api or background.")] = "background",
    event: Annotated[
        str | None, typer.Option(help="The whole event as JSON instead; - reads it from standard input.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The receipt as JSON.")] = False,
    data_dir: DataDir = Path(".indelible"),
) -> None:
    """Log one event, straight into the ledger.

    Example: indelible log user.role_changed --tenant acme --actor user:usr_7 --actor-name "Sarah Chen"
    --target "user:usr_9:Alex Roman" --change role=member:admin
    """
    if event is not None:
        raw = sys.stdin.buffer.read(MAX_EVENT_BYTES + 1) if event == "-" else event.encode()
    elif action is None or tenant is None:
        fail("give an ACTION and --tenant, or the whole event with --event")
    else:
        raw = msgspec.json.encode(
            {
                "tenant_id": tenant,
                "action": action,
                "actor": _parts(actor, "type", "id") | ({"name": actor_name} if actor_name else {}),
                "targets": [_parts(t, "type", "id", "name") for t in target or []],
                "changes": dict(_change(c) for c in change or []),
                "metadata": dict(_pair("--metadata", m) for m in metadata or []),
                "outcome": outcome,
                "source": source,
            }
        )
    settings = Settings.from_env(os.environ)
    with database(settings, data_dir) as found:
        try:
            line = asyncio.run(_log(found.logins, settings, raw, as_json=as_json))
        except InvalidEvent as error:
            fail(str(error))
    say(line)


def list_events(
    tenant: Annotated[str, typer.Option(help="Whose events.", metavar="TENANT")],
    text: Annotated[
        str | None,
        typer.Argument(
            help="As in a search box, in one pair of quotes: 'sarah \"role changed\" outcome:denied -actor:bot'.",
            metavar="TEXT",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="From then on: 2026-11-21, 2026-11, yesterday, RFC 3339, or back from now (30m, 24h, 7d)."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="Before then; as --since.")] = None,
    q: Annotated[
        str | None,
        typer.Option(help="As TEXT, which may begin with a minus here.", metavar="TEXT"),
    ] = None,
    action: Annotated[
        list[str] | None, typer.Option(help="May be repeated: any of them; * stands for any characters.")
    ] = None,
    category: Annotated[list[str] | None, typer.Option(help="auth, access, data, config or security.")] = None,
    operation: Annotated[list[str] | None, typer.Option(help="created, updated, deleted or accessed.")] = None,
    outcome: Annotated[list[str] | None, typer.Option(help="success, failure or denied.")] = None,
    source: Annotated[list[str] | None, typer.Option(help="ui, admin_panel, api or background.")] = None,
    actor_type: Annotated[list[str] | None, typer.Option(help="user, system or api_key.")] = None,
    actor_id: Annotated[list[str] | None, typer.Option(help="Who did it.")] = None,
    target_type: Annotated[list[str] | None, typer.Option(help="What kind of thing it was done to.")] = None,
    target_id: Annotated[list[str] | None, typer.Option(help="What it was done to.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.", metavar="N")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
    data_dir: DataDir = Path(".indelible"),
) -> None:
    """List a tenant's events as sentences, newest first, in your time zone.

    Example: indelible list --tenant acme 'sarah action:role_changed since:30d'. What TEXT may say is in docs/search.md.

    That you looked is recorded in the ledger first, by your login on this host: see docs/log-of-the-log.md.
    """
    many = {
        "action": action,
        "category": category,
        "operation": operation,
        "outcome": outcome,
        "source": source,
        "actor_type": actor_type,
        "actor_id": actor_id,
        "target_type": target_type,
        "target_id": target_id,
    }
    if text is not None and q is not None:
        fail("give TEXT or --q, not both: they are the same")
    box = q if text is None else text
    given = [(name, value) for name, value in (("since", since), ("until", until), ("q", box)) if value is not None]
    given += [(name, value) for name, values in many.items() for value in values or []]
    settings = Settings.from_env(os.environ)
    catalog = Catalog.load(settings.catalog)
    query = selected(tenant, given, catalog, renamed={} if text is None else {"q": "TEXT"})
    with database(settings, data_dir) as found:
        asyncio.run(_list(found.logins, settings, catalog, query, limit, as_json=as_json))


async def _log(logins: Logins, settings: Settings, raw: bytes, *, as_json: bool) -> str:
    catalog = Catalog.load(settings.catalog)
    prepared = Intake(catalog, settings.strict).take(raw, now=datetime.now(UTC), history=True)
    rules = Rules(catalog, host=settings.ledger_host, auto_tenants=settings.auto_tenants)
    patience = timedelta(seconds=settings.append_timeout)
    async with (
        connected(logins, size=2) as opened,
        Appender.open(opened, rules, lanes=1, patience=patience) as appender,
    ):
        (answer,) = await appender.append([prepared])
    if isinstance(answer, Exception):
        raise answer
    if as_json:
        return msgspec.json.encode(Accepted.of(prepared, answer)).decode()
    return f"#{answer.seq}  {catalog.sentence(prepared.event)}"


async def _list(
    logins: Logins, settings: Settings, catalog: Catalog, query: FilterQuery, limit: int, *, as_json: bool
) -> None:
    after = None
    is_recorded = False
    async with connected(logins, size=1) as opened:
        if not await ledgers(opened, tenant=query.tenant):
            note(f"There is no tenant {query.tenant!r} yet; `indelible tenants list` names those there are.")
        while limit > 0:
            page = await find(opened, View(query.tenant), query.where, catalog, limit=min(limit, 500), after=after)
            if not is_recorded:
                await recorded_listing(opened, settings, query, len(page.records))
                is_recorded = True
            for record in page.records:
                if as_json:
                    say(msgspec.json.encode(LoggedEvent.of(record, catalog)).decode())
                else:
                    assert record.event.occurred_at is not None
                    when = record.event.occurred_at.astimezone()
                    altered = "  [ALTERED: run indelible verify]" if record.altered else ""
                    say(f"{when:%Y-%m-%d %H:%M:%S %Z}  {sentence(record, catalog)}{_erased(record)}{altered}")
            limit -= len(page.records)
            after = page.next
            if after is None:
                break


def _erased(record: Record) -> str:
    """Which entries say that something of this one was erased."""
    records = ", ".join(f"#{seq}" for seq in sorted(set(record.erased.values())))
    return f"  [erased on request ({records}): {', '.join(record.erased)}]" if records else ""


def _parts(text: str, *names: str) -> dict[str, str]:
    return dict(zip(names, text.split(":", len(names) - 1), strict=False))


def _change(text: str) -> tuple[str, Any]:
    name, value = _pair("--change", text)
    before, colon, after = value.partition(":")
    if not colon:
        fail(f"--change {text!r}: write FIELD=FROM:TO")
    return name, {"from": before, "to": after}


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        fail(f"{option} {text!r}: write NAME=VALUE")
    return name, value
