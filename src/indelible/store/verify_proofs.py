"""What is stored beside a ledger's entries to prove things of them, held against the entries: see store/verify.py."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, cast

import psycopg
from psycopg.rows import namedtuple_row

from indelible.ledger import checkpoint
from indelible.ledger.disclosure import GROUPS, text_digest
from indelible.ledger.entry import Entry
from indelible.ledger.note import BadNote, Note, Verifier
from indelible.ledger.note import parse as parse_note
from indelible.ledger.tree import SUBTREE_LEVELS, Subtree
from indelible.ledger.verify import ERASURE, Chain, Contradiction, erased_digests
from indelible.store.session import Connection

__all__ = ["Checkpoints", "Erasures", "Subtrees"]


class Erasures:
    """What the column `erased` claims of each event, until the entry that it names has been read.

    Memory: some 300 bytes for each disclosure that was erased, until then.
    """

    def __init__(self, contradictions: list[Contradiction]) -> None:
        self.recorded = 0
        """How many disclosures are missing of which an entry says that they were erased."""
        self._contradictions = contradictions
        self._missing: dict[str, int] = {}  # digest -> the number of its entry
        self._claims: dict[int, list[int]] = {}  # by that number, the entries that are claimed to have recorded it

    def add(self, seq: int, entry: Entry, disclosed: dict[str, object], texts: Sequence[bytes], erased: object) -> None:
        """The next entry; `erased` is what its column says."""
        # 12. The column `erased` says what the entries say that recorded the erasures.
        if entry.action == ERASURE and self._missing:
            for digest in erased_digests(disclosed) or ():
                if (of := self._missing.pop(digest, None)) is not None:
                    self._recorded(of, seq)
        if erased is None and len(texts) == len(entry.digests):
            return
        missing = set(entry.digests).difference(map(text_digest, texts))
        self._missing.update(dict.fromkeys(missing, seq))
        if erased is None:
            return
        match erased:
            case dict() if erased and all(g in GROUPS and g not in disclosed for g in erased):
                self._claims[seq] = list(erased.values())
            case _:
                self._contradict(seq, f"what the database says was erased of it, {erased!r}, is not what is missing")

    def end(self) -> None:
        for seq, claims in self._claims.items():
            what = f"the database says that entry {claims[0]} records the erasure of a part of it, and it does not"
            self._contradict(seq, what)

    def _recorded(self, seq: int, by: int) -> None:
        self.recorded += 1
        claims = self._claims.get(seq, [])
        if by not in claims:
            self._contradict(seq, f"the database does not name entry {by} as the record of what was erased of it")
            return
        claims.remove(by)
        if not claims:
            del self._claims[seq]

    def _contradict(self, seq: int, what: str) -> None:
        self._contradictions.append(Contradiction(seq, what, 12))


_SUBTREES = """
    SELECT w.level, w.index, s.root FROM unnest(%(levels)s::smallint[], %(indexes)s::bigint[]) w (level, index)
    LEFT JOIN indelible.subtrees s ON s.tenant_id = %(tenant)s AND s.level = w.level AND s.index = w.index
"""

_MANY = 256


class Subtrees:
    """The roots of complete subtrees that are stored."""

    def __init__(self, connection: Connection, tenant: str, contradictions: list[Contradiction]) -> None:
        self._connection = connection
        self._tenant = tenant
        self._contradictions = contradictions
        self._compared = 0

    async def compare(self, chain: Chain, *, last: bool = False) -> None:
        """Looks up what has become complete since, once it is worth a query or there will be no more."""
        completed = chain.frontier.completed
        if len(completed) >= _MANY or (last and completed):
            chain.frontier.completed = []
            self._compared += len(completed)
            await self._look_up(completed)

    async def _look_up(self, completed: Sequence[Subtree]) -> None:
        # 13. The roots that are stored of complete subtrees are those of the entries, and there are no others.
        expected = {(each.level, each.index): each.root for each in completed}
        cursor = await self._connection.execute(
            _SUBTREES,
            {
                "tenant": self._tenant,
                "levels": [level for level, _ in expected],
                "indexes": [index for _, index in expected],
            },
        )
        for level, index, root in cast("list[tuple[int, int, bytes | None]]", await cursor.fetchall()):
            if root != expected[level, index]:
                width = 1 << level * SUBTREE_LEVELS
                of = f"of the entries {index * width} to {(index + 1) * width - 1}"
                self._contradict(f"the stored root {of} is {'missing' if root is None else 'not theirs'}")

    async def end(self) -> None:
        query = "SELECT count(*) FROM indelible.subtrees WHERE tenant_id = %s"
        (stored,) = cast("tuple[int]", await (await self._connection.execute(query, (self._tenant,))).fetchone())
        if stored > self._compared:
            self._contradict(f"{stored} roots of subtrees are stored; the entries make up {self._compared}")

    def _contradict(self, what: str) -> None:
        self._contradictions.append(Contradiction(None, what, 13))


class _Stored(NamedTuple):
    size: int
    previous: int
    note: str


_CHECKPOINTS = "SELECT size, previous, note FROM indelible.checkpoints WHERE tenant_id = %s ORDER BY size"


class Checkpoints:
    """The stored checkpoints, each held against the entries as soon as there are as many as it speaks of.

    Whoever rewrites the ledger cannot rewrite them without the signing key; where they did, the signatures tell.
    Of those that do not fit only the first is told, and how many follow.
    """

    def __init__(self, origin: str, keys: Sequence[Verifier], contradictions: list[Contradiction]) -> None:
        """`keys` are those of this ledger; without any signatures are not checked."""
        self.compared = 0
        self.unproven: list[str] = []
        """What nobody can tell by the keys that were given."""
        self._origin = origin
        self._keys = keys
        self._contradictions = contradictions
        self._cursor: psycopg.AsyncServerCursor[_Stored]
        self._ahead: list[_Stored] = []  # the nearest one last
        self._next: _Stored | None = None
        self._last_size = 0
        self._fitted = 0  # the largest size at which one fitted
        self._faults: dict[str, tuple[int, str, int]] = {}  # by kind: step, the first, how many follow

    @classmethod
    @asynccontextmanager
    async def open(
        cls, connection: Connection, tenant: str, origin: str, keys: Sequence[Verifier], to: list[Contradiction]
    ) -> AsyncIterator["Checkpoints"]:
        opened = cls(origin, keys, to)
        async with connection.cursor("checkpoints", row_factory=namedtuple_row) as cursor:
            opened._cursor = cast("psycopg.AsyncServerCursor[_Stored]", cursor)
            await cursor.execute(_CHECKPOINTS, (tenant,))
            await opened._advance()
            yield opened

    @property
    def due(self) -> int:
        """The size at which the next one can be compared; beyond all sizes where there is none."""
        return checkpoint.MAX_SIZE + 1 if self._next is None else self._next.size

    async def compare(self, chain: Chain) -> None:
        """Compares those that are due."""
        while (stored := self._next) is not None and stored.size <= chain.size:
            self._compare(stored, chain.frontier.root() if stored.size == chain.size else None)
            await self._advance()

    async def end(self, chain: Chain) -> None:
        """No entries are left."""
        while (stored := self._next) is not None:
            there = f"there are {chain.size}: the newest were deleted"
            self._fault("larger", 14, f"a checkpoint was signed of {stored.size} entries, and {there}")
            await self._advance()
        for kind, (step, first, more) in self._faults.items():
            what = first + (f", nor {more:,} later ones" if more else "")
            if kind == "unsigned":
                self.unproven.append(f"{what}; if the key was changed, give the new one too, else it was replaced")
            else:
                self._contradictions.append(Contradiction(None, what, step))
        if self._keys and not self.compared:
            self.unproven.append("there is no checkpoint of it that the key could have signed")

    async def _advance(self) -> None:
        if not self._ahead:
            self._ahead = (await self._cursor.fetchmany(_MANY))[::-1]
        self._next = self._ahead.pop() if self._ahead else None

    def _compare(self, stored: _Stored, root: bytes | None) -> None:
        # 14. Each checkpoint follows the one before, and states the root that the entries have at its size.
        self.compared += 1
        name = f"the checkpoint of {stored.size} entries"
        if stored.previous != self._last_size:
            before = f"that of {stored.previous} entries" if stored.previous else "none"
            self._fault("gap", 14, f"{name} follows {before}: one between them was removed or added")
        self._last_size = stored.size
        try:
            note = parse_note(stored.note.encode())
            said = checkpoint.parse(note.text)
        except BadNote as error:
            self._fault("unread", 14, f"{name} cannot be read: {error}")
            return
        if (said.origin, said.size) != (self._origin, stored.size):
            self._fault("other", 14, f"{name} speaks of {said.size} entries of {said.origin}")
        elif said.root != root:
            since = f"entries {self._fitted} to {stored.size - 1}"
            self._fault("root", 14, f"{name} does not fit: {since} are not those that were signed")
        else:
            self._fitted = stored.size
        if self._keys:
            self._check_signature(name, note)

    def _check_signature(self, name: str, note: Note) -> None:
        # 15. Each checkpoint is signed by one of the keys given.
        from indelible.ledger.signing import quick_verify

        signed = [
            quick_verify(key.public_key, note.text.encode(), line.signature)
            for line in note.signatures
            for key in self._keys
            if (key.name, key.key_id) == (line.name, line.key_id)
        ]
        if not signed:
            self._fault("unsigned", 15, f"{name} is not signed by any key given")
        elif not all(signed):
            self._fault("forged", 15, f"{name} does not bear a right signature of a key given")

    def _fault(self, kind: str, step: int, what: str) -> None:
        _, first, more = self._faults.get(kind, (step, what, -1))
        self._faults[kind] = step, first, more + 1
