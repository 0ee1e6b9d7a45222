"""A signed ledger in memory, and evidence files of it: honest ones, and the parts to forge others from."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from indelible.ledger import base64url, evidence, proof
from indelible.ledger.checkpoint import Checkpoint
from indelible.ledger.disclosure import digest, disclose
from indelible.ledger.entry import Subject, genesis, micros, parse, seal, unsealed
from indelible.ledger.evidence import End, Header, Older, Record
from indelible.ledger.evidence_verifier import verify
from indelible.ledger.filter import Filter
from indelible.ledger.note import Verifier
from indelible.ledger.report import Report
from indelible.ledger.signing import SigningKey, sign_checkpoint
from indelible.ledger.tree import Frontier, leaf_hash
from tests.ledger.trees import StoredTree

ORIGIN = "indelible.local/01JD7Z0000000000000000000A"
MOMENT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
KEY = SigningKey.generate()
PINNED = [KEY.verifier(ORIGIN)]
USER, SYSTEM = Subject("user", "usr_7"), Subject("system", None)

Lines = list[bytes]
"""The lines of a file but for the last one, with their newlines."""


class Sealed(NamedTuple):
    entry: bytes
    disclosures: Mapping[str, bytes]
    """Texts by group; what was erased is not there any more."""


@dataclass
class Ledger:
    """`entries` may be altered, or exchanged for others, before evidence is made of them."""

    origin: str = ORIGIN
    key: SigningKey = KEY
    entries: list[Sealed] = field(default_factory=list)

    def leaves(self) -> list[bytes]:
        return [leaf_hash(each.entry) for each in self.entries]

    def append(
        self,
        action: str = "user.joined",
        disclosed: Mapping[str, object] | None = None,
        *,
        at: datetime | None = None,
        actor: Subject = USER,
        targets: Iterable[Subject] = (),
    ) -> int:
        """Returns its number."""
        seq = len(self.entries)
        at = at or MOMENT + timedelta(seconds=seq)
        prev = base64url.encode(leaf_hash(self.entries[-1].entry)) if seq else genesis(self.origin)
        opened = {
            group: disclose(group, json.dumps(value).encode(), bytes([seq % 256, n] * 8))
            for n, (group, value) in enumerate((disclosed or {}).items())
        }
        head = unsealed(
            id=f"0192f0c4-7d3e-7c1a-9b1e-{seq:012}", action=action, actor=actor, targets=targets, category=None,
            operation=None, outcome="success", source="ui", occurred_at=at, digests=map(digest, opened.values()),
        )  # fmt: skip
        data = seal(head, seq, prev, micros(at))
        self.entries.append(Sealed(data, {group: base64url.to_bytes(each) for group, each in opened.items()}))
        return seq

    def erase(self, *parts: tuple[int, str]) -> int:
        """Erases groups of entries; returns the number of the entry that records it."""
        digests = []
        for seq, group in parts:
            kept = dict(self.entries[seq].disclosures)
            digests.append(digest(base64url.from_bytes(kept.pop(group))))
            self.entries[seq] = self.entries[seq]._replace(disclosures=kept)
        metadata = {"digests": digests, "entries": len({seq for seq, _ in parts}), "reason": "request 7"}
        return self.append("ledger.erasure", {"metadata": metadata}, actor=SYSTEM)

    def checkpoint(self, size: int | None = None, *, key: SigningKey | None = None) -> str:
        leaves = self.leaves()[:size]
        frontier = Frontier()
        frontier.extend(leaves)
        return sign_checkpoint(Checkpoint(self.origin, len(leaves), frontier.root()), [key or self.key])

    def header(
        self,
        start: int = 0,
        stop: int | None = None,
        *,
        size: int | None = None,
        wanted: Filter | None = None,
        after: int | None = None,
    ) -> Header:
        size = len(self.entries) if size is None else size
        stop = size if stop is None else stop
        tree = StoredTree(self.leaves()[:size])
        older = None if after is None else Older(after, tree.hashes(proof.consistency(after, size)))
        left = [tree.node(node) for node in proof.left(start)]
        return Header(self.checkpoint(size), start, stop, left, tree.hashes(proof.tail(stop, size)), older, wanted)

    def record(self, seq: int, size: int | None = None) -> Record:
        tree = StoredTree(self.leaves()[:size])
        found = self.entries[seq]
        hashes = tree.hashes(proof.inclusion(seq, len(self.leaves()[:size])))
        return Record(found.entry, found.disclosures["metadata"], hashes)

    def lines(self, header: Header | None = None, *, records: Iterable[int] | None = None, hide: bool = False) -> Lines:
        """The lines of an honest file, but for its end."""
        header = header or self.header()
        size = len(self.entries) if not header.tail else None
        if records is None:
            records = [seq for seq, each in enumerate(self.entries) if parse(each.entry).action == "ledger.erasure"]
        lines = [evidence.header_line(header)]
        lines += [evidence.record_line(self.record(seq, size)) for seq in records]
        for data, disclosures in self.entries[header.start : header.stop]:
            if header.filter is None or header.filter.matches(parse(data)):
                lines.append(evidence.shown_line(data, disclosures.values()))
            else:
                lines.append(evidence.hidden_line(leaf_hash(data)) if hide else evidence.bare_line(data))
        return lines


def sample(size: int = 6, origin: str = ORIGIN, key: SigningKey = KEY) -> Ledger:
    """A ledger that opens as the service opens one, of entries with none, one and two disclosures."""
    ledger = Ledger(origin, key)
    ledger.append(
        "ledger.created",
        {"metadata": {"origin": origin, "format": 1, "tenant_id": "acme"}},
        actor=SYSTEM,
    )
    while len(ledger.entries) < size:
        seq = len(ledger.entries)
        disclosed: list[dict[str, object]] = [{}, {"actor": {"name": "Sarah"}}, {"actor": {}, "context": {"ip": "é"}}]
        ledger.append("user.joined" if seq % 2 else "user.left", disclosed[seq % 3], targets=[Subject("team", "t1")])
    return ledger


def ended(lines: Sequence[bytes]) -> bytes:
    """The file of these lines, with the end line that fits them."""
    body = b"".join(lines)
    return body + evidence.end_line(End(len(lines), sha256(body).digest()))


def check(
    data: bytes | Lines,
    keys: Sequence[Verifier] = PINNED,
    *,
    after: str | None = None,
    accept_withheld: bool = False,
    accept_hidden: bool = False,
) -> Report:
    return verify(
        io.BytesIO(data if isinstance(data, bytes) else ended(data)),
        keys,
        after=None if after is None else after.encode(),
        accept_withheld=accept_withheld,
        accept_hidden=accept_hidden,
    )


def reworked(line: bytes, change: Callable[[bytes, list[bytes]], tuple[bytes, list[bytes]]]) -> bytes:
    """A shown line with another entry, or other disclosures."""
    data, texts = evidence.cut_entry(line)
    return evidence.shown_line(*change(data, texts or []))
