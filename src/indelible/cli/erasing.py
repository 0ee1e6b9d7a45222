"""`indelible erase`."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from uuid import UUID

import msgspec
import typer

from indelible.catalog import Catalog
from indelible.cli.database import DataDir, connected, database
from indelible.cli.output import Progress, fail, note, say
from indelible.cli.recording import operator
from indelible.cli.selecting import selected
from indelible.ledger.disclosure import GROUPS
from indelible.settings import Settings
from indelible.store.append import Rules
from indelible.store.erase import DEFAULT_GROUPS, By, Erased, Order, Plan, Selection
from indelible.store.erase import erase as erase_selected
from indelible.store.erase import plan as plan_erasure
from indelible.store.session import Logins, Role

__all__ = ["erase"]

_MAX_TEXT = 1000


def erase(
    tenant: Annotated[str, typer.Option(help="Whose ledger.", metavar="TENANT")],
    reason: Annotated[
        str, typer.Option(help="Why. It is kept for good, so name nobody in it.", metavar="TEXT", show_default=False)
    ],
    actor: Annotated[
        str | None, typer.Option(help="Of the events that this user, key or impersonator did.", metavar="ID")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Of the events that were done to this user or thing.", metavar="ID")
    ] = None,
    event: Annotated[str | None, typer.Option(help="Of one event.", metavar="UUID")] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            help="What of them: actor, changes, context, metadata, targets, with commas between. Default: "
            "actor,context with --actor; changes,targets with --target; all with --event.",
            metavar="GROUPS",
        ),
    ] = None,
    request: Annotated[
        str | None, typer.Option(help="The number of the request, such as DSR-19; kept for good.", metavar="ID")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Who ordered it, besides your login; kept for good.", metavar="NAME")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Of events from then on: RFC 3339, or back from now (30m, 24h, 7d, 2w).")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Of events before then; as --since.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Erase. Without it, only say what would be erased.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The result as one JSON object.")] = False,
    data_dir: DataDir = Path(".indelible"),
) -> None:
    """Erase personal data, and record in the ledger that it was erased.

    Says what would go and what would stay; with --yes it goes, for good. The entries stay, with the ids of actors and
    targets, and the ledger still verifies. Run again after an interruption, it goes on with what is left. Backups and
    replicas keep copies: see docs/erasure.md.

    Exit code 0: done, or nothing was left to do; 2: it could not be done.
    """
    selection = _selection(actor, target, event, groups, tenant, since, until)
    order = Order(_text("--reason", reason), _optional("--request", request), _optional("--by", by), operator())
    settings = Settings.from_env(os.environ)
    with database(settings, data_dir) as found:
        planned, erased = asyncio.run(_run(found.logins, settings, tenant, selection, order, yes=yes))
    if as_json:
        say(msgspec.json.encode(_result(tenant, order, planned, erased)).decode())
    else:
        _show(tenant, selection, planned, erased)


async def _run(
    logins: Logins, settings: Settings, tenant: str, selection: Selection, order: Order, *, yes: bool
) -> tuple[Plan, Erased | None]:
    rules = Rules(Catalog.load(settings.catalog), host=settings.ledger_host)
    roles: list[Role] = ["reader", "keeper"] if yes else ["reader"]
    async with connected(logins, size=2, roles=roles) as opened:
        progress = Progress(f"looking through {tenant}", " entries")
        planned = await plan_erasure(opened, tenant, selection, progress=progress)
        progress.close()
        if planned is None:
            fail(f"there is no tenant {tenant!r}; `indelible tenants list` names those there are")
        _refuse(tenant, selection, planned)
        if not yes or not planned.seqs:
            return planned, None
        progress = Progress(f"erasing from {tenant}", " entries")
        try:
            return planned, await erase_selected(opened, tenant, selection, order, rules, planned, progress=progress)
        finally:
            progress.close()


def _refuse(tenant: str, selection: Selection, planned: Plan) -> None:
    """Ends the command where nothing is selected: an id that was mistyped must not look like a request that was met."""
    if selection.by == "event":
        if planned.own:
            fail(f"{selection.id} is an entry of the ledger's own, and those are never erased")
        if not planned.events:
            fail(f"{tenant} has no event {selection.id}")
    elif not planned.events and not planned.recorded:
        span = " in this span of time" if selection.since or selection.until else ""
        role = "was done by" if selection.by == "actor" else "has the target"
        fail(f"no event of {tenant} {role} {selection.id!r}{span}: nothing to erase; is the id right?")


def _selection(
    actor: str | None,
    target: str | None,
    event: str | None,
    groups: str | None,
    tenant: str,
    since: str | None,
    until: str | None,
) -> Selection:
    choices: list[tuple[By, str | None]] = [("actor", actor), ("target", target), ("event", event)]
    given = [(by, value) for by, value in choices if value is not None]
    if len(given) != 1:
        fail("say of which events: give one of --actor, --target and --event")
    ((by, id_),) = given
    if by == "event":
        try:
            id_ = str(UUID(id_))
        except ValueError:
            fail(f"--event {id_!r}: an event's id is a UUID, as `indelible list --json` shows it")
        if since or until:
            fail("--since and --until belong to --actor or --target")
    elif not id_ or not _is_text(id_):
        fail(f"--{by}: give the id as it is in the events")
    span = [(name, value) for name, value in (("since", since), ("until", until)) if value is not None]
    where = selected(tenant, span).where
    return Selection(by, id_, _groups(groups) or DEFAULT_GROUPS[by], where.since, where.until)


def _groups(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    named = {group.strip() for group in text.split(",")}
    for group in sorted(named.difference(GROUPS)):
        fail(f"--groups: there is no group {group!r}; there are {', '.join(GROUPS)}")
    return tuple(sorted(named))


def _optional(option: str, text: str | None) -> str | None:
    return None if text is None else _text(option, text)


def _text(option: str, text: str) -> str:
    text = text.strip()
    if not text:
        fail(f"{option} is empty: it is what the record will say")
    if len(text) > _MAX_TEXT or not _is_text(text):
        fail(f"{option}: at most {_MAX_TEXT:,} characters of text")
    return text


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # an argument that was not UTF-8
        return False
    return True


def _result(tenant: str, order: Order, planned: Plan, erased: Erased | None) -> dict[str, object]:
    return {
        "tenant_id": tenant,
        "request": order.request,
        "done": erased is not None or not planned.seqs,
        "events": erased.events if erased else len(planned.seqs),
        "erased" if erased else "to_erase": dict(sorted((erased.groups if erased else planned.going).items())),
        "stays": dict(sorted(planned.staying.items())),
        "erased_earlier": dict(sorted(planned.gone.items())),
        "records": erased.records if erased else [],
    }


def _show(tenant: str, selection: Selection, planned: Plan, erased: Erased | None) -> None:
    if not planned.seqs:
        say(f"Nothing is left to erase: {tenant} has no {_any(selection.groups)} of {selection.by} {selection.id}.")
    elif erased is None:
        say(f"Would erase from {_events(len(planned.seqs))} of {tenant}: {_counts(planned.going)}.")
    else:
        first, *more = [f"#{seq}" for seq in erased.records] or ["nothing"]
        records = f"{first} to {more[-1]}" if more else first
        say(f"Erased from {_events(erased.events)} of {tenant}: {_counts(erased.groups)}. Recorded as {records}.")
    if planned.staying:
        say(f"Of these events stay: {_counts(planned.staying)}; and the ids of actors and targets, in the entries.")
    if planned.seqs and erased is None:
        note("Nothing was erased: give --yes to erase it.")
    elif erased is not None:
        note("Backups, replicas and exports keep what they hold: see docs/erasure.md.")


def _any(groups: tuple[str, ...]) -> str:
    return f"{', '.join(groups[:-1])} or {groups[-1]}" if len(groups) > 1 else groups[0]


def _events(number: int) -> str:
    return f"{number:,} event{'' if number == 1 else 's'}"


def _counts(groups: Mapping[str, int]) -> str:
    return ", ".join(f"{group} {number:,}" for group, number in sorted(groups.items()))
