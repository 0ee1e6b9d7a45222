"""Canonical JSON against the `rfc8785` package, and what must not pass for it."""

from __future__ import annotations

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from indelible.ledger import canonical
from indelible.ledger.canonical import MAX_INTEGER, Json, NotCanonical

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz019_.", min_size=1, max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_it_is_rfc_8785(value: Json) -> None:
    """Byte for byte what an independent implementation writes, and the way back."""
    data = canonical.encode(value)
    assert data == rfc8785.dumps(value)
    assert canonical.parse(data) == value


@given(st.binary(max_size=30) | st.text('{}[]",:0123456789eE.-tfn\\u \u2028', max_size=20).map(str.encode))
def test_whatever_parses_is_the_one_spelling(data: bytes) -> None:
    try:
        value = canonical.parse(data)
    except NotCanonical:
        return
    assert canonical.encode(value) == data == rfc8785.dumps(value)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (b'{"a":1}', [b'{"a":1} ', b'\n{"a":1}', b'{"a": 1}', b'{"a":1,}', b'{"a":1}{}', b"{'a':1}", b'{"\\u0061":1}',
                      b'\xef\xbb\xbf{"a":1}', '{"a":1}'.encode("utf-16"), b'{"a":1}\0']),
        (b'{"a":1,"b":2}', [b'{"b":2,"a":1}', b'{"a":1,"a":1}', b'{"a":1,"b":2,"a":1}', b'{"a":3,"a":1,"b":2}']),
        (b"10", [b"1_0", b"010", b"+10", b"10.0", b"1e1", b"1E1", "１０".encode(), "١٠".encode(), b"0xA", b"10l"]),
        (b"0", [b"-0", b"0.0", b"-0.0", b"0e0", b"00"]),
        (b"9007199254740991", [b"9007199254740992", b"9007199254740991.0", b"9" * 5000]),
        (b"-9007199254740991", [b"-9007199254740992", b"-9007199254740993"]),
        (b"null", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"None", b"nil", b"NULL", b""]),
        (b"true", [b"True", b"TRUE", b"tru"]),
        (b'"/\xc3\xa9"', [b'"\\/\xc3\xa9"', b'"/\\u00e9"', b'"/\\u00E9"', b'"/\xe9"', b'"/\xc3"']),
        (b'"\\n\\u001f\x7f"', [b'"\n\\u001f\x7f"', b'"\\u000a\\u001f\x7f"', b'"\\n\\u001F\x7f"',
                                b'"\\n\\u001f\\u007f"']),
        ('"\u2028\u2029"'.encode(), [b'"\\u2028\\u2029"']),
        ('"😀"'.encode(), [b'"\\ud83d\\ude00"', b'"\\ud83d"', b'"\\ude00"', b'"\xed\xa0\xbd\xed\xb8\x80"',
                           b'"\xf0\x9f\x98"']),
        (b'{"a_b.9":1}', [b'{"A":1}', b'{"":1}', b'{"a-b":1}', b'{"a b":1}', '{"é":1}'.encode(), b'{"a\\n":1}',
                          '{"９":1}'.encode()]),
        (b"[[]]", [b"[[]", b"[[],]", b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000]),
    ],
)  # fmt: skip
def test_other_spellings_are_refused(good: bytes, bad: list[bytes]) -> None:
    """Beside what is right, everything that some parser reads as the same, or Python's reads without a word."""
    canonical.parse(good)
    for data in bad:
        with pytest.raises(NotCanonical):
            canonical.parse(data)


@pytest.mark.parametrize(
    "value", [1.0, float("nan"), 2**53, -(2**53), {"A": 1}, {"": 1}, {1: 1}, "\ud800", b"x", (1,), {"a": [{"b": 0.5}]}]
)
def test_what_has_no_canonical_form_is_not_written(value: Json) -> None:
    with pytest.raises(NotCanonical):
        canonical.encode(value)
