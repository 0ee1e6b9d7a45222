"""Base64url: one text for each bytes, so that a hash cannot be written in two ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.ledger import base64url


@given(st.binary(max_size=100))
def test_what_is_encoded_is_decoded(data: bytes) -> None:
    text = base64url.encode(data)
    assert base64url.decode(text) == data
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(st.text(st.characters(), max_size=12) | st.text("AB-_+/=\n ", max_size=12))
def test_whatever_decodes_is_the_one_spelling(text: str) -> None:
    try:
        data = base64url.decode(text)
    except ValueError:
        return
    assert base64url.encode(data) == text


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("AA", ["AB", "AA==", "AA=", "A", "AA\n", " AA", "A A", "ＡＡ", "AA\0"]),
        ("-_8", ["+/8", "-_9", "-/8", "-_8="]),
        ("", ["=", "====", "\n"]),
        ("AAAA", ["AAA\u0410", "AAAA=", "AAAA====", "AAAAA", "AA.AA"]),
    ],
)
def test_other_spellings_are_refused(good: str, bad: list[str]) -> None:
    """Stray bits, padding, the other alphabet, spaces, look-alikes: Python's own decoder takes most of them."""
    base64url.decode(good)
    for text in bad:
        with pytest.raises(ValueError):  # noqa: PT011 - of whichever kind
            base64url.decode(text)
