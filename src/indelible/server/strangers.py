"""Whoever sends keys that nobody has seen: they may try some, and no more."""

import asyncio
import math
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address

from indelible.server.problems import Problem

__all__ = ["Strangers"]

_RATE = 20.0
"""Keys a second that one address may try, for as long as it likes."""

_BURST = 50.0
"""And at once."""

_MAX_ADDRESSES = 10_000

_NETWORK_BITS = 64
"""Of an IPv6 address, those that a host does not choose by itself (RFC 4291 section 2.5.4)."""


class Strangers:
    """A token bucket for each address; of those that try most rarely it forgets some."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def try_one(self, address: str | None) -> None:
        """Counts a key that is to be looked up. Raises `Problem` 429."""
        now = asyncio.get_running_loop().time()
        name = _network(address)
        left, since = self._buckets.pop(name, (_BURST, now))
        left = min(_BURST, left + (now - since) * _RATE)
        if left < 1:
            self._keep(name, left, now)
            raise Problem(
                429,
                "rate_limited",
                "too many keys that are not known here came from this address; keys that are known go on working",
                headers={"retry-after": str(math.ceil((1 - left) / _RATE))},
            )
        self._keep(name, left - 1, now)

    def was_known(self, address: str | None) -> None:
        """The key that was looked up is a good one."""
        left, since = self._buckets.pop(name := _network(address), (_BURST, 0.0))
        self._keep(name, min(_BURST, left + 1), since)

    def _keep(self, name: str, left: float, since: float) -> None:
        self._buckets[name] = (left, since)
        if len(self._buckets) > _MAX_ADDRESSES:
            self._buckets.popitem(last=False)


def _network(address: str | None) -> str:
    if address is None or ":" not in address:
        return address or ""
    number = int(IPv6Address(ip_address(address))) >> (128 - _NETWORK_BITS)
    return f"{number:x}::"
