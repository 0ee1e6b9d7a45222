"""Believable events as the bytes a client would send, made before the clock starts.

Each has its own UUIDv7, some 600 bytes of JSON, and what real ones have: names, an address, a browser, changes
and metadata. The same seed gives the same events, ids included, apart from the time they are made at.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from uuid import UUID

import msgspec

__all__ = ["bodies", "events", "tenants"]

FIRST = "Amara Bjorn Chloe Daniel Elif Farid Greta Hiro Ines Jonas Kavya Leon Mina Nadia Omar Petra".split()
LAST = "Adler Bianchi Costa Dubois Eriksen Fischer Gallo Haddad Ito Jensen Kowalski Lindgren Moreau Novak".split()
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
)
ROLES = ("viewer", "member", "editor", "admin")
ACTIONS = ("user.role_changed", "document.updated", "document.viewed", "project.updated", "api_key.created")


def tenants(count: int) -> list[str]:
    """`count` tenant ids; one tenant is the hot one."""
    return [f"bench-{n:04}" for n in range(count)]


def events(count: int, tenant_ids: list[str], *, seed: int = 1) -> Iterator[bytes]:
    """`count` events as JSON, spread evenly and in turn over `tenant_ids`."""
    rng = random.Random(seed)
    encode = msgspec.json.Encoder().encode
    made_at = time.time_ns() // 1_000_000
    occurred_at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(made_at / 1000))
    for n in range(count):
        first, last = rng.choice(FIRST), rng.choice(LAST)
        other, role = rng.choice(FIRST), rng.randrange(len(ROLES))
        person = rng.randrange(200)
        yield encode(
            {
                "id": _uuid7(made_at, rng),
                "tenant_id": tenant_ids[n % len(tenant_ids)],
                "action": rng.choice(ACTIONS),
                "occurred_at": f"{occurred_at}.{n % 1000:03}Z",
                "actor": {
                    "type": "user",
                    "id": f"usr_{person}",
                    "name": f"{first} {last}",
                    "email": f"{first}.{last}@customer.example".lower(),
                },
                "targets": [{"type": "user", "id": f"usr_{rng.randrange(2000)}", "name": f"{other} {last}"}],
                "changes": {"role": {"from": ROLES[role - 1], "to": ROLES[role]}},
                "source": "ui",
                "context": {
                    "ip_address": f"203.0.113.{person}",
                    "user_agent": AGENTS[person % len(AGENTS)],
                    "request_id": f"req_{rng.getrandbits(64):016x}",
                    "session_id": f"ses_{person:04}",
                },
                "metadata": {"ticket": str(rng.randrange(10_000)), "reason": f"asked for by {other}"},
            }
        )


def bodies(encoded: list[bytes], batch: int) -> list[bytes]:
    """The events as bodies of requests: one each (`batch` 0), or JSON arrays of `batch` events."""
    if not batch:
        return encoded
    return [b"[" + b",".join(encoded[at : at + batch]) + b"]" for at in range(0, len(encoded), batch)]


def _uuid7(milliseconds: int, rng: random.Random) -> str:
    value = milliseconds << 80 | 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62)
    return str(UUID(int=value))
