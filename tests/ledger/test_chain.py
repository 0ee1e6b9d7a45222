"""Verification: any single alteration of a ledger is noticed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import NamedTuple

import pytest

from indelible.ledger import base64url
from indelible.ledger.disclosure import digest, disclose
from indelible.ledger.entry import Subject, genesis, micros, seal, unsealed
from indelible.ledger.tree import Frontier, leaf_hash
from indelible.ledger.verify import Chain

ORIGIN = "indelible.local/01JD7Z0000000000000000000A"
MOMENT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


class Row(NamedTuple):
    """What the store keeps of an entry."""

    entry: bytes
    leaf: bytes
    disclosures: tuple[bytes, ...]


def row(
    seq: int,
    prev: str,
    *,
    at: datetime,
    groups: Sequence[str] = (),
    action: str = "user.joined",
    value: bytes = b'{"name":"Sarah"}',
) -> Row:
    disclosures = tuple(disclose(group, value, bytes([seq, n] * 8)) for n, group in enumerate(groups))
    head = unsealed(
        id=f"0192f0c4-7d3e-7c1a-9b1e-{seq:012}", action=action, actor=Subject("user", "usr_7"), targets=[],
        category=None, operation=None, outcome="success", source="ui", occurred_at=at,
        digests=map(digest, disclosures),
    )  # fmt: skip
    data = seal(head, seq, prev, micros(at))
    return Row(data, leaf_hash(data), disclosures)


def ledger(size: int = 4) -> list[Row]:
    rows: list[Row] = []
    for seq in range(size):
        prev = base64url.encode(rows[-1].leaf) if rows else genesis(ORIGIN)
        groups = [(), ("actor",), ("actor", "context"), ()][seq % 4]
        rows.append(row(seq, prev, at=MOMENT + timedelta(seconds=seq // 2), groups=groups))
    return rows


def read(rows: Sequence[Row], origin: str = ORIGIN) -> Chain:
    chain = Chain(origin)
    for each in rows:
        add(chain, each)
    chain.end()
    return chain


def add(chain: Chain, each: Row) -> None:
    chain.add(each.entry, map(base64url.to_bytes, each.disclosures), each.leaf)


def seen(chain: Chain) -> list[int | None]:
    return [c.seq for c in chain.contradictions]


LEDGER = ledger()
HEAD = read(LEDGER)


def test_an_honest_ledger_is_proven() -> None:
    chain = read(LEDGER)
    assert chain.contradictions == []
    assert (chain.size, chain.head) == (4, base64url.encode(LEDGER[-1].leaf))


def test_an_empty_ledger_is_no_contradiction() -> None:
    assert (Chain(ORIGIN).contradictions, Chain(ORIGIN).size) == ([], 0)


def flips(data: bytes) -> Iterator[bytes]:
    for position in range(len(data)):
        for bit in range(8):
            yield data[:position] + bytes([data[position] ^ 1 << bit]) + data[position + 1 :]


@pytest.mark.parametrize("seq", range(len(LEDGER)))
def test_no_bit_can_be_flipped(seq: int) -> None:
    """In no entry, leaf hash or disclosure; and the contradiction is shown at the entry, not somewhere behind it."""
    good = LEDGER[seq]
    altered = [good._replace(entry=data) for data in flips(good.entry)]
    altered += [good._replace(leaf=data) for data in flips(good.leaf)]
    for index, disclosure in enumerate(good.disclosures):
        for data in flips(disclosure):
            altered.append(good._replace(disclosures=(*good.disclosures[:index], data, *good.disclosures[index + 1 :])))
    missed = [bad for bad in altered if seq not in seen(read([*LEDGER[:seq], bad, *LEDGER[seq + 1 :]]))]
    assert missed == []


@pytest.mark.parametrize("seq", range(len(LEDGER)))
def test_an_entry_sealed_anew_does_not_fit(seq: int) -> None:
    """Whoever alters an entry and its hash contradicts the entry after it; at the end, the head noted elsewhere."""
    prev = base64url.encode(LEDGER[seq - 1].leaf) if seq else genesis(ORIGIN)
    forged = row(seq, prev, at=MOMENT + timedelta(seconds=seq // 2), action="user.left")
    chain = read([*LEDGER[:seq], forged, *LEDGER[seq + 1 :]])
    assert seen(chain) == ([seq + 1] if seq + 1 < len(LEDGER) else [])
    assert chain.frontier.root() != HEAD.frontier.root()
    assert (chain.head == HEAD.head) == (seq + 1 < len(LEDGER))


@pytest.mark.parametrize("order", [o for o in permutations(range(len(LEDGER))) if o != tuple(range(len(LEDGER)))])
def test_entries_cannot_be_reordered(order: tuple[int, ...]) -> None:
    chain = read([LEDGER[i] for i in order])
    first = next(i for i, seq in enumerate(order) if i != seq)
    assert seen(chain)[0] == first
    assert chain.frontier.root() != HEAD.frontier.root()


@pytest.mark.parametrize("seq", range(len(LEDGER)))
def test_an_entry_cannot_be_dropped(seq: int) -> None:
    """In the middle the chain breaks; at the end size and root tell, of which somebody knows."""
    chain = read(LEDGER[:seq] + LEDGER[seq + 1 :])
    assert bool(chain.contradictions) == (seq < len(LEDGER) - 1)
    assert (chain.size, chain.frontier.root()) != (HEAD.size, HEAD.frontier.root())


@pytest.mark.parametrize("seq", range(len(LEDGER)))
def test_an_entry_cannot_be_there_twice(seq: int) -> None:
    chain = read([*LEDGER[: seq + 1], LEDGER[seq], *LEDGER[seq + 1 :]])
    assert seen(chain)[0] == seq + 1


@pytest.mark.parametrize(("first", "last"), [(1, 1), (1, 2), (0, 0)])
def test_a_gap_is_named_and_no_later_entry_is_accused(first: int, last: int) -> None:
    chain = Chain(ORIGIN)
    for each in LEDGER[:first]:
        add(chain, each)
    chain.skip_to(last + 1)
    for each in LEDGER[last + 1 :]:
        add(chain, each)
    missing = f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"
    assert [(c.seq, c.what) for c in chain.contradictions] == [(first, missing)]
    assert chain.frontier.root() != HEAD.frontier.root()


def test_an_altered_entry_does_not_make_the_later_ones_look_altered() -> None:
    """Of a long ledger one wants to know which entry it is."""
    rows = ledger(50)
    altered = rows[20]._replace(entry=rows[20].entry.replace(b"user.joined", b"user.joiner"))
    assert set(seen(read([*rows[:20], altered, *rows[21:]]))) == {20, 21}


def test_another_ledgers_entries_do_not_fit() -> None:
    """Copying one tenant's ledger to another's is seen at the first entry."""
    assert seen(read(LEDGER, origin=ORIGIN[:-1] + "B")) == [0]


def test_time_does_not_run_backwards() -> None:
    first = row(0, genesis(ORIGIN), at=MOMENT)
    late = row(1, base64url.encode(first.leaf), at=MOMENT - timedelta(microseconds=1))
    same = row(1, base64url.encode(first.leaf), at=MOMENT)
    assert seen(read([first, late])) == [1]
    assert seen(read([first, same])) == []


@pytest.mark.parametrize(
    "time", ["2026-11-21T09:30:00Z", "2026-11-21T09:30:00.000Z", "2026-11-21T09:30:00.000000+00:00", "now", "",
             "2026-11-21T09:30:00.00000０Z", "2026-11-21T09:30:00.000000Z\\n"],
)  # fmt: skip
def test_a_time_is_written_in_one_way(time: str) -> None:
    """Texts are compared, so that a shorter spelling could pass for earlier."""
    good = row(0, genesis(ORIGIN), at=MOMENT)
    data = good.entry.replace(b'"recorded_at":"2026-11-21T09:30:00.000000Z"', b'"recorded_at":"' + time.encode() + b'"')
    chain = read([Row(data, leaf_hash(data), ())])
    assert [(c.seq, "has a time that is none" in c.what) for c in chain.contradictions] == [(0, True)]


def with_disclosures(*disclosures: bytes, of: int = 2) -> Chain:
    return read([*LEDGER[:of], LEDGER[of]._replace(disclosures=disclosures), *LEDGER[of + 1 :]])


def test_disclosures_cannot_be_dropped_doubled_added_or_exchanged() -> None:
    actor, context = LEDGER[2].disclosures
    other = LEDGER[1].disclosures[0]
    assert with_disclosures(context, actor).contradictions == []  # they have no order
    for disclosures in ((), (actor,), (actor, actor), (actor, context, context), (actor, context, other),
                        (actor, other), (actor, context, b"[]"), (actor, b"[]")):  # fmt: skip
        assert set(seen(with_disclosures(*disclosures))) == {2}
    assert seen(with_disclosures(other, of=0)) == [0]


def test_a_disclosure_belongs_to_a_known_group_and_each_group_has_one() -> None:
    for groups, said in (
        (("secrets",), "a personal part of it is of no known group"),
        (("actor", "actor"), "its personal part 'actor' is there twice"),
    ):
        forged = row(0, genesis(ORIGIN), at=MOMENT, groups=groups)
        chain = read([forged])
        assert [(c.seq, c.what) for c in chain.contradictions] == [(0, said)]


def test_garbage_in_place_of_an_entry_is_said_and_passed_over() -> None:
    """Every kind of bytes ends in a contradiction: a verifier that stumbles proves nothing."""
    for data in (b"", b"\xff\xfe", b"{}", b"[" * 30_000, b'"' + b"x" * 40_000 + b'"', LEDGER[1].entry * 2):
        chain = read([LEDGER[0], Row(data, leaf_hash(data), ()), *LEDGER[2:]])
        assert seen(chain) == [1, 2]


def erased(seq: int, before: Row, digests: object, action: str = "ledger.erasure") -> Row:
    """The entry that records an erasure, after `before`."""
    metadata = json.dumps({"digests": digests, "reason": "request 7"}).encode()
    prev = base64url.encode(before.leaf)
    return row(seq, prev, at=MOMENT + timedelta(minutes=1), groups=["metadata"], action=action, value=metadata)


def test_an_erasure_accounts_for_what_is_missing_before_it_and_for_nothing_else() -> None:
    """Of an entry with two disclosures: gone without a word, recorded, half of it, something else, wrongly written."""
    actor, context = map(digest, LEDGER[2].disclosures)
    gone = LEDGER[2]._replace(disclosures=())
    for listed, action, missing in (
        ([actor, context], "ledger.erasure", 0),
        ([actor, context, digest(b"[]")], "ledger.erasure", 0),
        ([actor], "ledger.erasure", 1),
        ([digest(b"[]")], "ledger.erasure", 2),
        ([actor, context], "user.erased", 2),
        ([], "ledger.erasure", 2),
        ([actor, context, 7], "ledger.erasure", 2),
        (actor, "ledger.erasure", 2),
        ({actor: context}, "ledger.erasure", 2),
    ):
        chain = read([*LEDGER[:2], gone, LEDGER[3], erased(4, LEDGER[3], listed, action)])
        verb, them = ("is", "it") if missing == 1 else ("are", "them")
        what = f"{missing} of its 2 personal parts {verb} missing, and no erasure of {them} is recorded"
        said = [what] if missing else []
        assert [c.what for c in chain.contradictions] == said
        assert seen(chain) == [2] * len(said)


def test_an_erasure_that_is_not_shown_accounts_for_nothing() -> None:
    record = erased(4, LEDGER[3], list(map(digest, LEDGER[2].disclosures)))
    rows = [*LEDGER[:2], LEDGER[2]._replace(disclosures=()), LEDGER[3]]
    assert seen(read([*rows, record._replace(disclosures=())])) == [2, 4]
    altered = record._replace(disclosures=(record.disclosures[0].replace(b"request 7", b"request 8"),))
    assert set(seen(read([*rows, altered]))) == {2, 4}


def test_nothing_is_erased_in_advance() -> None:
    """Who records an erasure before there is anything to erase could leave out whatever comes."""
    late = row(2, "", at=MOMENT + timedelta(minutes=2), groups=["actor"])
    record = erased(1, LEDGER[0], list(map(digest, late.disclosures)))
    late = row(2, base64url.encode(record.leaf), at=MOMENT + timedelta(minutes=2), groups=["actor"])
    assert seen(read([LEDGER[0], record, late])) == []
    assert seen(read([LEDGER[0], record, late._replace(disclosures=())])) == [2]


@pytest.mark.parametrize("start", range(1, 8))
def test_a_chain_goes_on_from_a_frontier(start: int) -> None:
    """Where the frontier ends in a leaf (an odd number of them) the first entry is held against it."""
    rows = ledger(9)
    frontier = Frontier()
    frontier.extend(each.leaf for each in rows[:start])
    chain = Chain(ORIGIN, Frontier(start, bytes(frontier)))
    other = Chain(ORIGIN, Frontier(start, bytes(32 * start.bit_count())))
    for each in rows[start:]:
        add(chain, each)
        add(other, each)
    assert chain.contradictions == []
    assert chain.frontier.root() == read(rows).frontier.root() != other.frontier.root()
    assert seen(other) == ([start] if start % 2 else [])


def test_of_a_hidden_entry_the_hash_is_chained() -> None:
    for position in range(len(LEDGER)):
        for leaf in (LEDGER[position].leaf, bytes(32)):
            chain = Chain(ORIGIN)
            for seq, each in enumerate(LEDGER):
                if seq == position:
                    chain.push(leaf)
                else:
                    add(chain, each)
            is_right = leaf == LEDGER[position].leaf
            assert seen(chain) == ([] if is_right or position == len(LEDGER) - 1 else [position + 1])
            assert (chain.frontier.root() == HEAD.frontier.root()) == is_right
