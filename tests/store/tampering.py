"""A ledger to tamper with (fixture `ledger`), and what verification then says of it."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from indelible.ledger import base64url
from indelible.ledger.disclosure import open_disclosure
from indelible.ledger.entry import parse
from indelible.ledger.tree import Frontier, leaf_hash
from indelible.store.session import Database as Connections
from indelible.store.verify import Remembered, Report, verify
from indelible.store.words import lexeme, words_of
from tests.postgres import Database
from tests.store.samples import as_superuser, rows

__all__ = ["HEAD", "LAST", "ROW", "SIZE", "TREE", "Found", "Ledger", "blames", "columns_of"]

SIZE, LAST = 7, 6
ROW = "tenant_id = %(tenant)s AND seq = %(seq)s"

Found = dict[int | None, str]
"""For each entry that is blamed (None: the ledger as a whole) a phrase of what is said of it."""

TREE = "the tree kept with the ledger's head"
HEAD = "the ledger's head is not the hash of its last entry"


@dataclass(frozen=True)
class Ledger:
    tenant: str
    bystander: str
    database: Database
    connections: Connections

    def tamper(self, *statements: str, **parameters: object) -> None:
        as_superuser(
            self.database, *statements, **{"tenant": self.tenant, "bystander": self.bystander, "seq": 3, **parameters}
        )

    async def verify(self, remembered: Remembered | None = None, *, tenant: str | None = None) -> Report:
        report = await verify(self.connections, tenant or self.tenant, remembered=remembered)
        assert report is not None
        return report

    async def shows(self, expected: Found, remembered: Remembered | None = None) -> None:
        """Exactly the entries in `expected` are blamed, for what it says; and the neighbour's ledger for nothing."""
        blames(await self.verify(remembered), expected)
        assert (await self.verify(tenant=self.bystander)).proven

    def entries(self) -> list[bytes]:
        query = "SELECT entry FROM indelible.events WHERE tenant_id = %s ORDER BY seq"
        return [data for (data,) in rows(self.database, query, self.tenant)]

    def remembered(self, size: int) -> Remembered:
        """What a customer noted when the ledger had `size` entries."""
        return Remembered(size, base64url.encode(leaf_hash(self.entries()[size - 1])))

    def set_head(self, entries: Sequence[bytes]) -> None:
        """Makes the ledger's row fit `entries`."""
        frontier = Frontier()
        frontier.extend(map(leaf_hash, entries))
        self.tamper(
            "UPDATE indelible.ledgers "
            "SET size = %(size)s, head = %(head)s, frontier = %(frontier)s, recorded_at = %(at)s "
            "WHERE tenant_id = %(tenant)s",
            size=len(entries), head=leaf_hash(entries[-1]), frontier=bytes(frontier),
            at=json.loads(entries[-1])["recorded_at"],
        )  # fmt: skip

    def rewrite(self, edit: Callable[[int, bytes], bytes]) -> None:
        """Edits the history and computes everything in it anew, as well as it can be done."""
        written: list[bytes] = []
        for seq, data in enumerate(self.entries()):
            data = edit(seq, data)  # noqa: PLW2901
            if seq:
                prev = base64url.encode(leaf_hash(written[-1])).encode()
                data = re.sub(rb'"prev":"[^"]*"', b'"prev":"' + prev + b'"', data)  # noqa: PLW2901
            written.append(data)
            self.tamper(
                f"UPDATE indelible.events SET entry = %(entry)s, leaf_hash = %(leaf)s WHERE {ROW}",
                f"UPDATE indelible.event_personal SET search = array_to_tsvector(%(words)s) WHERE {ROW}",
                seq=seq, entry=data, leaf=leaf_hash(data), words=self._words(seq, data),
            )  # fmt: skip
        self.set_head(written)

    def _words(self, seq: int, data: bytes) -> list[str]:
        """Those of an entry with these bytes and the disclosures of this one."""
        query = "SELECT actor, changes, context, metadata, targets FROM indelible.event_personal WHERE tenant_id = %s"
        (texts,) = rows(self.database, f"{query} AND seq = %s", self.tenant, seq)
        disclosed = dict(open_disclosure(text.encode()) for text in texts if text is not None)
        found = words_of(parse(data), disclosed, {"changes": texts[1], "metadata": texts[3]})
        return [lexeme(self.tenant, word[0], word[1:]) for word in found]  # type: ignore[arg-type]


def blames(report: Report, expected: Found) -> None:
    said = [(c.seq, c.what) for c in report.contradictions]
    assert {seq for seq, _ in said} == set(expected), said
    for seq, phrase in expected.items():
        assert any(s == seq and phrase in what for s, what in said), (seq, phrase, said)


def columns_of(database: Database) -> list[str]:
    query = "SELECT attname FROM pg_attribute WHERE attrelid = 'indelible.events'::regclass AND attnum > 0"
    return [name for (name,) in rows(database, query)]
