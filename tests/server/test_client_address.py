"""Where a request comes from: what only a trusted proxy may say, and what nobody may."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.server.client_address import client_address

STRANGER = "198.51.100.9"
PROXIES = ("10.0.0.0/8", "192.0.2.1", "2001:db8:1::/48")


def asked(peer: str | None, *forwarded: str, proxies: tuple[str, ...] = PROXIES) -> str | None:
    scope: Any = {
        "client": None if peer is None else (peer, 4711),
        "headers": [(b"host", b"x"), *((b"x-forwarded-for", value.encode("latin-1")) for value in forwarded)],
    }
    return client_address(scope, tuple(map(ipaddress.ip_network, proxies)))


@pytest.mark.parametrize(
    ("peer", "known"),
    [
        (STRANGER, STRANGER),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:198.51.100.9", STRANGER),  # a socket for both kinds of addresses
        ("fe80::1%eth0", "fe80::1"),
        ("/run/indelible.sock", None),
        ("", None),
        (None, None),
    ],
)
def test_without_a_proxy_it_is_the_peer(peer: str | None, known: str | None) -> None:
    assert asked(peer) == asked(peer, proxies=()) == known


@pytest.mark.parametrize("peer", [STRANGER, "2001:db8:2::1", "11.0.0.1", None])
def test_a_stranger_is_never_believed(peer: str | None) -> None:
    assert asked(peer, "203.0.113.7") == peer
    assert asked(peer, "203.0.113.7", proxies=()) == peer


@pytest.mark.parametrize(
    ("forwarded", "known"),
    [
        (["203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7:51234"], "203.0.113.7"),
        (["[2001:db8::7]:51234"], "2001:db8::7"),
        (["[2001:db8::7]"], "2001:db8::7"),
        (["2001:db8::7"], "2001:db8::7"),
        (["::ffff:203.0.113.7"], "203.0.113.7"),
        ([" 203.0.113.7\t"], "203.0.113.7"),
        # What stands left of the first stranger is that stranger's word.
        (["1.2.3.4, 203.0.113.7"], "203.0.113.7"),
        (["1.2.3.4,203.0.113.7, 10.1.1.1 ,192.0.2.1"], "203.0.113.7"),
        (["10.0.0.5, 203.0.113.7, 10.1.1.1"], "203.0.113.7"),
        (["203.0.113.7, 2001:db8:1::5"], "203.0.113.7"),
        # Several headers are one list, in their order.
        (["1.2.3.4", "203.0.113.7", "10.1.1.1"], "203.0.113.7"),
        (["203.0.113.7, 10.1.1.1", ""], "10.0.0.1"),
        # Only proxies: it is the outermost.
        (["10.0.0.9, 10.1.1.1"], "10.0.0.9"),
        ([], "10.0.0.1"),
        ([""], "10.0.0.1"),
        # What is no address ends it, whatever stands behind.
        (["203.0.113.7, unknown"], "10.0.0.1"),
        (["203.0.113.7, unknown, 10.1.1.1"], "10.1.1.1"),
        (["203.0.113.7, , 10.1.1.1"], "10.1.1.1"),
        (["203.0.113.7, 10.1.1.256"], "10.0.0.1"),
        (["203.0.113.7, 010.1.1.1"], "10.0.0.1"),
        (["203.0.113.7, 0x0a.1.1.1"], "10.0.0.1"),
        (["203.0.113.7, 167837953"], "10.0.0.1"),
        (["203.0.113.7, fe80::1%eth0"], "10.0.0.1"),
        (["203.0.113.7, 10.1.1.1/8"], "10.0.0.1"),
        (["203.0.113.7, 10.1.1.1:"], "10.0.0.1"),
        (["203.0.113.7, [10.1.1.1"], "10.0.0.1"),
        (["203.0.113.7, 2001:db8:1::5]"], "10.0.0.1"),
        (['203.0.113.7, "10.1.1.1"'], "10.0.0.1"),
        (["203.0.113.7; 10.1.1.1"], "10.0.0.1"),
        (["203.0.113.7\n10.1.1.1"], "10.0.0.1"),
        (["203.0.113.\xb2"], "10.0.0.1"),
        (["203.0.113.7, " + "10.1.1.1," * 32 + "10.1.1.1"], "10.1.1.1"),  # further than proxies ever stand
    ],
)
def test_a_trusted_proxy_says_whom_it_was_asked_by(forwarded: list[str], known: str) -> None:
    assert asked("10.0.0.1", *forwarded) == known
    assert asked("::ffff:10.0.0.1", *forwarded) == known


def test_an_ipv6_proxy_is_believed_too() -> None:
    assert asked("2001:db8:1::2", "203.0.113.7") == "203.0.113.7"


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=60), max_size=4))
def test_whatever_is_sent_the_answer_is_an_address(forwarded: list[str]) -> None:
    """And one that was written there, or the peer."""
    found = asked("10.0.0.1", *forwarded)
    assert found is not None
    assert str(ipaddress.ip_address(found)) == found
    assert asked(STRANGER, *forwarded) == STRANGER


ADDRESSES = st.ip_addresses() | st.ip_addresses(network="10.0.0.0/8") | st.ip_addresses(network="2001:db8:1::/48")


@given(st.lists(ADDRESSES.map(lambda address: getattr(address, "ipv4_mapped", None) or address), max_size=8))
def test_it_is_the_right_most_that_is_not_trusted(addresses: list[ipaddress.IPv4Address]) -> None:
    hops = [ipaddress.ip_address("10.0.0.1"), *reversed(addresses)]
    trusted = [any(hop in ipaddress.ip_network(network) for network in PROXIES) for hop in hops]
    expected = hops[trusted.index(False)] if False in trusted else hops[-1]
    assert asked("10.0.0.1", ", ".join(map(str, addresses))) == str(expected)
