"""Disclosures against RFC 9901's published example and the `sd-jwt` package."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sd_jwt.common import SDJWTCommon  # type: ignore[import-untyped]

from indelible import event
from indelible.catalog import Catalog
from indelible.ledger import base64url
from indelible.ledger.disclosure import GROUPS, MAX_DEPTH, digest, disclose, open_disclosure, open_text, text
from indelible.store.sealing import prepare

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def test_the_example_of_rfc_9901() -> None:
    """Section 4.2.1 and 4.2.3, with the spaces that its JSON has."""
    disclosure = '["_26bc4LT-ac6q2KI6cBW5es", "family_name", "Möbius"]'.encode()
    assert text(disclosure) == "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"
    assert digest(disclosure) == "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0"
    assert open_disclosure(disclosure) == ("family_name", "Möbius")


@given(st.sampled_from(GROUPS), VALUES, st.binary(min_size=16, max_size=16))
def test_another_implementation_reads_the_same(name: str, value: object, salt: bytes) -> None:
    disclosure = disclose(name, json.dumps(value, ensure_ascii=False).encode(), salt)
    other = SDJWTCommon("compact")
    other._create_hash_mappings([text(disclosure)])
    assert other._hash_to_decoded_disclosure == {digest(disclosure): [base64url.encode(salt), name, value]}
    assert open_disclosure(disclosure) == (name, value)


def test_the_salt_hides_the_value() -> None:
    """Without it a digest of a name could be found by trying all names."""
    assert digest(disclose("actor", b'"x"', bytes(16))) != digest(disclose("actor", b'"x"', b"\1" + bytes(15)))


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'["salt","actor"]', b'["salt","actor",1,2]', b'["salt",5,1]', b'[5,"actor",1]', b'"actor"',
     b'["salt","actor",1', b'["salt","actor","\xff"]', b'["salt","actor",' + b"[" * 100_000 + b"]" * 100_000 + b"]"],
)  # fmt: skip
def test_what_is_no_disclosure_is_refused(data: bytes) -> None:
    """With the one error that callers expect, however strange the bytes are."""
    with pytest.raises(ValueError):  # noqa: PT011 - of whichever kind
        open_disclosure(data)


def nested(opening: bytes, inside: bytes, closing: bytes, depth: int) -> bytes:
    """The text of a disclosure of so many arrays or objects within one another, its own array among them."""
    return base64url.to_bytes(disclose("metadata", opening * (depth - 1) + inside + closing * (depth - 1), bytes(16)))


@pytest.mark.parametrize(("opening", "inside", "closing"), [(b"[", b"", b"]"), (b'{"a":', b"1", b"}"),
                                                             (b'[[],"[", {"a":', b"null", b"}]")])  # fmt: skip
def test_how_deep_a_value_may_be_does_not_depend_on_the_parser(opening: bytes, inside: bytes, closing: bytes) -> None:
    """One version of Python reads a thousand levels, another one a hundred thousand: verdicts must not differ."""
    step = opening.count(b"{") + 1 if b"[" in opening else 1
    deepest = 1 + (MAX_DEPTH - 1) // step
    assert open_text(nested(opening, inside, closing, deepest))[0] == "metadata"
    for depth in (deepest + 2, 500, 5000):
        with pytest.raises(ValueError, match="a disclosure is"):
            open_text(nested(opening, inside, closing, depth))


@pytest.mark.parametrize(
    "value",
    [["[{" * 500], ['\\"[' * 500, "\\"], [[]] * 500, {"a" * n: {"from": [n], "to": "]}"} for n in range(1, 200)}],
    ids=["in a text", "after a quote in a text", "beside one another", "many changes"],
)
def test_brackets_that_are_not_within_one_another_do_not_count(value: object) -> None:
    disclosure = disclose("changes", json.dumps(value).encode(), bytes(16))
    assert open_text(base64url.to_bytes(disclosure)) == ("changes", value)


def test_texts_that_never_end_are_refused_at_once() -> None:
    for value in (b"[" * 70 + b'"' + b'\\"' * 300_000, b'["' * 300_000, b"[" * 600_000):
        with pytest.raises(ValueError, match="a disclosure is"):
            open_text(base64url.to_bytes(disclose("changes", value, bytes(16))))


def test_the_deepest_event_that_is_accepted_can_be_verified(catalog: Catalog) -> None:
    """And one that is deeper is not accepted, so that the limit is not lower than it has to be, nor higher."""

    def sealed(part: bytes, depth: int) -> dict[str, bytes]:
        raw = b'{"tenant_id":"acme","action":"user.joined","actor":{"type":"system"},%s}'
        parsed = event.parse(raw % part.replace(b"DEEP", b"[" * depth + b"]" * depth))
        return dict(prepare(parsed, catalog, now=datetime(2026, 11, 21, tzinfo=UTC)).disclosures)

    metadata, changes = b'"metadata":{"a":DEEP}', b'"changes":{"a":{"from":DEEP,"to":1}}'
    for part, name, around, most in ((metadata, "metadata", 2, 64), (changes, "changes", 3, 65)):
        assert open_text(base64url.to_bytes(sealed(part, most)[name]))[0] == name
        assert most + around <= MAX_DEPTH
        with pytest.raises(event.InvalidEvent):
            sealed(part, most + 1)
    assert MAX_DEPTH == 65 + 3
