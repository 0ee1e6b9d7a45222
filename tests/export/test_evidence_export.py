"""Evidence is as of one moment, while the ledger grows, is signed, and is erased from."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable

import pytest

from indelible.catalog import Catalog
from indelible.export.evidence import Scope, Summary, export_evidence
from indelible.ledger import evidence_verifier
from indelible.ledger.filter import Filter
from indelible.ledger.report import Report
from indelible.ledger.signing import SigningKey
from indelible.store import checkpoints
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.erase import Order, Selection, erase, plan
from indelible.store.errors import StoreError
from indelible.store.intake import Intake
from indelible.store.session import Database as Connections
from tests.postgres import Database
from tests.signed import origin_of, sign
from tests.store.samples import FULL, send, take

pytestmark = pytest.mark.anyio

KEY = SigningKey.generate()

Grow = Callable[[int], Awaitable[None]]


@pytest.fixture
async def grow(appender: Appender, intake: Intake) -> Grow:
    async def grow(count: int) -> None:
        await send(appender, *[take(intake, "acme", **FULL) for _ in range(count)])

    await grow(5)
    return grow


def signing(database: Database, connections: Connections) -> Callable[[int], Awaitable[str | None]]:
    """Signs the ledger as it is by then."""

    async def signed(size: int) -> str | None:
        found = await checkpoints.at_least(connections, "acme", size)
        if found is None:
            sign(database, "acme", KEY)
        found = await checkpoints.latest(connections, "acme")
        return found and found.note

    return signed


async def exported(
    database: Database,
    connections: Connections,
    signed: Callable[[int], Awaitable[str | None]],
    scope: Scope | None = None,
) -> tuple[Summary, Report]:
    file = io.BytesIO()
    summary = await export_evidence(connections, "acme", file, scope or Scope(), signed)
    assert summary.faults == ()
    file.seek(0)
    return summary, evidence_verifier.verify(file, [KEY.verifier(origin_of(database, "acme"))])


async def test_it_holds_what_is_signed(database: Database, connections: Connections, grow: Grow) -> None:
    signed = signing(database, connections)
    summary, report = await exported(database, connections, signed)
    assert (summary.start, summary.stop, summary.size, summary.checkpoint.size) == (0, 6, 6, 6)
    assert (report.verdict, report.counts.shown) == ("proven", 6)
    await grow(3)

    async def as_it_was(_size: int) -> str | None:
        found = await checkpoints.latest(connections, "acme")
        return found and found.note

    summary, report = await exported(database, connections, as_it_was)
    assert (summary.stop, summary.size, report.verdict) == (6, 9, "proven")


async def test_what_is_appended_and_signed_meanwhile_does_not_matter(
    database: Database, connections: Connections, grow: Grow
) -> None:
    """The checkpoint may be newer than the view of the data: the file ends where the view does."""
    sign_now = signing(database, connections)
    asked: list[int] = []

    async def signed(size: int) -> str | None:
        asked.append(size)
        await grow(300)
        return await sign_now(10**9)

    summary, report = await exported(database, connections, signed)
    assert asked == [6]
    assert (summary.stop, summary.checkpoint.size, report.verdict) == (306, 306, "proven")

    seen: list[int] = []

    async def overtaken(size: int) -> str | None:
        """The first checkpoint is older than the view, as something was appended in between."""
        seen.append(size)
        note = await sign_now(size)
        await grow(10)
        return note

    summary, report = await exported(database, connections, overtaken)
    assert seen == [306, 316]
    assert (summary.stop, report.verdict) == (316, "proven")


@pytest.mark.usefixtures("grow")
async def test_an_erasure_meanwhile_is_in_the_file_or_not_in_it_at_all(
    database: Database, connections: Connections, catalog: Catalog
) -> None:
    """Erased after the first checkpoint was signed, and before the data is read: signed again, with the record."""
    sign_now = signing(database, connections)
    erased: list[int] = []

    async def signed(size: int) -> str | None:
        note = await sign_now(size)
        if not erased:
            erased.append(size)
            selection = Selection("actor", "usr_7", ("actor",))
            planned = await plan(connections, "acme", selection)
            assert planned is not None
            done = await erase(connections, "acme", selection, Order("asked for"), Rules(catalog), planned)
            assert done.records == [6]
        return note

    summary, report = await exported(database, connections, signed)
    assert (summary.stop, report.verdict, report.counts.erased) == (7, "proven", 5)
    scope = Scope(stop=3, where=Filter(actor_id=frozenset({"usr_7"})))
    summary, report = await exported(database, connections, sign_now, scope)
    assert (summary.shown, report.verdict, report.counts.erased) == (2, "proven", 2)


@pytest.mark.usefixtures("grow")
@pytest.mark.parametrize("note", [None, "none"])
async def test_without_a_checkpoint_there_is_nothing_to_export(connections: Connections, note: str | None) -> None:
    async def signed(_size: int) -> str | None:
        return note

    with pytest.raises(StoreError, match="has been signed yet" if note is None else "was altered: the note has no"):
        await export_evidence(connections, "acme", io.BytesIO(), Scope(), signed)
