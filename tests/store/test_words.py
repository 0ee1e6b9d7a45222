"""The words of an event: what appending makes, what PostgreSQL stores of it, and what of it an erasure takes."""

import struct
import unicodedata
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from indelible.catalog import Catalog
from indelible.event import MAX_EVENT_BYTES, Event, InvalidEvent, parse
from indelible.ledger.disclosure import GROUPS
from indelible.store import words
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.erase import Order, Selection, erase, plan
from indelible.store.intake import Intake
from indelible.store.sealing import _disclosures
from indelible.store.session import Database as Connections
from indelible.store.verify import verify
from indelible.store.words import IMPERSONATED, SEARCHED, fold, is_listed, lexeme, search_vector, tokens
from tests.postgres import Database
from tests.store.samples import examples, raw, rows, send, take

pytestmark = pytest.mark.anyio

TEXTS = st.text(max_size=40) | st.text("aÄß'\\\"é1_ \u0301\u0345İ\ufdfa\U0001f600-", max_size=40)
TEXTS |= st.sampled_from(["", " ", "'", "\\", "''", "\\'", "\\\\", "a" * 1024, "\U00010400" * 200, "\u202e", "\ufeff"])
IDS = TEXTS.filter(len).map(lambda text: text[:256])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(TEXTS, children, max_size=4),
    max_leaves=8,
)
SIDES = st.fixed_dictionaries({}, optional={"from": JSON, "to": JSON})
EVENTS = st.fixed_dictionaries(
    {
        "action": IDS.map(lambda text: text[:128]),
        "actor": st.fixed_dictionaries({"type": st.sampled_from(["user", "system", "api_key"])}, optional={
            "id": IDS, "name": TEXTS, "email": TEXTS,
            "impersonator": st.fixed_dictionaries({}, optional={"id": IDS, "name": TEXTS, "email": TEXTS,
                                                                "reason": TEXTS}),
        }),
    },
    optional={
        "targets": st.lists(st.fixed_dictionaries({"type": IDS.map(lambda text: text[:128])},
                                                  optional={"id": IDS, "name": TEXTS}), max_size=4),
        "changes": st.dictionaries(TEXTS, SIDES, max_size=3),
        "metadata": st.dictionaries(TEXTS, JSON, max_size=3),
        "context": st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("ip_address", "user_agent", "request_id", "session_id"), TEXTS)
        ),
        "outcome": st.sampled_from(["success", "failure", "denied"]),
    },
)  # fmt: skip

OF_GROUPS = {"actor": "ab", "changes": "c", "context": "xsr", "metadata": "m", "targets": "t"}


def values(value: object) -> list[str]:
    """What JSON says: keys, strings, and the rest as it is written."""
    match value:
        case str():
            return [value]
        case dict():
            return [text for key, item in value.items() for text in (key, *values(item))]
        case list():
            return [text for item in value for text in values(item)]
    return [msgspec.json.encode(value).decode()]


def expected(event: Event) -> set[str]:
    """The words with their marks, from what they are said to be, and not from how they are made."""
    actor, context = event.actor, event.context
    who = actor.impersonator
    texts: dict[str, Sequence[str | None]] = {
        "a": [actor.name, actor.email, *((who.name, who.email, who.reason, IMPERSONATED) if who else ())],
        "t": [target.name for target in event.targets],
        "c": values(msgspec.to_builtins(event.changes)),
        "m": values(event.metadata) if event.action != SEARCHED else [],
    }
    wholes: dict[str, Sequence[str | None]] = {
        "=": [event.action], "o": [event.outcome if event.outcome != "success" else None], "u": [actor.id],
        "b": [who.id if who else None], "i": [target.id for target in event.targets],
        "y": [target.type for target in event.targets], "x": [context.ip_address], "s": [context.session_id],
        "r": [context.request_id],
    }  # fmt: skip
    found = {f"{mark}{text[:256]}" for mark, some in wholes.items() for text in some if text}
    return found | {f"{mark}{word}" for mark, some in texts.items() for text in some if text for word in tokens(text)}


def unpacked(vector: bytes) -> list[str]:
    """The lexemes of a tsvector in PostgreSQL's binary format, none of which has positions."""
    (count,) = struct.unpack_from(">i", vector)
    *found, end = vector[4:].split(b"\0\0\0")
    assert (len(found), end) == (count, b"")
    return [lexeme.decode() for lexeme in found]


def taken(tenant: str, fields: dict[str, Any]) -> Event | None:
    """None where it is no event: NUL, say, is refused."""
    try:
        return parse(raw(tenant, **fields))
    except InvalidEvent:
        return None


# --- what they are


@given(EVENTS)
@example({"action": "a", "actor": {"type": "user", "name": "\ufdfa" * 100}})
@example({"action": "a", "actor": {"type": "user"}, "metadata": {"t": "\\u0041\n\"'\u0001\\n"}})
@example({"action": "a", "actor": {"type": "user"}, "changes": {"": {}, "\\": {"to": "\\"}}})
@example({"action": SEARCHED, "actor": {"type": "user"}, "metadata": {"query": "sarah"}})
@example({"action": "a", "actor": {"type": "user", "impersonator": {"id": "os:robin"}}})
def test_words_are_those_of_the_values_each_with_where_it_stands(fields: dict[str, Any]) -> None:
    event = taken("acme", fields)
    if event is None:
        return
    vector, names = search_vector(event, _disclosures(event))
    found = unpacked(vector)
    assert len(found) == len(set(found)), "PostgreSQL does not look for what is twice there"
    assert all(len(word.encode()) <= 2046 for word in found)
    prefix = lexeme("acme", "=", "")[:3]
    assert {word[3:] for word in found} == expected(event)
    assert {word[:3] for word in found} == {prefix}
    assert set(names) == {word[4:] for word in found if word[3] in "at"}


@given(TEXTS, TEXTS)
@example("ÄÖÜ straße", "İıſ")
@example("ﬃ Ⅷ ½ ㎏", "ΑΎΡΙΟΝ ᾳ")
def test_folded_is_without_case_and_accents(one: str, other: str) -> None:
    folded = fold(one)
    assert fold(folded) == folded
    assert fold(unicodedata.normalize("NFC", one)) == fold(unicodedata.normalize("NFD", one)) == folded
    assert not [c for c in folded if unicodedata.category(c)[0] == "M"]
    assert tokens(f"{one} {other}") == tokens(one) | tokens(other)
    assert tokens(f"{one}/{other}") == tokens(one) | tokens(other)
    for word in tokens(one):
        assert tokens(word) == {word}
        assert 1 <= len(word) <= 64
        assert lexeme("acme", "a", word).isprintable()


def test_folding_any_character_is_done_at_once() -> None:
    """So that what is folded already, from the directory say, is found by what somebody types."""
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    assert [c for c in characters if fold(fold(c)) != fold(c)] == []


def test_what_is_remembered_of_characters_is_bounded() -> None:
    """However many different ones are sent; and what was forgotten is found out again."""
    every = "".join(chr(code) for code in range(0x3400, 0x3400 + 3 * words._KNOWN) if not 0xD800 <= code < 0xE000)
    folded = fold(every)
    assert 0 < len(words._without_marks) <= words._KNOWN
    assert fold(every[:100]) == folded[:100] == every[:100]
    assert fold("É\u0301ß") == "ess"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Müller MÜLLER muller", "muller"), ("Straße STRASSE", "strasse"), ("İstanbul", "istanbul"),
        ("sarah.chen@example.com", "sarah chen example com"), ("snake_case", "snake case"), ("ﬁnance", "finance"),
        ("O'Brien-Smith", "o brien smith"), ("２０２６年", "2026年"), ("हिन्दी", "हनद"), ("が", "か"), ("Ⅳ", "iv"),
        ("\U0001f680launch\U0001f680", "launch"), ("x" * 130, f"{'x' * 64} xx"), ("", ""), ("- _ ' \\", ""),
    ],
)  # fmt: skip
def test_tokens(text: str, words: str) -> None:
    assert tokens(text) == set(words.split())


@pytest.mark.parametrize(
    ("word", "is_there"),
    [
        ("ab", False), ("abc", True), ("123", False), ("12a", True), ("a" * 40, True), ("a" * 41, False),
        ("a1" * 7 + "b", True), ("a1" * 8, False), ("1" * 15, False), ("müller", True), ("年" * 3, True),
    ],
)  # fmt: skip
def test_what_the_directory_lists(word: str, is_there: bool) -> None:
    assert is_listed(word) == is_there


# --- what PostgreSQL stores


def stored(database: Database, tenant: str) -> dict[int, set[str]]:
    query = "SELECT seq, tsvector_to_array(search) FROM indelible.event_personal WHERE tenant_id = %s"
    found = dict(rows(database, query, tenant))
    prefix = lexeme(tenant, "=", "")[:3]
    assert all(word.startswith(prefix) for words in found.values() for word in words)
    return {seq: {word[3:] for word in words} for seq, words in found.items()}


async def proven(connections: Connections, tenant: str) -> None:
    report = await verify(connections, tenant)
    assert report is not None
    assert report.contradictions == ()


@examples(30)
@given(drawn=st.lists(EVENTS, min_size=1, max_size=8))
async def test_postgresql_stores_these_words(
    database: Database, connections: Connections, appender: Appender, intake: Intake, drawn: list[dict[str, Any]]
) -> None:
    """And what is read back of the ledger gives the same ones."""
    tenant = f"t-{uuid4().hex[:12]}"
    events = [event for fields in drawn if (event := taken(tenant, fields)) is not None]
    if not events:
        return
    receipts = await send(appender, *[take(intake, tenant, **msgspec.to_builtins(event)) for event in events])
    found = stored(database, tenant)
    for receipt, event in zip(receipts, events, strict=True):
        assert found[receipt.seq] == expected(event)
    await proven(connections, tenant)


def large(text: str) -> dict[str, Any]:
    """An event of nearly as many bytes as one may have."""
    fields: dict[str, Any] = {"action": "a.b", "actor": {"type": "user"}}
    room = MAX_EVENT_BYTES - len(raw("t" * 128, **fields, metadata={"t": ""}))
    return {**fields, "metadata": {"t": text * (room // len(text.encode()))}}


MANY = "".join(chr(code) for code in range(0x4E00, 0x9000))
LARGE = {
    "one word": "x", "one letter each": "a ", "accents": "é", "expanding": "\ufdfa", "expanding apart": "\u3300 ",
    "four bytes": "\U00010400", "marks alone": "\u0301", "wide marks": "e\u0301\u0327", "folding to more": "ΐ",
}  # fmt: skip


@pytest.mark.parametrize("case", [*LARGE, "many words"])
async def test_large_events_have_words_too(
    database: Database, connections: Connections, appender: Appender, intake: Intake, tenants: list[str], case: str
) -> None:
    fields = large(LARGE.get(case, "a"))
    if case == "many words":
        room = len(fields["metadata"]["t"])
        fields["metadata"]["t"] = " ".join(MANY)[: room // 2 - 10]
    (receipt,) = await send(appender, take(intake, tenants[0], **fields))
    event = taken(tenants[0], fields)
    assert event is not None
    assert stored(database, tenants[0])[receipt.seq] == expected(event)
    await proven(connections, tenants[0])


async def test_the_longest_ids_fit(
    database: Database, connections: Connections, appender: Appender, intake: Intake, tenants: list[str]
) -> None:
    """Four bytes a character; a lexeme has 2,046 at most."""
    longest = "\U00010400" * 256
    fields = {
        "action": longest[:128], "actor": {"type": "user", "id": longest, "impersonator": {"id": longest}},
        "targets": [{"type": longest[:128], "id": longest}],
        "context": dict.fromkeys(("ip_address", "request_id", "session_id"), longest * 4),
    }  # fmt: skip
    (receipt,) = await send(appender, take(intake, tenants[0], **fields))
    found = stored(database, tenants[0])[receipt.seq]
    assert found == {f"{mark}{longest[:128]}" for mark in "=y"} | {f"{mark}{longest}" for mark in "ubixsr"} | {
        f"a{word}" for word in tokens(IMPERSONATED)
    }
    await proven(connections, tenants[0])


# --- what an erasure takes


@examples(12)
@given(fields=EVENTS, groups=st.sets(st.sampled_from(GROUPS), min_size=1), again=st.sets(st.sampled_from(GROUPS)))
async def test_erasing_groups_takes_their_words_and_no_others(
    database: Database,
    connections: Connections,
    appender: Appender,
    intake: Intake,
    catalog: Catalog,
    fields: dict[str, Any],
    groups: set[str],
    again: set[str],
) -> None:
    tenant = f"t-{uuid4().hex[:12]}"
    if taken(tenant, fields) is None:
        return
    receipt, other = await send(appender, take(intake, tenant, **fields), take(intake, tenant, **fields))
    before = stored(database, tenant)
    left = before[receipt.seq]
    for some in filter(None, (groups, again)):
        selection = Selection("event", str(receipt.id), tuple(sorted(some)))
        planned = await plan(connections, tenant, selection)
        assert planned is not None
        await erase(connections, tenant, selection, Order("asked for"), Rules(catalog), planned)
        marks = "".join(OF_GROUPS[group] for group in some)
        left = {word for word in left if word[0] not in marks}
        found = stored(database, tenant)
        assert found[receipt.seq] == left
        assert found[other.seq] == before[other.seq]
    await proven(connections, tenant)
