"""Verification against changes of what is stored to prove things: erasures, subtrees and signed checkpoints.

A superuser may rewrite all of it but cannot sign: what was signed contradicts what they wrote.
"""

from collections.abc import Sequence

import pytest

from indelible.catalog import Catalog
from indelible.ledger import checkpoint
from indelible.ledger.checkpoint import Checkpoint
from indelible.ledger.disclosure import GROUPS
from indelible.ledger.note import Verifier
from indelible.ledger.signing import SigningKey, sign_checkpoint
from indelible.ledger.tree import Frontier, leaf_hash
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.erase import Order, Selection, erase, plan
from indelible.store.intake import Intake
from indelible.store.session import Database as Connections
from indelible.store.verify import Report, verify
from tests.postgres import Database
from tests.store.samples import rows, send, take
from tests.store.tampering import LAST, ROW, SIZE, Ledger, blames

pytestmark = pytest.mark.anyio

KEY, OTHER_KEY = SigningKey.generate(), SigningKey.generate()


async def erase_(ledger: Ledger, catalog: Catalog, seq: int, *groups: str) -> int:
    """Erases from one entry; the number of the record."""
    (id_,) = rows(ledger.database, "SELECT id::text FROM indelible.events WHERE tenant_id = %s AND seq = %s",
                  ledger.tenant, seq)[0]  # fmt: skip
    selection = Selection("event", id_, groups)
    planned = await plan(ledger.connections, ledger.tenant, selection)
    assert planned is not None
    done = await erase(ledger.connections, ledger.tenant, selection, Order("asked for"), Rules(catalog), planned)
    (record,) = done.records
    return record


# --- erasures


async def test_what_an_entry_records_may_be_missing(ledger: Ledger, catalog: Catalog) -> None:
    await erase_(ledger, catalog, 2, *GROUPS)
    await erase_(ledger, catalog, 4, "actor")
    await erase_(ledger, catalog, 4, "context", "metadata")
    report = await ledger.verify()
    assert (report.contradictions, report.erased, report.size) == ((), 8, SIZE + 3)


GONE = "UPDATE indelible.event_personal SET {group} = NULL, fingerprint = NULL, erased = %(noted)s::jsonb WHERE " + ROW
"""What the trigger takes for an erasure."""


@pytest.mark.parametrize("noted", ['{"actor": 7}', None])
async def test_what_goes_without_a_record_is_missing(ledger: Ledger, noted: str | None) -> None:
    ledger.tamper(GONE.format(group="actor"), noted=noted)
    report = await ledger.verify()
    blames(report, {3: "1 of its 5 personal parts is missing, and no erasure of it is recorded"})
    columns = [c.what for c in report.contradictions if c.step == 12]
    said = "the database says that entry 7 records the erasure of a part of it, and it does not"
    assert columns == ([said] if noted else [])


async def test_a_record_of_one_disclosure_is_none_of_another(ledger: Ledger, catalog: Catalog) -> None:
    number = await erase_(ledger, catalog, 3, "actor")
    ledger.tamper(GONE.format(group="context"), noted=f'{{"actor": {number}, "context": {number}}}')
    await ledger.shows({3: "1 of its 5 personal parts is missing, and no erasure of it is recorded"})
    assert "records the erasure of a part of it, and it does not" in (await ledger.verify()).contradictions[-1].what


@pytest.mark.parametrize(
    ("noted", "said"),
    [
        (None, "the database does not name entry 7 as the record of what was erased of it"),
        ('{"actor": 6}', "the database does not name entry 7"),
        ('{"actor": 7, "context": 7}', "is not what is missing"),
        ('{"names": 7}', "is not what is missing"),
        ("7", "is not what is missing"),
        ('["actor"]', "is not what is missing"),
    ],
)
async def test_the_column_says_what_the_record_says(
    ledger: Ledger, catalog: Catalog, noted: str | None, said: str
) -> None:
    """Readers are told by it who recorded the erasure."""
    assert await erase_(ledger, catalog, 3, "actor") == SIZE
    ledger.tamper(f"UPDATE indelible.event_personal SET erased = %(noted)s::jsonb WHERE {ROW}", noted=noted)
    await ledger.shows({3: said})


async def test_a_record_cannot_be_written_later(ledger: Ledger, catalog: Catalog) -> None:
    """Moved before what it erased it is out of its place; altered it does not fit its hash."""
    number = await erase_(ledger, catalog, 3, "actor")
    ledger.tamper("UPDATE indelible.event_personal SET metadata = NULL WHERE " + ROW, seq=number)
    await ledger.shows({3: "no erasure of it is recorded", number: "1 of its 1 personal parts is missing"})


# --- subtrees


@pytest.fixture
async def large(
    database: Database, connections: Connections, appender: Appender, intake: Intake, tenants: list[str]
) -> Ledger:
    """600 entries: two complete subtrees of 256."""
    tenant, bystander, _ = tenants
    for part in (255, 1, 343):
        await send(appender, *[take(intake, tenant) for _ in range(part)])
    await send(appender, take(intake, bystander))
    return Ledger(tenant, bystander, database, connections)


async def test_subtrees_are_stored_as_they_become_complete(large: Ledger) -> None:
    assert (await large.verify()).contradictions == ()
    query = "SELECT level, index, root FROM indelible.subtrees WHERE tenant_id = %s ORDER BY level, index"
    frontier = Frontier()
    frontier.extend(map(leaf_hash, large.entries()))
    assert frontier.size == 600
    assert [tuple(each) for each in frontier.completed] == rows(large.database, query, large.tenant)
    assert [(each.level, each.index) for each in frontier.completed] == [(1, 0), (1, 1)]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE indelible.subtrees SET root = sha256(root) WHERE tenant_id = %(tenant)s AND index = 1",
         "the stored root of the entries 256 to 511 is not theirs"),
        ("DELETE FROM indelible.subtrees WHERE tenant_id = %(tenant)s AND index = 0",
         "the stored root of the entries 0 to 255 is missing"),
        ("INSERT INTO indelible.subtrees VALUES (%(tenant)s, 1, 2, sha256('x'))",
         "3 roots of subtrees are stored; the entries make up 2"),
        ("INSERT INTO indelible.subtrees VALUES (%(tenant)s, 2, 0, sha256('x'))", "3 roots of subtrees are stored"),
    ],
)  # fmt: skip
async def test_a_stored_subtree(large: Ledger, statement: str, said: str) -> None:
    large.tamper(statement)
    await large.shows({None: said})


# --- checkpoints


def origin_of(ledger: Ledger) -> str:
    ((origin,),) = rows(ledger.database, "SELECT origin FROM indelible.ledgers WHERE tenant_id = %s", ledger.tenant)
    return str(origin)


def sign(ledger: Ledger, *sizes: int, keys: Sequence[SigningKey] = (KEY,)) -> None:
    """Stores a checkpoint of the first `size` entries for each of `sizes`."""
    ((previous,),) = rows(
        ledger.database,
        "SELECT coalesce(max(size), 0) FROM indelible.checkpoints WHERE tenant_id = %s",
        ledger.tenant,
    )
    for size in sizes:
        frontier = Frontier()
        frontier.extend(map(leaf_hash, ledger.entries()[:size]))
        note = sign_checkpoint(Checkpoint(origin_of(ledger), size, frontier.root()), keys)
        ledger.tamper(
            "INSERT INTO indelible.checkpoints (tenant_id, size, previous, note) "
            "VALUES (%(tenant)s, %(size)s, %(previous)s, %(note)s)",
            size=size, previous=previous, note=note,
        )  # fmt: skip
        previous = size


async def check(ledger: Ledger, *keys: Verifier) -> Report:
    report = await verify(ledger.connections, ledger.tenant, keys=keys)
    assert report is not None
    return report


async def test_checkpoints_that_fit(ledger: Ledger) -> None:
    sign(ledger, 1, 2, 5, SIZE)
    unchecked = await check(ledger)
    assert (unchecked.proven, unchecked.checkpoints, unchecked.signatures_checked) == (True, 4, False)
    foreign = await check(ledger, KEY.verifier("elsewhere/01JD7Z0000000000000000000A"))
    assert (foreign.proven, foreign.signatures_checked) == (True, False)
    checked = await check(ledger, KEY.verifier(origin_of(ledger)))
    assert (checked.proven, checked.checkpoints, checked.signatures_checked) == (True, 4, True)


async def test_a_key_that_was_rotated(ledger: Ledger) -> None:
    """Each checkpoint is signed by one of the keys given, or by both of them."""
    sign(ledger, 1, 3)
    sign(ledger, 5, keys=(KEY, OTHER_KEY))
    sign(ledger, SIZE, keys=(OTHER_KEY,))
    old, new = (key.verifier(origin_of(ledger)) for key in (KEY, OTHER_KEY))
    assert (await check(ledger, old, new)).proven
    for key, said in (
        (new, "checkpoint of 1 entries is not signed by any key given, nor 1 later"),
        (old, "of 7 entries"),
    ):
        report = await check(ledger, key)
        assert (report.proven, report.contradictions) == (False, ()), "a key that is missing contradicts nothing"
        (what,) = report.unproven
        assert said in what


async def test_history_rewritten_contradicts_what_was_signed(ledger: Ledger) -> None:
    """Everything else in the database is made to agree."""
    sign(ledger, 2, 4, SIZE)
    ledger.rewrite(lambda seq, data: data.replace(b"usr_7", b"usr_6") if seq == 3 else data)
    ledger.tamper(f"UPDATE indelible.events SET actor_id = 'usr_6' WHERE {ROW}")
    blames(
        await check(ledger),
        {None: "the checkpoint of 4 entries does not fit: entries 2 to 3 are not those that were signed, nor 1 later"},
    )


async def test_history_rewritten_with_its_checkpoints_shows_to_who_has_the_key(ledger: Ledger) -> None:
    """Without the key only a note that says so can be written, or one that another key signed."""
    sign(ledger, 2, 4, SIZE)
    ledger.rewrite(lambda seq, data: data.replace(b"usr_7", b"usr_6") if seq == 3 else data)
    ledger.tamper(f"UPDATE indelible.events SET actor_id = 'usr_6' WHERE {ROW}")
    ledger.tamper("DELETE FROM indelible.checkpoints WHERE tenant_id = %(tenant)s AND size > 2")
    sign(ledger, 4, SIZE, keys=(OTHER_KEY,))
    assert (await check(ledger)).proven
    pinned = KEY.verifier(origin_of(ledger))
    report = await check(ledger, pinned)
    assert not report.proven
    (what,) = report.unproven
    assert "the checkpoint of 4 entries is not signed by any key given, nor 1" in what


async def test_a_signature_under_another_statement(ledger: Ledger) -> None:
    """The right key's line, taken from another checkpoint."""
    sign(ledger, 4, SIZE)
    ledger.rewrite(lambda seq, data: data.replace(b"usr_7", b"usr_6") if seq == 5 else data)
    ledger.tamper(f"UPDATE indelible.events SET actor_id = 'usr_6' WHERE {ROW}", seq=5)
    frontier = Frontier()
    frontier.extend(map(leaf_hash, ledger.entries()))
    body = checkpoint.text(Checkpoint(origin_of(ledger), SIZE, frontier.root()))
    ledger.tamper(
        "UPDATE indelible.checkpoints SET note = %(body)s || substr(note, strpos(note, E'\\n\\n') + 1) "
        "WHERE tenant_id = %(tenant)s AND size = 7",
        body=body,
    )
    assert (await check(ledger)).proven
    pinned = KEY.verifier(origin_of(ledger))
    blames(await check(ledger, pinned), {None: "the checkpoint of 7 entries does not bear a right signature"})


async def test_the_newest_entries_deleted(ledger: Ledger) -> None:
    """Without a checkpoint only who remembers would notice."""
    sign(ledger, 3, SIZE)
    delete = "DELETE FROM indelible.{} WHERE tenant_id = %(tenant)s AND seq > 4"
    ledger.tamper(delete.format("events"), delete.format("event_personal"))
    ledger.set_head(ledger.entries())
    await ledger.shows({None: "a checkpoint was signed of 7 entries, and there are 5: the newest were deleted"})


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM indelible.checkpoints WHERE tenant_id = %(tenant)s AND size = 4",
         "the checkpoint of 7 entries follows that of 4 entries: one between them was removed or added"),
        ("DELETE FROM indelible.checkpoints WHERE tenant_id = %(tenant)s AND size = 2",
         "the checkpoint of 4 entries follows that of 2 entries: one between them was removed or added"),
        ("UPDATE indelible.checkpoints SET note = replace(note, 'indelible', 'indelicate')"
         " WHERE tenant_id = %(tenant)s AND size = 4", "the checkpoint of 4 entries speaks of 4 entries of indelicate"),
        ("UPDATE indelible.checkpoints SET size = 5 WHERE tenant_id = %(tenant)s AND size = 4",
         "the checkpoint of 5 entries speaks of 4 entries of"),
        ("UPDATE indelible.checkpoints SET note = 'x' WHERE tenant_id = %(tenant)s AND size = 4",
         "the checkpoint of 4 entries cannot be read: the note has no blank line"),
    ],
)  # fmt: skip
async def test_a_stored_checkpoint(ledger: Ledger, statement: str, said: str) -> None:
    sign(ledger, 2, 4, SIZE)
    ledger.tamper(statement)
    await ledger.shows({None: said})


async def test_a_gap_is_told_and_what_follows_it_as_well(ledger: Ledger) -> None:
    sign(ledger, 2, 4, SIZE)
    ledger.tamper(*[f"DELETE FROM indelible.{t} WHERE {ROW}" for t in ("events", "event_personal")])
    report = await ledger.verify()
    assert {c.seq for c in report.contradictions} == {3, None}
    whats = [c.what for c in report.contradictions if c.step == 14]
    assert whats == [
        "the checkpoint of 4 entries does not fit: entries 2 to 3 are not those that were signed, nor 1 later ones"
    ]


async def test_more_checkpoints_than_are_fetched_at_once(large: Ledger) -> None:
    sign(large, *range(1, 600, 2))
    report = await check(large, KEY.verifier(origin_of(large)))
    assert (report.contradictions, report.checkpoints) == ((), 300)
    assert LAST < 300
