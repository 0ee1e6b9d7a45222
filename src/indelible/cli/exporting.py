"""`indelible export`: a range of a tenant's ledger as a file that proves itself."""

import asyncio
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from indelible.cli.database import DataDir, connected, database
from indelible.cli.keys import signing_keys
from indelible.cli.output import Progress, fail, note, say
from indelible.cli.recording import recorded
from indelible.cli.selecting import selected
from indelible.cli.signing import Checkpoints
from indelible.cli.worker import CONNECTIONS
from indelible.export.bundle import bundled
from indelible.export.evidence import Scope, Summary, UnsignedErasure, export_evidence
from indelible.ledger import note as notes
from indelible.ledger.checkpoint import Checkpoint
from indelible.ledger.checkpoint import parse as parse_checkpoint
from indelible.ledger.disclosure import GROUPS
from indelible.ledger.entry import millis
from indelible.ledger.filter import Filter
from indelible.ledger.note import BadNote
from indelible.ledger.signing import SigningKey
from indelible.ledger.standalone import source
from indelible.settings import Settings
from indelible.store.session import Logins

__all__ = ["export"]


def export(
    tenant: Annotated[str, typer.Option(help="Whose ledger.", metavar="TENANT")],
    out: Annotated[Path, typer.Option(help="The file to write: NAME.zip, or NAME.jsonl.", metavar="FILE")],
    evidence: Annotated[bool, typer.Option("--evidence", help="As evidence, which is verified offline.")] = False,
    since: Annotated[str | None, typer.Option(help="Occurred then or later: RFC 3339, or 7d.", metavar="TIME")] = None,
    until: Annotated[str | None, typer.Option(help="Occurred before then.", metavar="TIME")] = None,
    action: Annotated[
        list[str] | None,
        typer.Option(help="As all filters below it may be repeated; any of them will do.", metavar="ACTION"),
    ] = None,
    actor: Annotated[list[str] | None, typer.Option(help="The actor's id.", metavar="ID")] = None,
    actor_type: Annotated[list[str] | None, typer.Option(help="user, system or api_key.", metavar="TYPE")] = None,
    target: Annotated[list[str] | None, typer.Option(help="A target's id, not only the first's.", metavar="ID")] = None,
    target_type: Annotated[list[str] | None, typer.Option(help="A target's type.", metavar="TYPE")] = None,
    category: Annotated[
        list[str] | None, typer.Option(help="auth, access, data, config or security.", metavar="CATEGORY")
    ] = None,
    operation: Annotated[
        list[str] | None, typer.Option(help="created, updated, deleted or accessed.", metavar="OPERATION")
    ] = None,
    outcome: Annotated[list[str] | None, typer.Option(help="success, failure or denied.", metavar="OUTCOME")] = None,
    source_: Annotated[
        list[str] | None, typer.Option("--source", help="ui, admin_panel, api or background.", metavar="SOURCE")
    ] = None,
    start: Annotated[int, typer.Option("--from", min=0, help="The first entry's number.", metavar="N")] = 0,
    stop: Annotated[int | None, typer.Option("--to", min=1, help="The number it ends before.", metavar="N")] = None,
    hide: Annotated[
        bool,
        typer.Option("--hide", help="Entries outside of the filter as hashes only: then it is not proven complete."),
    ] = False,
    withhold: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Leave out a group of personal parts: {', '.join(GROUPS)}. May be repeated.", metavar="GROUP"
        ),
    ] = None,
    after: Annotated[
        Path | None,
        typer.Option(help="An earlier checkpoint, to prove that nothing before it changed.", metavar="FILE"),
    ] = None,
    data_dir: DataDir = Path(".indelible"),
) -> None:
    """Write evidence: entries, personal parts, and all that proves them against a signed checkpoint.

    The zip holds evidence.jsonl, verify.py, which needs nothing but Python, and a README for whoever verifies it. A
    filter's entries are shown whole; the others are in the file without their personal parts, so that it can be checked
    that the filter left out nothing that it should show.

    The checkpoint is signed now if the signing key is set here; otherwise `indelible worker` is asked for it, and
    waited for up to 10 seconds.

    Before anything is read, the ledger gets an entry that you exported it, by your login on this host; without --to it
    is the last one in the file.

    Exit code 0: written; 1: written, and it lacks entries that are not signed, or what is stored contradicts what was
    signed of it; 2: could not be done.
    """
    if not evidence:
        fail("give --evidence: there is no other kind of export yet")
    if out.suffix not in (".zip", ".jsonl"):
        fail(f"--out {str(out)!r}: the name has to end in .zip or .jsonl")
    if not out.parent.is_dir():
        fail(f"--out {str(out)!r}: there is no directory {str(out.parent)!r}")
    if stop is not None and stop <= start:
        fail(f"--to {stop}: the range begins with --from {start} and ends before --to, so it is empty")
    beside = out.with_name("verify.py") if out.suffix == ".jsonl" else None
    for path in filter(None, (out, beside)):
        if path.exists() and not (path == beside and _is_ours(path)):
            fail(f"{path} exists already, and is not overwritten")
    if unknown := set(withhold or ()) - set(GROUPS):
        fail(f"--withhold {min(unknown)!r}: there is no such group; there are {', '.join(GROUPS)}")
    filters = {
        "action": action, "actor_id": actor, "actor_type": actor_type, "target_id": target, "target_type": target_type,
        "category": category, "operation": operation, "outcome": outcome, "source": source_,
    }  # fmt: skip
    where, recorded_since = _filter(tenant, filters, since, until)
    if hide and where is None:
        fail("--hide is about entries outside of a filter: give one as well")
    scope = Scope(start, stop, recorded_since, where, hide, frozenset(withhold or ()), _older(after))
    asked = _asked(filters, since, until, scope)
    settings = Settings.from_env(os.environ)
    keys = signing_keys(settings, data_dir, note)
    with database(settings, data_dir) as found, _opened(out) as file:
        summary, refused, own = asyncio.run(_export(settings, data_dir, found.logins, tenant, keys, scope, asked, file))
    if beside and not beside.exists():
        try:
            beside.write_bytes(source().encode())
        except OSError as error:
            fail(f"{out} is written, but {beside} cannot be: {error.strerror}")
    _say(out, summary, scope)
    lacking = summary.lacking
    if lacking == 1 and own == summary.stop:
        note(f"Entry {own:,}, which records this export, is not signed yet, and not in the file.")
    elif lacking:
        why = "this ledger is not signed any more" if refused else "is `indelible worker` running?"
        note(f"Entries from {summary.stop:,} on are not signed, and not in the file, which lacks {lacking:,}: {why}")
    for fault in summary.faults:
        note(f"indelible: {fault}")
    if summary.faults:
        note("The file holds what is stored, and does not verify. `indelible verify` says where it was altered.")
    if summary.faults or lacking > (own == summary.stop):
        raise typer.Exit(1)


async def _export(
    settings: Settings,
    data_dir: Path,
    logins: Logins,
    tenant: str,
    keys: Sequence[SigningKey],
    scope: Scope,
    asked: Mapping[str, Any],
    file: BinaryIO,
) -> tuple[Summary, bool, int | None]:
    """And whether a signer refuses the ledger, and the number of the entry that records the export."""
    # It begins to measure with the first entries: the checkpoint may have to be waited for.
    progress = cache(lambda: Progress("writing", " entries"))
    async with connected(logins, size=CONNECTIONS + 2) as opened:
        record = await recorded(opened, settings, tenant, "audit_log.exported", metadata=asked)
        signing = Checkpoints(opened, settings, data_dir, keys, tenant)

        async def signed(size: int) -> str | None:
            found = await signing.covering(size)
            return found.note if found else None

        def show(done: int, total: int) -> None:
            progress()(done, total)

        try:
            summary = await export_evidence(opened, tenant, file, scope, signed, show)
        except UnsignedErasure as error:
            fail(f"{error}: {_way_out(error) if signing.is_refused else 'is `indelible worker` running?'}")
        else:
            return summary, signing.is_refused, record.seq if record else None
        finally:
            progress().close()


def _way_out(error: UnsignedErasure) -> str:
    groups = " ".join(f"--withhold {group}" for group in error.groups)
    return (
        "the ledger is not signed any more. Export a range without these entries (--from, --to), or leave out what was "
        f"erased ({groups})"
    )


def _say(out: Path, summary: Summary, scope: Scope) -> None:
    point = summary.checkpoint
    matching = "" if scope.where is None else f", {summary.shown:,} matching the filter"
    say(f"{out}: entries {summary.start:,} to {summary.stop - 1:,} of {point.origin}{matching}")
    if not summary.faults:
        say(f"Covered by the checkpoint at {point.size:,} entries. To verify it, offline:")
        accepted = [*["--accept-withheld"] * bool(scope.withheld), *["--accept-hidden"] * scope.hide]
        given = " ".join([shlex.quote(str(out)), "--key VKEY", *accepted])
        say(f"  indelible evidence verify {given}")
        say(f"  python3 -I verify.py {given}")
        if accepted:
            say(f"Whoever verifies it has to agree to {' and '.join(accepted)}: without, the file is not proven.")
        say("The VKEY must come from elsewhere than this file: `indelible keys vkeys` prints it for publication.")
        say("So must verify.py: from the project, or from `indelible evidence verifier`.")
    if scope.stop is not None and scope.stop > summary.size:
        note(f"--to {scope.stop}: the ledger ends before, it has {summary.size:,} entries")


def _filter(
    tenant: str, lists: dict[str, list[str] | None], since: str | None, until: str | None
) -> tuple[Filter | None, datetime | None]:
    given = [(name, value) for name, values in lists.items() for value in values or ()]
    given += [(name, value) for name, value in (("since", since), ("until", until)) if value is not None]
    where = selected(tenant, given, renamed={"actor_id": "actor", "target_id": "target"}).where
    if not given:
        return None, None
    for action in lists.get("action") or ():
        if "*" in action:
            fail(f"--action {action!r}: evidence takes actions as they are; name each, without *")
    lists_ = {name: frozenset(values) for name, values in lists.items() if values}
    return Filter(**lists_, since=_ceiling(where.since), until=_ceiling(where.until)), where.since


def _asked(lists: dict[str, list[str] | None], since: str | None, until: str | None, scope: Scope) -> Mapping[str, Any]:
    """What is recorded of what was asked for."""
    given: dict[str, Any] = {name: values for name, values in lists.items() if values}
    given |= {name: value for name, value in (("since", since), ("until", until)) if value is not None}
    asked: dict[str, Any] = {"format": "evidence"}
    if given:
        asked["filters"] = given
    if scope.start or scope.stop is not None:
        asked["range"] = f"{scope.start} to {scope.stop}" if scope.stop is not None else f"from {scope.start}"
    if scope.withheld:
        asked["withheld"] = sorted(scope.withheld)
    return asked


def _ceiling(moment: datetime | None) -> str | None:
    """The first millisecond that is not before `moment`: entries tell milliseconds, and both bounds look from below."""
    return None if moment is None else millis(moment + timedelta(microseconds=999))


def _older(path: Path | None) -> Checkpoint | None:
    if path is None:
        return None
    try:
        return parse_checkpoint(notes.parse(path.read_bytes()).text)
    except OSError as error:
        fail(f"--after {str(path)!r} cannot be read: {error.strerror}")
    except BadNote as error:
        fail(f"--after {str(path)!r} is no checkpoint: {error}")


def _is_ours(path: Path) -> bool:
    return path.is_file() and path.read_bytes() == source().encode()


@contextmanager
def _opened(out: Path) -> Iterator[BinaryIO]:
    """Where the evidence goes. The file gets its name when all of it is there; whatever happens before leaves none."""
    part = out.with_name(out.name + ".part")
    try:
        file = part.open("xb")
    except FileExistsError:
        fail(f"{part} is left from an export that was killed, or one is writing it: remove it, or name another --out")
    except OSError as error:
        fail(f"{out} cannot be written: {error.strerror}")
    try:
        with file:
            if out.suffix == ".zip":
                with bundled(file) as evidence:
                    yield evidence
            else:
                yield file
            file.flush()
            os.fsync(file.fileno())
        _name(part, out)
    except FileExistsError:
        fail(f"{out} exists already, and is not overwritten")
    except OSError as error:
        fail(f"{out} cannot be written: {error.strerror}")
    finally:
        part.unlink(missing_ok=True)


def _name(part: Path, out: Path) -> None:
    """Raises `FileExistsError` where there is such a file by now."""
    try:
        os.link(part, out)  # unlike a rename it never replaces a file
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if out.exists():
            raise FileExistsError(out) from None
        part.rename(out)
