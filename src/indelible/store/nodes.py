"""The stored tree: the leaf hashes, which are with the entries, and the roots of complete subtrees of 256, 65,536 …

Each node between is hashed from up to 128 of these.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple, cast

from indelible.ledger import base64url, proof
from indelible.ledger.proof import Node
from indelible.ledger.tree import SUBTREE_LEVELS
from indelible.store.errors import StoreError
from indelible.store.session import Connection

__all__ = ["LedgerAltered", "nodes_of"]


class LedgerAltered(StoreError):
    """What is stored of a ledger is incomplete, or contradicts what was signed of it.

    The message does not name the tenant: it is shown to others too.
    """

    def __init__(self, tenant: str, what: str) -> None:
        super().__init__(what)
        self.tenant = tenant


class _Span(NamedTuple):
    """Neighbouring stored hashes: those of a stored level from `start` up to, but not including, `stop`."""

    level: int
    start: int
    stop: int


# Spans and not a list of numbers: every month is searched for each of them. OFFSET 0 keeps each search apart: joined,
# the planner would take them for a ninth of the ledger and read through all of it.
_HASHES = b"""
    SELECT 0, e.seq, e.leaf_hash
    FROM unnest(%(starts)s::bigint[], %(stops)s::bigint[]) span (start, stop)
    CROSS JOIN LATERAL (
        SELECT seq, leaf_hash FROM indelible.events
        WHERE tenant_id = %(tenant)s AND seq >= span.start AND seq < span.stop OFFSET 0
    ) e
    UNION ALL
    SELECT s.level, s.index, s.root
    FROM unnest(%(high)s::smallint[], %(high_starts)s::bigint[], %(high_stops)s::bigint[]) span (level, start, stop)
    CROSS JOIN LATERAL (
        SELECT level, index, root FROM indelible.subtrees
        WHERE tenant_id = %(tenant)s AND level = span.level AND index >= span.start AND index < span.stop
        OFFSET 0
    ) s
"""

# The entries that name the hashes of the spans, as those before them.
_NEXT = b"""
    SELECT e.seq - 1, e.entry
    FROM unnest(%(starts)s::bigint[], %(stops)s::bigint[]) span (start, stop)
    CROSS JOIN LATERAL (
        SELECT seq, entry FROM indelible.events
        WHERE tenant_id = %(tenant)s AND seq > span.start AND seq <= span.stop OFFSET 0
    ) e
"""

_PREV = re.compile(rb'"prev":"([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])"')


async def nodes_of(
    connection: Connection, tenant: str, wanted: Iterable[Node], *, chained: bool = False
) -> dict[Node, bytes]:
    """The hashes of these nodes, all by one query; with `chained`, of two, a leaf's is what the next entry says."""
    below = {node: _stored_below(node) for node in wanted}
    spans = _joined(below.values())
    low = [span for span in spans if span.level == 0]
    high = [span for span in spans if span.level]
    parameters = {
        "tenant": tenant,
        "starts": [span.start for span in low],
        "stops": [span.stop for span in low],
        "high": [span.level for span in high],
        "high_starts": [span.start for span in high],
        "high_stops": [span.stop for span in high],
    }
    cursor = await connection.execute(_HASHES, parameters)
    rows = cast("list[tuple[int, int, bytes]]", await cursor.fetchall())
    stored = {(level, index): value for level, index, value in rows}
    for level, start, stop in spans:
        for index in range(start, stop):
            if (level, index) not in stored:
                width = 1 << SUBTREE_LEVELS * level
                what = f"the entries {index * width} to {(index + 1) * width - 1}" if level else f"entry {index}"
                raise LedgerAltered(tenant, f"the stored ledger is incomplete: there is no hash of {what}")
    if len(rows) != len(stored):
        raise LedgerAltered(tenant, "the stored ledger has two entries of one number")
    if chained:
        cursor = await connection.execute(_NEXT, parameters)
        for seq, entry in cast("list[tuple[int, bytes]]", await cursor.fetchall()):
            if (found := _PREV.search(entry)) is not None and (0, seq) in stored:
                stored[0, seq] = base64url.from_bytes(found[1])
    return {
        node: proof.subtree_root([stored[level, i] for i in range(start, stop)])
        for node, (level, start, stop) in below.items()
    }


def _stored_below(node: Node) -> _Span:
    """The stored hashes that `node` is the root of."""
    level, height = divmod(node.level, SUBTREE_LEVELS)
    return _Span(level, node.index << height, (node.index + 1) << height)


def _joined(spans: Iterable[_Span]) -> list[_Span]:
    joined: list[_Span] = []
    for span in sorted(spans):
        if joined and joined[-1].level == span.level and joined[-1].stop >= span.start:
            joined[-1] = joined[-1]._replace(stop=max(joined[-1].stop, span.stop))
        else:
            joined.append(span)
    return joined
