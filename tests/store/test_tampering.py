"""Verification against whoever can rewrite the database: whatever they touch shows, at the entry they touched.

Each test has a ledger of seven entries, 0 to 6, altered by a superuser past all triggers. The comparison is exact:
the entries that are blamed, and no others.
"""

import re
from datetime import UTC, datetime

import pytest

from indelible.ledger import base64url, entry
from indelible.ledger.tree import leaf_hash
from indelible.store.tenants import tenants
from indelible.store.verify import Remembered, verify
from indelible.store.words import lexeme
from tests.store.tampering import HEAD, LAST, ROW, SIZE, TREE, Found, Ledger, blames, columns_of

pytestmark = pytest.mark.anyio

FIX_LEAF = rf"UPDATE indelible.events SET leaf_hash = sha256('\x00'::bytea || entry) WHERE {ROW}"


async def test_an_untampered_ledger_is_proven(ledger: Ledger) -> None:
    for remembered in (None, Remembered(SIZE), *(ledger.remembered(size) for size in range(1, SIZE + 1))):
        report = await ledger.verify(remembered)
        assert report.proven
        assert (report.size, report.head) == (SIZE, ledger.remembered(SIZE).head)


# --- the entries


@pytest.mark.parametrize("place", ["first", "inside", "last"])
@pytest.mark.parametrize("seq", [1, 3, LAST])
@pytest.mark.parametrize("fixed", [False, True], ids=["leaf_kept", "leaf_fixed"])
async def test_one_byte_of_an_entry(ledger: Ledger, seq: int, place: str, fixed: bool) -> None:
    position = {
        "first": "0", "inside": "position('user.' in encode(entry, 'escape')) + 4", "last": "octet_length(entry) - 1",
    }[place]  # fmt: skip
    flip = f"UPDATE indelible.events SET entry = set_byte(entry, {position}, get_byte(entry, {position}) # 1)"
    ledger.tamper(f"{flip} WHERE {ROW}", *[FIX_LEAF] * fixed, seq=seq)
    if not fixed:
        here = "its bytes do not hash to the leaf hash"
    else:
        here = "the column action says" if place == "inside" else "not JSON"
    await ledger.shows(
        {seq: here, None: HEAD}
        if seq == LAST
        else {seq: here, seq + 1: f"the seal that ties it to entry {seq} is broken", None: TREE}
    )


async def test_the_leaf_hash_alone(ledger: Ledger) -> None:
    ledger.tamper(f"UPDATE indelible.events SET leaf_hash = set_byte(leaf_hash, 31, 7) WHERE {ROW}")
    await ledger.shows({3: "do not hash to the leaf hash"})


SWAP = "UPDATE indelible.{} SET seq = 6 - seq WHERE tenant_id = %(tenant)s AND seq IN (2, 4)"


async def test_two_rows_swapped(ledger: Ledger) -> None:
    ledger.tamper(SWAP.format("events"), SWAP.format("event_personal"))
    await ledger.shows({
        2: "says that it is number 4",
        3: "and an entry that precedes it at",
        4: "says that it is number 2",
        5: "the seal that ties it to entry 4 is broken",
        None: TREE,
    })  # fmt: skip


async def test_a_row_moved_to_another_tenant(ledger: Ledger) -> None:
    move = f" SET tenant_id = %(bystander)s WHERE {ROW}"
    ledger.tamper("UPDATE indelible.events" + move, "UPDATE indelible.event_personal" + move)
    blames(await ledger.verify(), {3: "entry 3 is missing", None: TREE})
    blames(
        await ledger.verify(tenant=ledger.bystander),
        {3: "the seal that ties it to entry 2 is broken", None: "has 3 entries by its head, but there are 4"},
    )


async def test_a_second_row_of_the_same_number(ledger: Ledger) -> None:
    columns = ", ".join(c for c in columns_of(ledger.database) if c not in ("id", "recorded_at"))
    ledger.tamper(
        f"INSERT INTO indelible.events (id, recorded_at, {columns}) "
        f"SELECT gen_random_uuid(), recorded_at + interval '1 microsecond', {columns} FROM indelible.events WHERE {ROW}"
    )
    await ledger.shows({3: "there is a second entry of this number"})


async def test_a_number_beyond_all_bounds_takes_no_longer(ledger: Ledger) -> None:
    """The gap must not be walked: that would hang the verification for good."""
    ledger.tamper(
        *[f"UPDATE indelible.{t} SET seq = 1::bigint << 62 WHERE {ROW}" for t in ("events", "event_personal")]
    )
    await ledger.shows({
        3: "entry 3 is missing",
        LAST + 1: f"entries 7 to {2**62 - 1} are missing",
        2**62: "says that it is number 3",
        None: "but there are",
    })  # fmt: skip


# --- deletion

DELETE = "DELETE FROM indelible.{} WHERE tenant_id = %(tenant)s AND seq BETWEEN %(first)s AND %(last)s"
DELETE_ALL = [DELETE.format("events"), DELETE.format("event_personal")]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (0, 0, {0: "entry 0 is missing", None: TREE}),
        (3, 3, {3: "entry 3 is missing", None: TREE}),
        (2, 4, {2: "entries 2 to 4 are missing", None: TREE}),
        (LAST, LAST, {None: "has 7 entries by its head, but the last 1 are missing"}),
        (0, LAST, {None: "has 7 entries by its head, but the last 7 are missing"}),
    ],
    ids=["first", "middle", "several", "newest", "all"],
)
async def test_deletion(ledger: Ledger, first: int, last: int, expected: Found) -> None:
    ledger.tamper(*DELETE_ALL, first=first, last=last)
    await ledger.shows(expected)


async def test_deletion_that_leaves_the_disclosures(ledger: Ledger) -> None:
    ledger.tamper(DELETE.format("events"), first=5, last=LAST)
    blames(
        await ledger.verify(),
        {5: "there are personal parts of an entry that is not there", None: "the last 2 are missing"},
    )


async def test_deletion_with_the_gap_closed(ledger: Ledger) -> None:
    close = "UPDATE indelible.{} SET seq = seq - 1 WHERE tenant_id = %(tenant)s AND seq > %(last)s"
    ledger.tamper(*DELETE_ALL, close.format("events"), close.format("event_personal"), first=3, last=3)
    await ledger.shows({
        3: "says that it is number 4", 4: "says that it is number 5", 5: "says that it is number 6",
        None: "has 7 entries by its head",
    })  # fmt: skip


async def test_the_newest_deleted_and_the_head_set_back_shows_to_who_remembers(ledger: Ledger) -> None:
    """Inside the database nothing contradicts it: that is what remembered heads are for."""
    remembered = ledger.remembered(SIZE)
    ledger.tamper(*DELETE_ALL, first=5, last=LAST)
    ledger.set_head(ledger.entries())
    await ledger.shows({})
    await ledger.shows({}, Remembered(5))
    for memory in (remembered, Remembered(SIZE), Remembered(LAST)):
        await ledger.shows({5: "has 5: the newest were deleted"}, memory)


async def test_a_deleted_ledger_is_none(ledger: Ledger) -> None:
    ledger.tamper(*DELETE_ALL, "DELETE FROM indelible.ledgers WHERE tenant_id = %(tenant)s", first=0, last=LAST)
    assert await verify(ledger.connections, ledger.tenant) is None


# --- forgery


async def test_an_entry_forged_at_the_end(ledger: Ledger) -> None:
    """In shape and chain it is perfect; only the head does not know it."""
    now = datetime.now(UTC)
    unsealed = entry.unsealed(
        id="0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90", action="user.joined", actor=entry.Subject("user", None), targets=[],
        category=None, operation=None, outcome="success", source="api", occurred_at=now, digests=[],
    )  # fmt: skip
    prev = base64url.encode(leaf_hash(ledger.entries()[-1]))
    data = entry.seal(unsealed, SIZE, prev, entry.micros(now))
    ledger.tamper(
        "INSERT INTO indelible.events (tenant_id, seq, recorded_at, occurred_at, id, action, outcome, source, "
        "actor_type, leaf_hash, entry) VALUES (%(tenant)s, %(seq)s, %(now)s, date_trunc('milliseconds', %(now)s), "
        "'0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90', 'user.joined', 'success', 'api', 'user', %(leaf)s, %(entry)s)",
        "INSERT INTO indelible.event_personal (tenant_id, seq, recorded_at, occurred_at, search) "
        "VALUES (%(tenant)s, %(seq)s, %(now)s, date_trunc('milliseconds', %(now)s), array_to_tsvector(%(words)s))",
        seq=SIZE, now=now, leaf=leaf_hash(data), entry=data, words=[lexeme(ledger.tenant, "=", "user.joined")],
    )  # fmt: skip
    await ledger.shows({None: "has 7 entries by its head, but there are 8"})


async def test_history_rewritten_from_some_point_shows_to_who_remembers_a_head(ledger: Ledger) -> None:
    """Everything in the database agrees afterwards; a head that somebody keeps elsewhere does not."""
    remembered = {size: ledger.remembered(size) for size in range(1, SIZE + 1)}
    ledger.rewrite(lambda seq, data: data.replace(b"usr_7", b"usr_6") if seq == 3 else data)
    ledger.tamper(f"UPDATE indelible.events SET actor_id = 'usr_6' WHERE {ROW}")
    await ledger.shows({})
    for size, memory in remembered.items():
        await ledger.shows({size - 1: "history was rewritten"} if size > 3 else {}, memory)
        await ledger.shows({}, Remembered(size))


async def test_time_that_runs_backwards(ledger: Ledger) -> None:
    """Chained anew, with columns that fit: an entry recorded before the one that it follows."""
    (earlier,) = re.findall(rb'"recorded_at":"([^"]*)"', ledger.entries()[1])
    ledger.rewrite(
        lambda seq, data: (
            re.sub(rb'"recorded_at":"[^"]*"', b'"recorded_at":"' + earlier + b'"', data) if seq == 3 else data
        )
    )
    moved = "UPDATE indelible.{} SET recorded_at = %(earlier)s WHERE " + ROW
    ledger.tamper(moved.format("events"), moved.format("event_personal"), earlier=earlier.decode())
    await ledger.shows({3: f"it claims to have been recorded at {earlier.decode()}, and an entry that precedes it at"})


async def test_two_whole_ledgers_exchanged_say_whose_they_are(ledger: Ledger) -> None:
    """Each is consistent in itself."""
    ledger.tamper(
        *[
            step.format(table)
            for table in ("ledgers", "events", "event_personal")
            for step in (
                "UPDATE indelible.{} SET tenant_id = 'x-' || tenant_id WHERE tenant_id = %(tenant)s",
                "UPDATE indelible.{} SET tenant_id = %(tenant)s WHERE tenant_id = %(bystander)s",
                "UPDATE indelible.{} SET tenant_id = %(bystander)s WHERE tenant_id = 'x-' || %(tenant)s",
            )
        ],
        "UPDATE indelible.event_personal SET search = array_to_tsvector(ARRAY("
        "SELECT indelible.word_prefix(tenant_id) || substr(lexeme, 4) FROM unnest(search))) "
        "WHERE tenant_id IN (%(tenant)s, %(bystander)s)",
    )
    for tenant in (ledger.tenant, ledger.bystander):
        blames(await ledger.verify(tenant=tenant), {0: f"does not open the ledger of {tenant}"})


# --- the ledger's own row


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("frontier = set_byte(frontier, 0, get_byte(frontier, 0) # 1)", {None: TREE}),
        ("frontier = set_byte(frontier, 95, get_byte(frontier, 95) # 1)", {None: TREE}),
        ("head = sha256(head)", {None: HEAD}),
        ("size = 11", {None: "has 11 entries by its head, but the last 4 are missing"}),
        ("size = 5, frontier = substr(frontier, 1, 64)", {None: "has 5 entries by its head, but there are 7"}),
        ("size = 0, frontier = '', head = NULL", {None: "has 0 entries by its head, but there are 7"}),
        ("origin = 'elsewhere/' || origin", {0: "the seal that ties it to the ledger's origin is broken"}),
    ],
)
async def test_where_the_ledger_stands(ledger: Ledger, change: str, expected: Found) -> None:
    ledger.tamper(f"UPDATE indelible.ledgers SET {change} WHERE tenant_id = %(tenant)s")
    await ledger.shows(expected)


async def test_a_ledgers_row_deleted_with_its_entries_left_is_noticed(ledger: Ledger) -> None:
    """Nobody who lists the ledgers sees it any more; who verifies all of them has to."""
    remembered = ledger.remembered(SIZE)
    ledger.tamper("DELETE FROM indelible.ledgers WHERE tenant_id = %(tenant)s")
    assert ledger.tenant in await tenants(ledger.connections)
    await ledger.shows({None: "the ledger's own row is gone"})
    ledger.tamper("DELETE FROM indelible.events WHERE tenant_id = %(tenant)s")
    assert await verify(ledger.connections, ledger.tenant) is None
    await ledger.shows({None: f"the ledger had {SIZE} entries and is gone"}, remembered)
