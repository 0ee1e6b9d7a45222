"""A vendor with two customers: the service, the signer, the exports, and what customers verify.

`Vendor.verify` has each file judged by `indelible evidence verify` and by verify.py, and both have to agree.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import secrets
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from indelible.archive import Archive
from indelible.catalog import Catalog
from indelible.ledger import base64url, evidence
from indelible.ledger.signing import SigningKey
from indelible.ledger.standalone import source
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.intake import Intake
from indelible.store.session import Database as Connections
from indelible.worker.signer import Refused, Signer
from tests.cli.conftest import Done, indelible
from tests.postgres import Database
from tests.store.samples import FULL, rows, send, take

__all__ = ["Vendor", "disclosed", "lines_of", "opened_vendor", "write"]


@dataclass
class Vendor:
    database: Database
    connections: Connections
    runner: asyncio.Runner
    folder: Path
    acme: str
    umbra: str
    """The two customers."""
    catalog: Catalog
    key: SigningKey = field(default_factory=SigningKey.generate)
    exports: int = 0

    # --- the service

    def log(self, count: int = 1, tenant: str | None = None, *, at_once: bool = False, **fields: Any) -> None:
        """Events one after the other, or in one transaction, each of which has every group of disclosures."""

        async def log() -> None:
            rules = Rules(self.catalog)
            intake = Intake(self.catalog)
            events = [take(intake, tenant or self.acme, **{**FULL, **fields}) for _ in range(count)]
            async with Appender.open(self.connections, rules, lanes=1) as appender:
                for batch in [events] if at_once else [[event] for event in events]:
                    await send(appender, *batch)

        self.runner.run(log())

    def erase(self, *options: str, tenant: str | None = None) -> None:
        done = self.command(
            "erase", "--tenant", tenant or self.acme, "--reason", "they asked for it", "--yes", *options
        )
        assert done.code == 0, done.err

    # --- the signer

    def signer(self, archive: Archive | None = None) -> Signer:
        """One that was just started, and remembers nothing."""
        return Signer(self.connections, Rules(self.catalog), [self.key], archive)

    def sign(self, tenant: str | None = None, signer: Signer | None = None) -> Path:
        """A checkpoint as the customer keeps it. Raises `Refused`."""
        signed = self.runner.run((signer or self.signer()).sign(tenant or self.acme))
        file = self.folder / f"kept-{sha256(signed.note.encode()).hexdigest()[:8]}.txt"
        file.write_text(signed.note)
        return file

    def refusal(self, tenant: str | None = None, signer: Signer | None = None) -> str:
        """Why the signer does not sign; "" where it does."""
        try:
            self.sign(tenant, signer)
        except Refused as refused:
            return str(refused)
        return ""

    # --- the commands

    def command(self, *arguments: str) -> Done:
        settings = {"INDELIBLE_DATABASE_URL": self.database.url, "INDELIBLE_SIGNING_KEY": self.key.pem()}
        return indelible(*arguments, cwd=self.folder, settings=settings)

    def export(self, *options: str, tenant: str | None = None, suffix: str = ".jsonl") -> tuple[Path, Done]:
        """As the vendor exports, honestly, whatever is in the database by now."""
        self.exports += 1
        file = self.folder / f"{self.exports}{suffix}"
        arguments = ("export", "--evidence", "--tenant", tenant or self.acme, "--out", str(file), *options)
        return file, self.command(*arguments)

    def exported(self, *options: str, tenant: str | None = None, suffix: str = ".jsonl") -> Path:
        file, done = self.export(*options, tenant=tenant, suffix=suffix)
        assert done.code == 0, done.err
        return file

    def verify_database(self, tenant: str | None = None) -> Done:
        return self.command("verify", "--tenant", tenant or self.acme, "--key", self.vkey(tenant))

    # --- the customer

    def origin(self, tenant: str | None = None) -> str:
        query = "SELECT origin FROM indelible.ledgers WHERE tenant_id = %s"
        ((origin,),) = rows(self.database, query, tenant or self.acme)
        return str(origin)

    def vkey(self, tenant: str | None = None, key: SigningKey | None = None) -> str:
        """What the customer pinned."""
        return str((key or self.key).verifier(self.origin(tenant)))

    def verify(self, file: Path, *options: str, key: str | None = None) -> Done:
        """What the customer is told, without a database."""
        arguments = [str(file), "--key", key or self.vkey(), *options]
        done = indelible("evidence", "verify", *arguments)
        assert _alone(arguments) == (done.code, done.out), "verify.py says something else"
        assert done.err == ""
        return done


@contextlib.contextmanager
def opened_vendor(database: Database, catalog: Catalog, folder: Path) -> Iterator[Vendor]:
    """Each customer's ledger has nine entries: the opening and eight events. Nothing is signed yet."""
    acme, umbra = (f"{name}-{secrets.token_hex(4)}" for name in ("acme", "umbra"))
    with asyncio.Runner() as runner:
        opening = Connections.open(database.url, size=3)
        connections = runner.run(opening.__aenter__())
        try:
            vendor = Vendor(database, connections, runner, folder, acme, umbra, catalog)
            vendor.log(8)
            vendor.log(8, umbra)
            yield vendor
        finally:
            runner.run(opening.__aexit__(None, None, None))


@cache
def _verify_py() -> ModuleType:
    module = ModuleType("verify_py")
    sys.modules[module.__name__] = module  # dataclasses ask for it
    exec(compile(source(), "verify.py", "exec"), module.__dict__)
    return module


def _alone(arguments: Sequence[str]) -> tuple[int, str]:
    """verify.py's answer."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = _verify_py().main(list(arguments))
    return code, out.buffer.getvalue().decode()


def lines_of(file: Path) -> list[bytes]:
    """A file's lines without its end, to be forged: header, erasure records, entries."""
    return file.read_bytes().splitlines(keepends=True)[:-1]


def disclosed(file: Path) -> bytes:
    """Everything that is disclosed in a file."""
    texts = [
        text for line in lines_of(file) if line.startswith(evidence.ENTRY) for text in evidence.cut_entry(line)[1] or []
    ]
    return b"\n".join(base64url.decode(text.decode()) for text in texts)


def write(file: Path, lines: Sequence[bytes]) -> Path:
    """A file of these lines, with an end that fits them: whoever forges the file can count and hash, too."""
    body = b"".join(lines)
    forged = file.with_suffix(".forged.jsonl")
    forged.write_bytes(body + evidence.end_line(evidence.End(len(lines), sha256(body).digest())))
    return forged
