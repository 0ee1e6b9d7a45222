"""`indelible import`: a file of events, a JSON object a line."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Annotated, BinaryIO, TextIO
from uuid import UUID

import msgspec
import typer

from indelible.catalog import Catalog
from indelible.cli.database import DataDir, connected, database
from indelible.cli.output import Progress, fail, say
from indelible.event import MAX_EVENT_BYTES, InvalidEvent
from indelible.settings import Settings
from indelible.store.append import Receipt, Rules
from indelible.store.appender import Appender
from indelible.store.errors import StoreError, StoreUnavailable
from indelible.store.intake import Intake
from indelible.store.sealing import Prepared
from indelible.store.session import Logins

__all__ = ["import_events"]

_BATCH = 500


def import_events(
    file: Annotated[Path, typer.Argument(help="NDJSON: an event a line; - is standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="The result as one JSON object.")] = False,
    data_dir: DataDir = Path(".indelible"),
) -> None:
    """Import events, of any age and any tenants.

    An event without an id gets one from its line's number and text, so running the import again, after an
    interruption or by mistake, adds nothing twice. Refused lines do not stop it; they are listed at the end.

    Exit code 0: every line is in; 1: some were refused; 2: it could not be done.
    """
    settings = Settings.from_env(os.environ)
    with _opened(file) as source, tempfile.TemporaryFile("w+", encoding="utf-8") as refusals:
        with database(settings, data_dir) as found:
            result = asyncio.run(_import(found.logins, settings, source, _Result(refusals)))
        result.show(as_json=as_json)
    if result.refused:
        raise typer.Exit(1)


@dataclass(slots=True)
class _Result:
    refusals: TextIO
    """A JSON object a refused line, out of memory: a file may be wrong from end to end."""
    added: int = 0
    already: int = 0
    refused: int = 0
    tenants: set[str] = field(default_factory=set)

    def refuse(self, line: int, error: Exception) -> None:
        self.refused += 1
        self.refusals.write(msgspec.json.encode({"line": line, "reason": str(error)}).decode() + "\n")

    def accept(self, tenant: str, receipt: Receipt) -> None:
        self.tenants.add(tenant)
        self.added += receipt.created
        self.already += not receipt.created

    def show(self, *, as_json: bool) -> None:
        self.refusals.seek(0)
        if as_json:
            lines = ",".join(line.strip() for line in self.refusals)
            say(
                f'{{"added":{self.added},"already_there":{self.already},"refused":{self.refused},"refusals":[{lines}]}}'
            )
            return
        say(
            f"Added: {self.added:,}. There already: {self.already:,}. Refused: {self.refused:,}. "
            f"Ledgers: {len(self.tenants):,}."
        )
        for text in self.refusals:
            refusal = msgspec.json.decode(text)
            say(f"  line {refusal['line']}: {refusal['reason']}")


def _opened(file: Path) -> nullcontext[BinaryIO] | BinaryIO:
    if str(file) == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return file.open("rb")
    except OSError as error:
        fail(f"FILE {str(file)!r}: {error.strerror}")


async def _import(logins: Logins, settings: Settings, source: BinaryIO, result: _Result) -> _Result:
    catalog = Catalog.load(settings.catalog)
    intake = Intake(catalog, settings.strict)
    rules = Rules(catalog, host=settings.ledger_host, auto_tenants=settings.auto_tenants)
    patience = timedelta(seconds=settings.append_timeout)
    total = _size(source)
    progress = Progress("importing", " bytes")
    async with (
        connected(logins, size=settings.lanes + 1) as opened,
        Appender.open(opened, rules, lanes=settings.lanes, patience=patience) as appender,
    ):
        batch: list[tuple[int, Prepared]] = []
        for number, text, read in _lines(source):
            try:
                batch.append((number, _take(intake, number, text)))
            except InvalidEvent as error:
                result.refuse(number, error)
            if len(batch) >= _BATCH:
                await _append(appender, batch, result)
                batch = []
                progress(read, total)
        await _append(appender, batch, result)
    progress.close()
    return result


def _take(intake: Intake, number: int, text: bytes) -> Prepared:
    # Version 8 (RFC 9562): made from what the line is, so the next run makes it again.
    digest = sha256(b"indelible import\0%d\0%s" % (number, text)).digest()
    made = UUID(int=int.from_bytes(digest[:16]) & ~(0xF << 76) & ~(0x3 << 62) | 0x8 << 76 | 0x2 << 62)
    return intake.take(text, now=datetime.now(UTC), history=True, id_if_absent=made)


async def _append(appender: Appender, batch: list[tuple[int, Prepared]], result: _Result) -> None:
    answers = await appender.append([prepared for _, prepared in batch])
    for (number, prepared), answer in zip(batch, answers, strict=True):
        if isinstance(answer, StoreUnavailable):
            raise StoreError(f"stopped at line {number}: {answer}. Run the import again; it goes on where it stopped")
        if isinstance(answer, Exception):
            result.refuse(number, answer)
        else:
            result.accept(prepared.event.tenant_id, answer)


def _lines(source: BinaryIO) -> Iterator[tuple[int, bytes, int]]:
    """Each line that is not blank: its number, its text and how many bytes are read. Memory is flat."""
    number = read = 0
    while line := source.readline(MAX_EVENT_BYTES + 2):
        number += 1
        read += len(line)
        rest = line
        while rest and not rest.endswith(b"\n"):  # too long to be an event; its start is enough to refuse it
            rest = source.readline(1 << 20)
            read += len(rest)
        text = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
        if text:
            yield number, text, read


def _size(source: BinaryIO) -> int:
    try:
        return os.fstat(source.fileno()).st_size
    except OSError:
        return 0
