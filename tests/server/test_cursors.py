"""Cursors: what was written is read again, and nothing else is."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.server.cursors import BadCursor, Cursor, Cursors
from indelible.store.places import Place

SECRET = bytes(range(32))
PLACE = Place(datetime(2026, 11, 21, 9, 30, 0, 123456, UTC), 812)
TEXT = Cursors(SECRET).write(Cursor(PLACE), "acme")

places = st.builds(Place, st.datetimes(timezones=st.just(UTC)), st.integers(0, 2**63 - 1))
tenants = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@~+-]{0,127}", fullmatch=True)


@given(places, st.booleans(), tenants)
def test_what_was_written_is_read(place: Place, newer: bool, tenant: str) -> None:
    cursors = Cursors(SECRET)
    assert Cursors(SECRET).read(cursors.write(Cursor(place, newer), tenant), tenant) == Cursor(place, newer)


@given(st.integers(0, len(TEXT) - 1), st.sampled_from("ABCXYZabcxyz0189-_"))
def test_no_other_text_is_one(at: int, character: str) -> None:
    altered = TEXT[:at] + character + TEXT[at + 1 :]
    if altered != TEXT:
        with pytest.raises(BadCursor):
            Cursors(SECRET).read(altered, "acme")


@given(st.text() | st.binary(max_size=40).map(lambda data: base64.urlsafe_b64encode(data).decode().rstrip("=")))
def test_what_somebody_makes_up_is_none(text: str) -> None:
    for tenant in ("acme", None):
        # Nobody knows the tenant of a request that does not name it; the bytes can be looked at all the same.
        with pytest.raises(BadCursor, match="take it from next_cursor"):
            Cursors(SECRET).read(text, tenant)


@pytest.mark.parametrize(("secret", "tenant"), [(SECRET, "acme2"), (SECRET, "acm"), (SECRET, ""), (bytes(32), "acme")])
def test_it_is_good_for_one_tenant_of_one_installation(secret: bytes, tenant: str) -> None:
    with pytest.raises(BadCursor):
        Cursors(secret).read(TEXT, tenant)


def test_the_direction_cannot_be_turned() -> None:
    data = bytearray(base64.urlsafe_b64decode(TEXT + "=="))
    assert (data[0], data[1]) == (1, 0)
    for place, value in ((1, 1), (1, 2), (0, 0), (0, 2)):
        turned = bytes(data[:place]) + bytes([value]) + bytes(data[place + 1 :])
        with pytest.raises(BadCursor):
            Cursors(SECRET).read(base64.urlsafe_b64encode(turned).decode().rstrip("="), "acme")


def test_whose_tenant_is_not_known_is_looked_at_for_its_shape() -> None:
    """So that a request without its tenant is told that, and not that a sound cursor is wrong as well."""
    assert Cursors(SECRET).read(TEXT, None) == Cursor(PLACE)
