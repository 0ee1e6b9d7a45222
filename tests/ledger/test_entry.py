"""Entries: sealed in the one spelling of format version 1, and nothing else is taken for one."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from indelible.ledger import base64url, canonical
from indelible.ledger.entry import (
    MAX_ENTRY_BYTES,
    BadEntry,
    Entry,
    Subject,
    genesis,
    micros,
    millis,
    parse,
    seal,
    unsealed,
)

# The example of docs/format.md's shape, spelled out by hand: the format may never change under a ledger.
SEALED = (
    b'{"_sd":["' + b"A" * 43 + b'","' + b"B" * 43 + b'"],"action":"user.role_changed","actor":{"id":"usr_7",'
    b'"type":"user"},"category":"access","id":"0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90",'
    b'"occurred_at":"2026-11-21T09:30:00.000Z","operation":"updated","outcome":"success","prev":"' + b"C" * 43 + b'",'
    b'"recorded_at":"2026-11-21T09:30:00.000000Z","seq":7,"source":"ui","targets":[{"id":"usr_9","type":"user"},'
    b'{"type":"team"}],"v":1}'
)
MOMENT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def test_the_format_is_what_it_was() -> None:
    """Bytes, not fields: an entry that was sealed years ago has to be found the same."""
    sealed = seal(
        unsealed(
            id="0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90",
            action="user.role_changed",
            actor=Subject("user", "usr_7"),
            targets=[Subject("user", "usr_9"), Subject("team", None)],
            category="access",
            operation="updated",
            outcome="success",
            source="ui",
            occurred_at=MOMENT,
            digests=["B" * 43, "A" * 43],
        ),
        seq=7,
        prev="C" * 43,
        recorded_at=micros(MOMENT),
    )
    assert sealed == SEALED
    assert parse(SEALED) == Entry(
        ("A" * 43, "B" * 43), "user.role_changed", Subject("user", "usr_7"), "access",
        "0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90", "2026-11-21T09:30:00.000Z", "updated", "success", "C" * 43,
        "2026-11-21T09:30:00.000000Z", 7, "ui", (Subject("user", "usr_9"), Subject("team", None)),
    )  # fmt: skip


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
SUBJECTS = st.builds(Subject, TEXT, st.none() | TEXT)
DIGESTS = st.binary(min_size=32, max_size=32).map(base64url.encode)
TIMES = st.datetimes(timezones=st.just(UTC))


@given(
    TEXT, SUBJECTS, st.lists(SUBJECTS, max_size=4), st.none() | TEXT, st.none() | st.just("updated"), st.uuids(),
    st.lists(DIGESTS, max_size=5, unique=True), st.integers(0, 2**53 - 1), DIGESTS, TIMES, TIMES,
)  # fmt: skip
def test_whatever_is_sealed_is_canonical_and_says_what_was_sealed(
    action: str, actor: Subject, targets: list[Subject], category: str | None, operation: str | None, id_: object,
    digests: list[str], seq: int, prev: str, occurred_at: datetime, recorded_at: datetime,
) -> None:  # fmt: skip
    """Entries are put together from parts, without a JSON encoder: these must be the bytes it would write."""
    head = unsealed(
        id=str(id_), action=action, actor=actor, targets=targets, category=category, operation=operation,
        outcome="success", source="api", occurred_at=occurred_at, digests=digests,
    )  # fmt: skip
    data = seal(head, seq, prev, micros(recorded_at))
    value = canonical.parse(data)
    assert canonical.encode(value) == data == rfc8785.dumps(value)
    assert parse(data) == Entry(
        tuple(sorted(digests)), action, actor, category, str(id_), millis(occurred_at), operation, "success", prev,
        micros(recorded_at), seq, "api", tuple(targets),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("moment", "to_millis", "to_micros"),
    [
        (MOMENT, "2026-11-21T09:30:00.000Z", "2026-11-21T09:30:00.000000Z"),
        (MOMENT.replace(microsecond=1), "2026-11-21T09:30:00.000Z", "2026-11-21T09:30:00.000001Z"),
        (MOMENT.replace(microsecond=999999), "2026-11-21T09:30:00.999Z", "2026-11-21T09:30:00.999999Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z", "0001-01-01T00:00:00.000000Z"),
        (datetime(999, 2, 3, tzinfo=UTC), "0999-02-03T00:00:00.000Z", "0999-02-03T00:00:00.000000Z"),
    ],
)
def test_times_have_one_length(moment: datetime, to_millis: str, to_micros: str) -> None:
    """Zero fractions are written out (`isoformat` drops them), and so are the zeros of early years."""
    assert (millis(moment), micros(moment)) == (to_millis, to_micros)


@given(TIMES, TIMES)
def test_times_sort_as_their_texts_do(one: datetime, other: datetime) -> None:
    """The verifier compares recorded_at as text."""
    assert (micros(one) < micros(other)) == (one < other)


def test_a_ledgers_first_entry_is_tied_to_its_name() -> None:
    """SHA-256 of a zero byte and the origin; computed with coreutils."""
    assert genesis("indelible.local/01JD7Z0000000000000000000A") == "OKK1tX8HGq8U6KqNzzatBzHyJmD2w7cF8tN2lUXg-ZQ"


def spelled(old: bytes, new: bytes) -> bytes:
    assert SEALED.count(old) == 1
    return SEALED.replace(old, new)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"null", b"[]", b"{}", b"\xff", SEALED + b"\n", SEALED[:-1], b" " + SEALED, SEALED * 2,
        # another version, or something more, or something less
        spelled(b'"v":1', b'"v":2'),
        spelled(b'"v":1', b'"v":true'),
        spelled(b'"v":1', b'"v":1.0'),
        spelled(b'"v":1', b'"v":"1"'),
        spelled(b'"v":1', b'"v":1,"w":1'),
        spelled(b',"v":1', b""),
        spelled(b'"source":"ui",', b""),
        spelled(b'{"_sd"', b'{"_extra":1,"_sd"'),
        # seq
        spelled(b'"seq":7', b'"seq":true'),
        spelled(b'"seq":7', b'"seq":"7"'),
        spelled(b'"seq":7', b'"seq":7.0'),
        spelled(b'"seq":7', b'"seq":1e999'),
        spelled(b'"seq":7', b'"seq":NaN'),
        spelled(b'"seq":7', b'"seq":07'),
        spelled(b'"seq":7', b'"seq":1_000'),
        spelled(b'"seq":7', '"seq":７'.encode()),
        spelled(b'"seq":7', b'"seq":9007199254740992'),
        spelled(b'"seq":7', b'"seq":7,"seq":7'),
        spelled(b'"seq":7', b'"seq": 7'),
        spelled(b'"seq":7', b'"seq":null'),
        spelled(b'"seq":7', b'"seq":-7'),
        spelled(b'"seq":7', b'"seq":-0'),
        # digests
        spelled(b"A" * 43, b"D" * 43),  # not sorted
        spelled(b"A" * 43, b"B" * 43),  # twice the same
        spelled(b'"' + b"A" * 43 + b'"', b"1"),
        spelled(b'"' + b"A" * 43 + b'"', b"null"),
        spelled(b'["' + b"A" * 43 + b'","' + b"B" * 43 + b'"]', b"{}"),
        # subjects
        spelled(b'{"id":"usr_7","type":"user"}', b'{"id":"usr_7","name":"Sarah","type":"user"}'),
        spelled(b'{"id":"usr_7","type":"user"}', b'{"id":"usr_7"}'),
        spelled(b'{"id":"usr_7","type":"user"}', b'{"id":null,"type":"user"}'),
        spelled(b'{"id":"usr_7","type":"user"}', b'{"id":7,"type":"user"}'),
        spelled(b'{"id":"usr_7","type":"user"}', b"[]"),
        spelled(b'{"type":"team"}', b'"team"'),
        spelled(b'{"type":"team"}', b"{}"),
        # texts
        spelled(b'"category":"access"', b'"category":true'),
        spelled(b'"outcome":"success"', b'"outcome":null'),
        spelled(b'"action":"user.role_changed"', b'"action":"\\u0075ser"'),
        spelled(b'"action":"user.role_changed"', b'"action":"\\u000a"'),
        spelled(b'"action":"user.role_changed"', b'"action":"\\u001F"'),
        spelled(b'"action":"user.role_changed"', b'"action":"\\/"'),
        spelled(b'"action":"user.role_changed"', b'"action":"\\ud83d\\ude00"'),
        spelled(b'"action":"user.role_changed"', b'"action":"\xed\xa0\x80"'),
        spelled(b'"action":"user.role_changed"', b'"action":"\xc0\x80"'),
        spelled(b'"action":"user.role_changed"', b'"action":"a\nb"'),
        # times
        spelled(b'"occurred_at":"2026-11-21T', b'"occurred_at":"2026-02-29T'),
        spelled(b'"occurred_at":"2026-11-21T', b'"occurred_at":"0000-11-21T'),
        spelled(b'"occurred_at":"2026-11-21T09', b'"occurred_at":"2026-11-21T24'),
        spelled(b'"occurred_at":"2026-11-21T09:30:00', b'"occurred_at":"2026-11-21T09:30:60'),
        spelled(b'"occurred_at":"2026-11-21T', b'"occurred_at":"2026-11-21 '),
        spelled(b'30:00.000Z"', b'30:00Z"'),
        spelled(b'30:00.000Z"', b'30:00.000+00:00"'),
        spelled(b'30:00.000Z"', '30:00.00\u0660Z"'.encode()),
        spelled(b'30:00.000000Z"', b'30:00.000Z"'),
        spelled(b'"source":"ui"', b'"source":"\\u0075i"'),
        spelled(b'"source":"ui"', b'"source":"\\u2028"'),
        spelled(b'"source":"ui"', b'"source":"\\ud800"'),
        spelled(b'"source":"ui"', b'"source":"\x1f"'),
        # too large by a byte, though of the right shape
        spelled(b'"source":"ui"', b'"source":"' + b"x" * (MAX_ENTRY_BYTES - len(SEALED) + 3) + b'"'),
    ],
)  # fmt: skip
def test_nothing_else_passes_for_an_entry(data: bytes) -> None:
    parse(SEALED)
    with pytest.raises(BadEntry):
        parse(data)


def test_the_largest_entry_is_read() -> None:
    data = spelled(b'"category":"access"', b'"category":"' + b"x" * (MAX_ENTRY_BYTES - len(SEALED) + 6) + b'"')
    assert len(data) == MAX_ENTRY_BYTES
    assert parse(data).category == "x" * (MAX_ENTRY_BYTES - len(SEALED) + 6)


@given(st.integers(0, len(SEALED) - 1), st.integers(0, 255) | st.sampled_from(b'"\\{}[],:0123456789'))
def test_a_byte_changed_is_another_entry_or_none(position: int, byte: int) -> None:
    """No two spellings of one entry: whatever still parses says something else."""
    data = SEALED[:position] + bytes([byte]) + SEALED[position + 1 :]
    try:
        found = parse(data)
    except BadEntry:
        return
    assert (found == parse(SEALED)) == (data == SEALED)


def slowly(data: bytes) -> Entry | None:
    """What `parse` does, the long way: canonical JSON first, then its shape, without a regular expression for both."""
    try:
        value = canonical.parse(data)
    except canonical.NotCanonical:
        return None
    hashes = re.compile("[A-Za-z0-9_-]{43}")
    match value:
        case {
            "_sd": list(sd),
            "action": str(action),
            "actor": dict(actor),
            "category": None | str() as category,
            "id": str(id_),
            "occurred_at": str(occurred_at),
            "operation": None | str() as operation,
            "outcome": "success" | "failure" | "denied" as outcome,
            "prev": str(prev),
            "recorded_at": str(recorded_at),
            "seq": int(seq),
            "source": "ui" | "admin_panel" | "api" | "background" as source,
            "targets": list(targets),
            "v": int(v),
            **rest,
        } if (
            not rest
            and type(seq) is int
            and seq >= 0
            and type(v) is int
            and v == 1
            and all(isinstance(d, str) and hashes.fullmatch(d) for d in sd)
            and sd == sorted(set(map(str, sd)))
            and hashes.fullmatch(prev)
            and re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", id_)
            and is_written(occurred_at, "milliseconds")
            and is_written(recorded_at, "microseconds")
            and all(map(is_subject, [actor, *targets]))
            and len(data) <= MAX_ENTRY_BYTES
        ):
            subjects = [Subject(each["type"], each.get("id")) for each in json.loads(json.dumps([actor, *targets]))]
            return Entry(
                tuple(map(str, sd)), action, subjects[0], category, id_, occurred_at, operation, outcome, prev,
                recorded_at, seq, source, tuple(subjects[1:]),
            )  # fmt: skip
    return None


def is_written(time: str, timespec: str) -> bool:
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return False
    return moment.tzinfo is UTC and moment.replace(tzinfo=None).isoformat(timespec=timespec) + "Z" == time


def is_subject(value: object) -> bool:
    match value:
        case {"type": str(), "id": str(), **rest} | {"type": str(), **rest} if not rest:
            return True
    return False


def quickly(data: bytes) -> Entry | None:
    try:
        return parse(data)
    except BadEntry:
        return None


PARTS = [SEALED[m.start() : m.end()] for m in re.finditer(rb'"[^"]*"|[0-9]+|.', SEALED)]
FRAGMENTS = st.sampled_from([
    b'"', b"\\", b"\\\\", b'\\"', b"\\n", b"\\u0000", b"\\u000f", b"\\u001e", b"\\u0008", b"\\u00e9", b"\\u", b"\x7f",
    b"\xc3\xa9", b"\xff", b"\xed\xa0\x80", "\U0001f600".encode(), "\u2028".encode(), b"\n", b"\0", b"{", b"}", b"[",
    b"]", b",", b":", b" ", b"null", b"true", b"0", b"-1", b"1.0", b"9007199254740991", b"9007199254740992", b"1e3",
    b"{}", b"[]",
    b'{"type":"user"}', b'{"id":"x","type":"y"}', b'{"id":null,"type":"y"}', b'"id":"x",', b'"A"', b"a" * 43,
    b"2026-02-29T09:30:00.000Z", b"0000-01-01T00:00:00.000000Z", "\u0661".encode(),
])  # fmt: skip


@given(st.data())
def test_the_quick_way_takes_what_the_long_way_takes(data: st.DataObject) -> None:
    """The regular expression is a second statement of the format. Mutations of an entry, of one to three places."""
    parts = list(PARTS)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(parts) - 1))
        new = data.draw(FRAGMENTS | st.sampled_from(PARTS))
        match data.draw(st.sampled_from(["replace", "insert", "inside", "drop"])):
            case "replace":
                parts[at] = new
            case "insert":
                parts.insert(at, new)
            case "inside":
                middle = data.draw(st.integers(0, len(parts[at])))
                parts[at] = parts[at][:middle] + new + parts[at][middle:]
            case _:
                parts[at] = b""
    mutated = b"".join(parts)
    assert quickly(mutated) == slowly(mutated)


@given(TEXT, st.none() | TEXT, st.none() | TEXT, SUBJECTS, st.lists(SUBJECTS, max_size=3))
@example('\u2028\x7f\x1f\x0b\b\t\n\f\r"\\', "null", None, Subject('a"}', 'b\\"'), [Subject('","v":1}', "]")])
@example("x", None, "x" * 300, Subject("y" * 300, "z" * 300), [Subject("\\", None)] * 40)
def test_both_ways_read_the_same_texts(
    action: str, category: str | None, operation: str | None, actor: Subject, targets: list[Subject]
) -> None:
    head = unsealed(
        id="0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90", action=action, actor=actor, targets=targets, category=category,
        operation=operation, outcome="denied", source="background", occurred_at=MOMENT, digests=["A" * 43],
    )  # fmt: skip
    data = seal(head, 0, "C" * 43, micros(MOMENT))
    found = quickly(data)
    assert found == slowly(data)
    assert found is not None
    assert (found.action, found.category, found.operation) == (action, category, operation)
    assert (found.actor, found.targets) == (actor, tuple(targets))


def test_an_entry_that_fails_slowly_is_refused_quickly() -> None:
    """No text makes the regular expression try ever more ways to fail: the time limit of the test would tell."""
    for text in (b"\\u0000" * 5000, b'{"type":"a"},' * 2300, b"x" * 32000, b'"A",' * 7000, b"\\n" * 15000):
        for where in (b'"action":"user.role_changed"', b'{"type":"team"}', b'"seq":7', b'"source":"ui"'):
            assert quickly(SEALED.replace(where, text)) is None
            assert quickly(SEALED.replace(where, b'"action":"' + text + b"\x01")) is None
