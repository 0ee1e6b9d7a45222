"""Disclosures against RFC 9901's published example and the `sd-jwt` package."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sd_jwt.common import SDJWTCommon  # type: ignore[import-untyped]

from indelible.ledger import base64url
from indelible.ledger.disclosure import GROUPS, digest, disclose, open_disclosure, text

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
