"""What the viewer's own verifier is tested with, made by the ledger that it verifies: the right, to be got wrong there.

python -m tests.viewer.vectors > viewer/test/proof/vectors.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from indelible.catalog import Catalog
from indelible.ledger import base64url, proof
from indelible.ledger.checkpoint import MAX_SIZE
from indelible.ledger.entry import Subject
from indelible.ledger.proof import Node
from indelible.ledger.signing import SigningKey
from indelible.ledger.tree import leaf_hash, node_hash
from indelible.server.wire import SealedEvent
from indelible.store.sealing import Record, read
from indelible.store.withhold import withhold
from tests.ledger.evidence_files import ORIGIN, Ledger
from tests.ledger.trees import StoredTree, mth, numbered

_SIZES = (*range(1, 18), 31, 32, 33)
_KEYS = [SigningKey(Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)) for n in (1, 2)]
_LEAVES = numbered(max(_SIZES))

Vectors = dict[str, Any]


def vectors() -> Vectors:
    ledger, erased = _ledger()
    size = len(ledger.entries)
    tree = StoredTree(ledger.leaves())
    sizes = (3, size - 2, size)
    return {
        "tree": _small() | {"large": [_large_inclusion(*p) for p in _LARGE], "grown": [_grown(*p) for p in _GROWN]},
        "keys": [str(key.verifier(ORIGIN)) for key in _KEYS],
        "other": str(_KEYS[0].verifier("example.com/other")),
        "events": _events(ledger, erased),
        "notes": {str(n): ledger.checkpoint(n) for n in sizes},
        "notes_of_another_key": {str(n): ledger.checkpoint(n, key=_KEYS[1]) for n in sizes},
        "another_history": _rewritten().checkpoint(),
        "proofs": {str(n): _proofs(ledger, n) for n in sizes},
        "consistency": {f"{old} {size}": _texts(tree.hashes(proof.consistency(old, size))) for old in sizes},
    }


def _proofs(ledger: Ledger, size: int) -> Vectors:
    tree = StoredTree(ledger.leaves()[:size])
    return {str(seq): _texts(tree.hashes(proof.inclusion(seq, size))) for seq in range(size)}


def _small() -> Vectors:
    inclusion, consistency = [], []
    for size in _SIZES:
        tree = StoredTree(_LEAVES[:size])
        inclusion += [[i, size, _texts(tree.hashes(proof.inclusion(i, size)))] for i in range(size)]
        consistency += [[old, size, _texts(tree.hashes(proof.consistency(old, size)))] for old in range(size + 1)]
    roots = {str(size): base64url.encode(mth(_LEAVES[:size])) for size in (0, *range(1, max(_SIZES) + 1))}
    return {"leaves": _texts(_LEAVES), "roots": roots, "inclusion": inclusion, "consistency": consistency}


# Trees that nobody can store: any hashes beside the path make a root, folded as the places of their nodes say.
_LARGE = [
    (0, MAX_SIZE),
    (MAX_SIZE - 1, MAX_SIZE),
    (2**52, MAX_SIZE),
    (2**32 + 1, 2**53),
    (2**53 - 1, 2**53),
    (5, 2**31),
]
_GROWN = [(2**32, 2**53 - 1), (2**53 - 5, 2**53 - 1), (2**52 + 1, 2**53), (2**31 + 3, 2**33 + 1)]


def _large_inclusion(index: int, size: int) -> Vectors:
    leaf = leaf_hash(b"leaf")
    path = proof.inclusion(index, size)
    hashes = [_made_up(n) for n in range(len(path))]
    root = leaf
    for nodes, value in zip(path, hashes, strict=True):
        root = node_hash(value, root) if _start(nodes) < index else node_hash(root, value)
    return {"index": str(index), "size": str(size), "leaf": base64url.encode(leaf), "hashes": _texts(hashes),
            "root": base64url.encode(root)}  # fmt: skip


def _grown(old: int, new: int) -> Vectors:
    """The proof begins with a node of both trees, unless that is the whole old tree."""
    path = proof.consistency(old, new)
    hashes = [_made_up(n) for n in range(len(path))]
    is_whole = old.bit_count() == 1
    first = _made_up(99) if is_whole else hashes[0]
    before = after = first
    for nodes, value in list(zip(path, hashes, strict=True))[0 if is_whole else 1 :]:
        if _start(nodes) < old - 1:
            before, after = node_hash(value, before), node_hash(value, after)
        else:
            after = node_hash(after, value)
    return {"old": str(old), "new": str(new), "oldRoot": base64url.encode(before), "newRoot": base64url.encode(after),
            "hashes": _texts(hashes)}  # fmt: skip


def _start(nodes: tuple[Node, ...]) -> int:
    return nodes[0].index << nodes[0].level


def _made_up(number: int) -> bytes:
    return sha256(b"hash %d" % number).digest()


def _texts(hashes: list[bytes]) -> list[str]:
    return [base64url.encode(value) for value in hashes]


_ALL: Mapping[str, object] = {
    "actor": {
        "email": "sarah@acme.example",
        "impersonator": {"id": "sup_3", "name": "Ana \u2028 Ruiz", "reason": "ticket 4512"},
        "name": "Sarah <b>Chen</b> \U0001f600",
    },
    "changes": {"role": {"from": "member", "to": "admin"}, "limit": {"to": 1.5}, "note": {"from": None}},
    "context": {"ip_address": "203.0.113.7", "request_id": "req_81", "session_id": "s_1", "user_agent": "Mozilla/5.0"},
    "metadata": {"__proto__": {"a": 1}, "ticket": "4512", "deep": [[{"x": [1, -0.5, None, True]}]], "": "empty"},
    "targets": ["Alex Roman", None],
}


def _ledger() -> tuple[Ledger, int]:
    """Entries with every group, some, none; one that was erased in part, and the record of it. Returns its number."""
    ledger = Ledger(ORIGIN, _KEYS[0])
    ledger.append("ledger.created", {"metadata": {"origin": ORIGIN}}, actor=Subject("system", None))
    targets = [Subject("user", "usr_9"), Subject("document", None)]
    for _ in range(3):
        ledger.append("user.role_changed", _ALL, targets=targets)
    ledger.append("session.expired", {"context": {"ip_address": "203.0.113.7"}})
    ledger.append('quoted "\\\n\u0007\u007f\u2028')
    erased = ledger.erase((2, "actor"), (2, "context"))
    ledger.append("user.joined", {"metadata": {"number": 12345678901234567890}})
    return ledger, erased


def _rewritten() -> Ledger:
    ledger, _ = _ledger()
    ledger.entries[1] = ledger.entries[1]._replace(entry=ledger.entries[1].entry.replace(b"usr_7", b"usr_8"))
    return ledger


def _events(ledger: Ledger, erased: int) -> list[Any]:
    """As the timeline gives them with `sealed`; the last two are the erased one, and one as a member is shown it."""
    catalog = Catalog.load()

    def answered(record: Record) -> Any:
        # The catalog's words change, and are not sealed.
        return msgspec.to_builtins(SealedEvent.of(record, catalog)) | {"sentence": "", "severity": None}

    def record(seq: int, column: object = None) -> Record:
        data, disclosures = ledger.entries[seq]
        texts = [base64url.from_bytes(text) for text in disclosures.values()]
        return read("acme", data, leaf_hash(data), texts, column)

    whole = [answered(record(seq)) for seq in range(len(ledger.entries)) if seq != 2]
    return [
        *whole,
        answered(record(2, {"actor": erased, "context": erased})),
        answered(withhold(record(3), frozenset({"changes", "request_id"}))),
    ]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(vectors(), indent=1, sort_keys=True) + "\n")
