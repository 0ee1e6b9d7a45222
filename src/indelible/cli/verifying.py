"""`indelible verify`."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import psycopg
import typer

from indelible.cli.database import DataDir, connected, database
from indelible.cli.output import Progress, fail, note, say
from indelible.ledger import base64url
from indelible.ledger.evidence_command import Unusable, read_keys
from indelible.ledger.note import Verifier
from indelible.ledger.tree import HASH_BYTES
from indelible.settings import Settings
from indelible.store.errors import StoreError
from indelible.store.session import Logins, first_line
from indelible.store.tenants import tenants
from indelible.store.verify import Remembered, Report
from indelible.store.verify import verify as verify_ledger

__all__ = ["verify"]

_SHOWN = 10
"""Contradictions shown of one ledger; --json has all of them."""


def verify(
    tenant: Annotated[
        str | None, typer.Option(help="One tenant's ledger; all of them if absent.", metavar="TENANT")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=1, help="How many entries the ledger had, as noted earlier.", metavar="N")
    ] = None,
    head: Annotated[
        str | None, typer.Option(help="The head it had at that size, as noted earlier.", metavar="HASH")
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            help="The vkey of a ledger, as you noted it, or a file with vkeys, one a line: checkpoints must be signed "
            "with it. May be repeated.",
            metavar="VKEY",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a ledger.")] = False,
    data_dir: DataDir = Path(".indelible"),
) -> None:
    """Read every entry again and prove that nothing was altered, moved, added or removed.

    Recomputes the hash of each entry, the chain, the tree and the disclosures, and compares the indexed columns and
    the stored checkpoints. What was erased on request is no contradiction where the ledger records it.
    That everything was rewritten, or the newest deleted, together with the checkpoints shows only against what is kept
    outside the database: give --size and --head as noted earlier, and --key to have the signatures checked.

    Exit code 0: proven; 1: contradicted, and it says where; 2: could not be checked.
    """
    if tenant is None and (size is not None or head is not None):
        fail("--size and --head belong to one ledger: give --tenant as well")
    if head is not None and size is None:
        fail("--head is the head at a size: give --size as well")
    if head is not None and not _is_hash(head):
        fail(f"--head {head!r}: a head is 43 characters of base64url, as verify prints it")
    remembered = Remembered(size, head) if size is not None else None
    keys = _keys(key or [])
    settings = Settings.from_env(os.environ)
    with database(settings, data_dir) as found:
        reports = asyncio.run(_verify(found.logins, tenant, remembered, keys, as_json=as_json))
    if not all(reports):
        raise typer.Exit(2 if None in reports else 1)


def _is_hash(text: str) -> bool:
    try:
        return len(base64url.decode(text)) == HASH_BYTES
    except ValueError:
        return False


def _keys(given: Sequence[str]) -> list[Verifier]:
    try:
        return read_keys(given) if given else []
    except Unusable as error:
        fail(f"--key: {error}")


async def _verify(
    logins: Logins, tenant: str | None, remembered: Remembered | None, keys: Sequence[Verifier], *, as_json: bool
) -> list[bool | None]:
    """For each ledger whether it is proven; None where that could not be found out."""
    async with connected(logins, size=2) as opened:
        names = [tenant] if tenant is not None else await tenants(opened)
        if not names:
            fail("there is no ledger yet: nothing was checked")
        outcomes: list[bool | None] = []
        unused = {key.name for key in keys}
        for name in names:
            progress = Progress(name, " entries")
            try:
                report = await verify_ledger(opened, name, remembered=remembered, keys=keys, progress=progress)
            except (StoreError, psycopg.Error) as error:
                progress.close()
                note(f"{name}: could not be checked: {first_line(error)}")
                outcomes.append(None)
                continue
            progress.close()
            if report is None:
                note(f"{name}: could not be checked: there is no such ledger")
                outcomes.append(None)
                continue
            outcomes.append(False if report.contradictions else True if report.proven else None)
            unused.discard(report.origin)
            _show(report, as_json=as_json)
        for origin in sorted(unused):
            # A key that was mistyped must not leave signatures unchecked in silence.
            note(f"--key: none of the ledgers checked is {origin}, so nothing was checked with its key")
            outcomes.append(None)
        return outcomes


def _show(report: Report, *, as_json: bool) -> None:
    if as_json:
        say(msgspec.json.encode(msgspec.to_builtins(report) | {"proven": report.proven}).decode())
        return
    if report.proven:
        say(
            f"{report.tenant_id}: proven. {report.size:,} entries, head {report.head}, root {report.root}"
            f"{_besides(report)}"
        )
        return
    verdict = "CONTRADICTED" if report.contradictions else "NOT PROVEN"
    say(f"{report.tenant_id}: {verdict}. {report.size:,} entries{_besides(report)}")
    for contradiction in report.contradictions[:_SHOWN]:
        where = "ledger" if contradiction.seq is None else f"entry {contradiction.seq}"
        say(f"  {where}: {contradiction.what}")
    if (more := len(report.contradictions) - _SHOWN) > 0:
        say(f"  and {more:,} more")
    for what in report.unproven:
        say(f"  ledger: {what}")


def _besides(report: Report) -> str:
    """What else there was to check, and what of it was not."""
    parts = []
    if report.erased:
        parts.append(f"{report.erased:,} personal part{'' if report.erased == 1 else 's'} erased, as recorded")
    if report.checkpoints:
        signatures = "with their signatures" if report.signatures_checked else "signatures not checked: give --key"
        parts.append(f"{report.checkpoints:,} checkpoint{'' if report.checkpoints == 1 else 's'} ({signatures})")
    return "".join(f"; {part}" for part in parts)
