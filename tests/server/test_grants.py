"""A key grants at most what its maker holds: every maker, with every key that they could ask for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, Final
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.event import Actor
from indelible.server.caller import Caller
from indelible.server.grants import check_ending, check_making, latest_end
from indelible.server.problems import Problem
from indelible.store.keys import SCOPES, Key
from indelible.store.view import ALL_PARTS
from tests.store.samples import examples

NOW: Final = datetime(2026, 11, 22, tzinfo=UTC)
EVERY: Final = frozenset(SCOPES)
ENDS: Final = (None, NOW, NOW + timedelta(days=1), NOW + timedelta(days=2))
FOR_SIEM: Final = frozenset({"events:read", "export"})


def a_key(**held: Any) -> Caller:
    return Caller(Actor(type="api_key", id="k"), **{"scopes": EVERY, "key_id": uuid4(), **held})


def a_token(**held: Any) -> Caller:
    given = {"scopes": FOR_SIEM | {"keys:manage"}, "tenant": "acme", "token_id": "t", "expires_at": NOW, **held}
    return Caller(Actor(type="user", id="usr_7"), **given)


def refused(caller: Caller, scopes: frozenset[str], tenant: str | None, end: datetime | None) -> set[str | None]:
    """Where it goes beyond what the caller holds, by pointer; nothing if it does not."""
    try:
        check_making(caller, scopes, tenant, end)
    except Problem as problem:
        told = problem.details
    else:
        return set()
    assert (told.status, told.code) == (403, "beyond_your_own")
    assert told.errors
    assert all(error.detail in told.detail for error in told.errors)
    return {error.pointer for error in told.errors}


@pytest.mark.parametrize(
    ("held", "wanted", "mine", "tenant", "my_end", "end"),
    [
        *product(
            [EVERY, frozenset({"keys:manage", "events:read"}), frozenset({"keys:manage"})],
            [frozenset(), frozenset({"events:read"}), FOR_SIEM, frozenset({"keys:manage"}), EVERY],
            [None, "acme"],
            [None, "acme", "umbra"],
            ENDS,
            ENDS,
        )
    ],
)
def test_a_key_passes_on_what_it_holds_and_no_more(
    held: frozenset[str],
    wanted: frozenset[str],
    mine: str | None,
    tenant: str | None,
    my_end: datetime | None,
    end: datetime | None,
) -> None:
    right: set[str | None] = set()
    if not wanted <= held:
        right.add("/scopes")
    if mine == "acme" and tenant != "acme":
        right.add("/tenant_id")
    if my_end is not None and (end is None or end > my_end):
        right.add("/expires_at")
    assert refused(a_key(scopes=held, tenant=mine, expires_at=my_end), wanted, tenant, end) == right


@given(held=st.sets(st.sampled_from(SCOPES)), wanted=st.sets(st.sampled_from(SCOPES)), by_token=st.booleans())
@examples(300)
def test_no_scope_comes_from_nowhere(held: set[str], wanted: set[str], by_token: bool) -> None:
    maker = (a_token if by_token else a_key)(scopes=frozenset(held), tenant="acme")
    grantable = held & FOR_SIEM if by_token else held
    assert refused(maker, frozenset(wanted), "acme", None) == (set() if wanted <= grantable else {"/scopes"})


@pytest.mark.parametrize(
    ("held", "wanted", "allowed"),
    [
        ({"keys:manage", "events:read"}, set(), True),
        ({"keys:manage", "events:read"}, {"events:read"}, True),
        ({"keys:manage", "events:read"}, {"export"}, False),
        ({"keys:manage", "events:read", "export"}, {"events:read", "export"}, True),
        ({"keys:manage", "events:read"}, {"keys:manage"}, False),
        ({"keys:manage", "events:read", "streams:manage"}, {"streams:manage"}, False),
        ({"keys:manage"}, {"events:read"}, False),
        # Tokens hold none of these; and if one did, it could not pass it on.
        ({"keys:manage", "events:write"}, {"events:write"}, False),
        (set(SCOPES), {"privacy:erase"}, False),
    ],
)
def test_a_viewer_token_makes_keys_that_read(held: set[str], wanted: set[str], allowed: bool) -> None:
    maker = a_token(scopes=frozenset(held))
    assert refused(maker, frozenset(wanted), "acme", None) == (set() if allowed else {"/scopes"})


def test_a_viewer_tokens_key_outlasts_it_and_stays_with_its_tenant() -> None:
    """The token lasts for minutes; a SIEM needs a key for months."""
    assert latest_end(a_token()) is None
    assert latest_end(a_token(issuer_expires_at=NOW)) == NOW
    ending = a_token(issuer_expires_at=NOW)
    assert refused(ending, frozenset({"events:read"}), "acme", None) == {"/expires_at"}
    assert refused(ending, frozenset({"events:read"}), "acme", NOW) == set()
    assert latest_end(a_key(expires_at=NOW)) == NOW
    assert refused(a_token(), frozenset({"events:read"}), "acme", NOW + timedelta(days=90)) == set()
    for tenant in (None, "umbra", "ACME", "acme "):
        assert refused(a_token(), frozenset({"events:read"}), tenant, None) == {"/tenant_id"}


@pytest.mark.parametrize(
    "narrowed",
    [{"member": "usr_7"}, {"equal": {"category": ("auth",)}}, {"parts": ALL_PARTS - {"ip_address"}},
     {"parts": frozenset()}],
)  # fmt: skip
@pytest.mark.parametrize("make", [a_key, a_token])
@pytest.mark.parametrize("scopes", [frozenset(), frozenset({"events:read"})])
def test_whoever_sees_a_part_makes_no_key_at_all(
    narrowed: Mapping[str, Any], make: Any, scopes: frozenset[str]
) -> None:
    """A key has no such bounds, and would show them the rest."""
    assert refused(make(tenant="acme", **narrowed), scopes, "acme", None) == {None}


def test_everything_that_goes_beyond_is_told_at_once() -> None:
    maker = a_key(scopes=frozenset({"keys:manage"}), tenant="acme", expires_at=NOW, member="usr_7")
    assert refused(maker, frozenset({"export"}), "umbra", None) == {None, "/scopes", "/tenant_id", "/expires_at"}


@pytest.mark.parametrize(
    "scopes", [frozenset(), frozenset({"events:read"}), FOR_SIEM, frozenset({"events:write"}), EVERY]
)
def test_nobody_looking_at_the_log_ends_the_keys_that_log(scopes: frozenset[str]) -> None:
    """A customer's admin could otherwise do something unlogged. A key of the vendor's own ends any, in an emergency."""
    key = Key(uuid4(), "k", scopes, "acme")
    check_ending(a_key(scopes=frozenset({"keys:manage"})), key)
    if scopes <= FOR_SIEM:
        check_ending(a_token(), key)
    else:
        with pytest.raises(Problem, match="beyond what you hold"):
            check_ending(a_token(), key)


@pytest.mark.parametrize("scopes", [frozenset(), frozenset({"keys:manage"}), FOR_SIEM, EVERY])
@pytest.mark.parametrize("held", [frozenset({"keys:manage"}), FOR_SIEM | {"keys:manage"}, EVERY])
def test_a_key_of_a_tenant_ends_what_it_could_have_made(held: frozenset[str], scopes: frozenset[str]) -> None:
    key = Key(uuid4(), "k", scopes, "acme")
    if scopes <= held:
        check_ending(a_key(scopes=held, tenant="acme"), key)
    else:
        with pytest.raises(Problem, match="not yours to grant"):
            check_ending(a_key(scopes=held, tenant="acme"), key)
