"""Where a request comes from: the address of the peer, or what a proxy that is trusted says of it."""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from litestar.types import HTTPScope

from indelible.settings import IPNetwork

__all__ = ["client_address"]

_IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_MAX_HOPS = 32
"""Proxies in a row, at most."""

# 192.0.2.1  192.0.2.1:4711  2001:db8::1  [2001:db8::1]  [2001:db8::1]:4711
_HOP = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+)(?::[0-9]{1,5})?|([0-9A-Fa-f:.]+)")


def client_address(scope: HTTPScope, trusted_proxies: Sequence[IPNetwork]) -> str | None:
    """The address of the host that asks, in its shortest form; None where the server does not know its peer.

    Where the peer is in `trusted_proxies` it is the right-most address of `X-Forwarded-For` that is not: each proxy
    adds on the right whom it was asked by, so what stands further left is a stranger's word. An entry that is no
    address ends the search, and where only proxies are left the outermost that is known is the answer.
    """
    client = scope["client"]
    if client is None or (peer := _peer(client[0])) is None:
        return None
    if not trusted_proxies or not _trusted(peer, trusted_proxies):
        return str(peer)
    found = peer
    for hop in _hops(scope):
        if (address := _hop(hop)) is None:
            break
        found = address
        if not _trusted(address, trusted_proxies):
            break
    return str(found)


def _hops(scope: HTTPScope) -> Iterator[str]:
    """What proxies wrote, the last first. Several headers are one list (RFC 9110 section 5.3)."""
    joined = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for").decode("latin-1")
    # Where there are more, what is left of them comes as one, which is no address.
    return (hop.strip(" \t") for hop in reversed(joined.rsplit(",", _MAX_HOPS)))


def _trusted(address: _IPAddress, proxies: Sequence[IPNetwork]) -> bool:
    return any(address in network for network in proxies)


def _hop(text: str) -> _IPAddress | None:
    match = _HOP.fullmatch(text)
    return _address(next(filter(None, match.groups()))) if match else None


@lru_cache(maxsize=1024)
def _peer(host: str) -> _IPAddress | None:
    # The zone of a link-local address means something on this host alone.
    return _address(host.partition("%")[0])


def _address(text: str) -> _IPAddress | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A socket that takes both kinds shows IPv4 peers so.
    return getattr(address, "ipv4_mapped", None) or address
