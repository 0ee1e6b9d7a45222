#!/usr/bin/env python3
"""Verifies an evidence file of an audit log, offline, with nothing but Python 3.11 or newer.

    python3 -I verify.py evidence.zip --key VKEY

Give it the zip as you got it, and keep -I: it has Python take modules from its own library, and never what a zip put
into the folder that it was unpacked in.

VKEY is the public key of the ledger. Have it from whoever vouches for the log, not from where the file is from: the key
decides what is believed. --help lists the options. Exit code 0: proven; 1: contradicted; 2: not proven.

Whoever sent you the evidence may have sent this program too. Take it from the project Indelible itself, or compare its
SHA-256 with that of the published one. It is put together from the modules of `indelible.ledger`, which say what they
check by the numbers of docs/format.md; a verifier of your own can be written from that page.
"""

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    # Without -I Python looks for modules in this file's folder first, where somebody else may have put some.
    del sys.path[0]

import argparse
import json
import re
import stat
import time
import zipfile
import zlib
from base64 import b64decode, b64encode
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from hashlib import sha256, sha512
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, Self, TypeGuard, cast
from zipfile import BadZipFile


# ----------------------------------------------------------------------------------------------------------------------
# base64url
#
# Base64url without padding (RFC 4648 section 5), in its one canonical spelling.


_URLSAFE = bytes.maketrans(b"+/", b"-_")
_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")  # what belongs to the standard alphabet alone is no character here
_PADDING = (b"", b"!", b"==", b"=")  # there is no text of 4n + 1 characters
_LAST = (b"", b"", b"AQgw", b"AEIMQUYcgkosw048")
"""By how many characters there are beyond a multiple of four: those that leave no bit set beyond the last byte."""


# The functions do not call each other: an append and a verification do this a dozen times an event.


def base64url_encode(data: bytes) -> str:
    return b2a_base64(data, newline=False).translate(_URLSAFE, b"=").decode("ascii")


def base64url_to_bytes(data: bytes) -> bytes:
    """The text as ASCII bytes."""
    return b2a_base64(data, newline=False).translate(_URLSAFE, b"=")


def base64url_decode(text: str) -> bytes:
    """Raises `ValueError` for whatever `encode` would not have written."""
    return base64url_from_bytes(text.encode("ascii"))


def base64url_from_bytes(text: bytes) -> bytes:
    """What the text, ASCII, stands for. Raises `ValueError` for whatever `to_bytes` would not have written.

    Many texts decode to the same bytes, as bits at the end may be to spare; only the one without any is accepted here.
    """
    beyond = len(text) & 3
    if beyond and text[-1] not in _LAST[beyond]:
        raise ValueError("not canonical base64url")
    return a2b_base64(text.translate(_STANDARD) + _PADDING[beyond], strict_mode=True)


# ----------------------------------------------------------------------------------------------------------------------
# canonical
#
# Canonical JSON: the restriction of RFC 8785 that entries are written in.
#
# Objects with ASCII keys `[a-z0-9_.]+`, arrays, strings, integers within ±(2^53-1), booleans and null.
# With such keys the order of code points is that of UTF-16 units, and without floats no number formatting
# is left to choose, so Python's own encoder writes RFC 8785.


Json = dict[str, "Json"] | list["Json"] | str | int | bool | None

MAX_INTEGER = 2**53 - 1

_KEY = re.compile(r"[a-z0-9_.]+", re.ASCII)
_canonical_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode


class NotCanonical(ValueError):
    """The bytes, or the value, are not canonical JSON."""


def canonical_encode(value: Json) -> bytes:
    """The one spelling of `value`. Raises `NotCanonical` where it has none."""
    if not _is_restricted(value):
        raise NotCanonical("beyond canonical JSON, which has no place for a key, number or type in it")
    try:
        return _canonical_encode(value).encode()
    except UnicodeEncodeError:
        raise NotCanonical("not text: it holds a lone surrogate") from None


def canonical_parse(data: bytes) -> Json:
    """The value that `data` spells. Raises `NotCanonical` for anything that `encode` would not have written.

    Comparing with what `encode` writes also refuses what parsers differ on: duplicate keys (only the last
    one would come back), other orders, escapes and spaces.
    """
    try:
        value: Json = json.loads(data.decode())
        is_canonical = canonical_encode(value) == data
    except NotCanonical:
        raise
    except (ValueError, RecursionError) as error:
        raise NotCanonical(f"not JSON in UTF-8: {error}") from None
    if not is_canonical:
        raise NotCanonical("not in canonical form: its keys, spaces, escapes or numbers are written otherwise")
    return value


def _is_restricted(value: object) -> TypeGuard[Json]:
    match value:
        case None | bool() | str():
            return True
        case int():
            return -MAX_INTEGER <= value <= MAX_INTEGER
        case list():
            return all(map(_is_restricted, value))
        case dict():
            return all(isinstance(k, str) and _KEY.fullmatch(k) for k in value) and all(
                map(_is_restricted, value.values())
            )
        case _:
            return False


# ----------------------------------------------------------------------------------------------------------------------
# tree
#
# The Merkle tree of RFC 6962 section 2.1 over a ledger's entries.


HASH_BYTES = 32

EMPTY_ROOT = sha256(b"").digest()

SUBTREE_LEVELS = 8
"""A `Subtree` of one level holds 2^8 of those below."""


class Subtree(NamedTuple):
    """A complete subtree of 256^level leaves: number `index`, from 0 on, among those of its level."""

    level: int
    index: int
    root: bytes


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The roots of the complete subtrees a tree of `size` leaves falls into, largest first.

    Invariant: there is one root for each bit set in `size`. That is all that appending needs, and a push
    costs one node hash on average.

    `completed` collects, in order, the subtrees of 256, 65,536, 16,777,216 … leaves that pushes have completed;
    its owner may take them away.
    """

    __slots__ = ("_roots", "completed", "size")

    def __init__(self, size: int = 0, roots: bytes = b"") -> None:
        """Raises `ValueError` where `roots`, the concatenated hashes, do not fit `size`."""
        if size < 0 or len(roots) != size.bit_count() * HASH_BYTES:
            raise ValueError(f"a tree of {size} leaves has no frontier of {len(roots)} bytes")
        self.size = size
        self._roots = [roots[i : i + HASH_BYTES] for i in range(0, len(roots), HASH_BYTES)]
        self.completed: list[Subtree] = []

    def push(self, leaf: bytes) -> None:
        carries = self.size
        self.size += 1
        if not self.size & 0xFF:
            leaf, carries = self._complete(leaf, carries)
        while carries & 1:
            leaf = node_hash(self._roots.pop(), leaf)
            carries >>= 1
        self._roots.append(leaf)

    def extend(self, leaves: Iterable[bytes]) -> None:
        for leaf in leaves:
            self.push(leaf)

    def _complete(self, root: bytes, index: int) -> tuple[bytes, int]:
        """Folds leaf number `index`, the last of 256, upwards as long as it completes subtrees to be collected."""
        level = 0
        while index & 0xFF == 0xFF:
            for _ in range(SUBTREE_LEVELS):
                root = node_hash(self._roots.pop(), root)
            index >>= SUBTREE_LEVELS
            level += 1
            self.completed.append(Subtree(level, index, root))
        return root, index

    def root(self) -> bytes:
        if not self._roots:
            return EMPTY_ROOT
        root = self._roots[-1]
        for left in reversed(self._roots[:-1]):
            root = node_hash(left, root)
        return root

    def __bytes__(self) -> bytes:
        return b"".join(self._roots)


# ----------------------------------------------------------------------------------------------------------------------
# disclosure
#
# Disclosures (SD-JWT, RFC 9901 section 4.2): the salted parts of an event that can be erased one by one.
#
# A disclosure is kept as the UTF-8 JSON `[salt, name, value]`; its text is base64url of that JSON and its
# digest base64url of SHA-256 of that text. An entry carries the digests, so it verifies with or without them.


GROUPS = ("actor", "changes", "context", "metadata", "targets")
"""The groups of an event that are disclosed, at most one disclosure each."""

MAX_DEPTH = 68
"""Arrays and objects within one another, the disclosure's own array among them.

The service takes 65 in `from` or `to` of a change, which is in an object, in an object, in that array.
"""


def text_digest(text: bytes) -> str:
    """The same of the disclosure's text, as ASCII."""
    return base64url_encode(sha256(text).digest())


def open_text(text: bytes) -> tuple[str, Any]:
    """The name and value of the disclosure of this text (ASCII).

    Raises `ValueError` unless it is canonical base64url of what `disclose` writes: a salt, a name, and a value that is
    JSON, no deeper than `MAX_DEPTH`.
    """
    try:
        found = base64url_from_bytes(text).decode()
        head = _HEAD.match(found)
        if head is not None and not (len(found) > _FLAT and _is_too_deep(found)):
            value, end = _scan(found, head.end())
            if found[end:] == "]":
                return head[1], value
    except (ValueError, RecursionError, StopIteration):
        pass
    raise ValueError("a disclosure is base64url of a JSON array of salt, name and value")


def _is_too_deep(text: str) -> bool:
    """Of a JSON text; of any other text it may say anything."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for token in _NESTING.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif token[0] in "]}":
            depth -= 1
    return False


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


# A salt of 16 bytes: the last character has four bits to spare.
_HEAD = re.compile(r'\["[A-Za-z0-9_-]{21}[AQgw]","([^"\\]*)",')
_FLAT = 2 * MAX_DEPTH  # a text that is no longer has no room for so many pairs of brackets
_NESTING = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[][{}]', re.DOTALL)  # what is in a string does not count
# Not json.loads: a verifier opens three disclosures an entry, and half of that time went by around the scanner.
_scan = json.JSONDecoder(parse_constant=_refuse).scan_once


# ----------------------------------------------------------------------------------------------------------------------
# entry
#
# An entry: the exact bytes that are hashed and stored for one event, format version 1.


ENTRY_VERSION = 1
MAX_ENTRY_BYTES = 32 * 1024


OUTCOMES = frozenset({"success", "failure", "denied"})
SOURCES = frozenset({"ui", "admin_panel", "api", "background"})


class BadEntry(ValueError):
    """The bytes are no entry of format version 1."""


class Subject(NamedTuple):
    """An actor or a target, without its personal parts."""

    type: str
    id: str | None


class Entry(NamedTuple):
    """What an entry says. Times are as they stand in it: RFC 3339, UTC, milli- and microseconds."""

    digests: tuple[str, ...]
    action: str
    actor: Subject
    category: str | None
    id: str
    occurred_at: str
    operation: str | None
    outcome: str
    prev: str
    recorded_at: str
    seq: int
    source: str
    targets: tuple[Subject, ...]


def genesis(origin: str) -> str:
    """What `prev` is in entry 0: it ties the ledger to its name."""
    return base64url_encode(leaf_hash(origin.encode()))


# One expression for all that an entry may be: its shape, and at the same time the canonical form of everything in it.
# A text holds what needs no escape, and RFC 8785's escapes; UTF-8 that decodes holds no lone surrogate.
_CHARACTERS = r'[^"\\\x00-\x1f]*+(?:\\(?:["\\bfnrt]|u00(?:0[0-7bef]|1[0-9a-f]))[^"\\\x00-\x1f]*+)*+'
_TEXT = f'"{_CHARACTERS}"'
_HASH = "[A-Za-z0-9_-]{43}"
_SUBJECT = rf'\{{(?:"id":{_TEXT},)?"type":{_TEXT}\}}'
_TIME = r"([0-9]{4}-[0-9]{2}-[0-9]{2})T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]"
_MILLIS, _MICROS = _TIME + "{3}Z", _TIME + "{6}Z"
_ENTRY = re.compile(
    rf'\{{"_sd":\[(?:"({_HASH}(?:","{_HASH})*+)")?\],"action":"({_CHARACTERS})","actor":({_SUBJECT}),'
    rf'"category":(?:null|"({_CHARACTERS})"),"id":"([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})",'
    rf'"occurred_at":"({_MILLIS})","operation":(?:null|"({_CHARACTERS})"),"outcome":"({"|".join(sorted(OUTCOMES))})",'
    rf'"prev":"({_HASH})","recorded_at":"({_MICROS})","seq":(0|[1-9][0-9]{{0,15}}),'
    rf'"source":"({"|".join(sorted(SOURCES))})","targets":\[((?:{_SUBJECT}(?:,{_SUBJECT})*+)?)\],"v":{ENTRY_VERSION}\}}'
)
_MAX_CACHED = 256


def entry_parse(data: bytes) -> Entry:
    """What the entry says. Raises `BadEntry` unless it is canonical and of exactly the shape of version 1."""
    if len(data) > MAX_ENTRY_BYTES:
        raise BadEntry(f"has {len(data)} bytes; an entry has at most {MAX_ENTRY_BYTES}")
    try:
        found = _ENTRY.fullmatch(data.decode())
    except UnicodeDecodeError:
        found = None
    if found is None:
        raise _fault(data)
    (
        sd, action, actor, category, id_, occurred_at, occurred_on, operation, outcome, prev, recorded_at, recorded_on,
        seq, source, targets,
    ) = found.groups()
    digests: tuple[str, ...] = tuple(sd.split('","')) if sd else ()
    if any(map(str.__ge__, digests, digests[1:])):
        raise BadEntry("has digests (_sd) that are not a sorted list of different hashes")
    if not (_is_date(occurred_on) and _is_date(recorded_on)):
        raise BadEntry(_BAD_TIME)
    if b"\\" in data:
        action, category, operation = map(_read, (action, category, operation))
    number = int(seq)
    if number > MAX_INTEGER:
        raise _fault(data)
    return Entry(
        digests,
        action,
        _subjects(actor)[0] if len(actor) <= _MAX_CACHED else _read_subjects(actor)[0],
        category,
        id_,
        occurred_at,
        operation,
        outcome,
        prev,
        recorded_at,
        number,
        source,
        _subjects(targets) if len(targets) <= _MAX_CACHED else _read_subjects(targets),
    )


_BAD_TIME = "has a time that is none, or is written otherwise"


def _fault(data: bytes) -> BadEntry:
    """What is wrong with bytes that `_ENTRY` does not match."""
    try:
        value = canonical_parse(data)
    except NotCanonical as error:
        return BadEntry(f"is {error}")
    match value:
        case {"occurred_at": str(occurred_at), "recorded_at": str(recorded_at)} if not (
            re.fullmatch(_MILLIS, occurred_at) and re.fullmatch(_MICROS, recorded_at)
        ):
            return BadEntry(_BAD_TIME)
    return BadEntry("is not of the shape of format version 1")


def is_millis(text: str) -> bool:
    """Whether it is a time as `millis` writes it."""
    found = _MILLIS_TIME.fullmatch(text)
    return found is not None and _is_date(found[1])


_MILLIS_TIME = re.compile(_MILLIS)


@lru_cache(maxsize=1024)
def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _read(characters: str | None) -> str | None:
    """What a JSON text says, which `_ENTRY` has matched."""
    return None if characters is None else str(json.loads(f'"{characters}"'))


def _read_subjects(objects: str) -> tuple[Subject, ...]:
    return tuple(Subject(each["type"], each.get("id")) for each in json.loads(f"[{objects}]"))


_subjects = lru_cache(maxsize=8192)(_read_subjects)


# ----------------------------------------------------------------------------------------------------------------------
# proof
#
# Inclusion, consistency and range proofs in the Merkle tree of RFC 6962 section 2.1.
#
# Which hashes a proof is made of (`inclusion`, `consistency`, `left`, `tail`) is a matter of numbers alone; whoever
# has the tree looks them up. The `verify_…` functions (RFC 9162 sections 2.1.3.2 and 2.1.4.2) and `root_of` have
# nothing but what they are given. A proof does not prove a size by itself: size and root are taken together, from a
# verified checkpoint.


class BadProof(ValueError):
    """The proof does not prove what it is said to."""


class Node(NamedTuple):
    """The complete subtree of the leaves from `index << level` up to, but not including, `(index + 1) << level`."""

    level: int
    index: int


def inclusion(index: int, size: int) -> list[tuple[Node, ...]]:
    """PATH of RFC 6962 section 2.1.1, from the leaf's sibling up: each hash as the nodes that `fold` makes it of."""
    _require_leaf(index, size)
    start, stop = 0, size
    proof = []
    while stop - start > 1:
        middle = start + _largest_power_below(stop - start)
        if index < middle:
            proof.append(_cover(middle, stop))
            stop = middle
        else:
            proof.append(_cover(start, middle))
            start = middle
    return proof[::-1]


def proof_tail(stop: int, size: int) -> list[tuple[Node, ...]]:
    """What `root_of` needs beside the frontier of the first `stop` leaves to know the root of all `size`.

    These are the right siblings on the path from leaf `stop - 1` to the root, bottom up, each as the nodes that
    `fold` makes it of.
    """
    _require_leaf(stop - 1, size)
    return [nodes for nodes in inclusion(stop - 1, size) if nodes[0].index << nodes[0].level >= stop]


def proof_verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raises `BadProof` unless the leaf hash `leaf` is number `index` of the `size` leaves under `root`."""
    _require_leaf(index, size)
    sides = list(_sides(index, size - 1))
    _require_hashes(proof, len(sides))
    for sibling, is_left in zip(proof, sides, strict=True):
        leaf = node_hash(sibling, leaf) if is_left else node_hash(leaf, sibling)
    if leaf != root:
        raise BadProof(f"the proof does not lead from entry {index} to the root of the {size} entries")


def proof_verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Raises `BadProof` unless the `new` leaves under `new_root` begin with the `old` ones under `old_root`."""
    _require_growth(old, new)
    if old == 0 and old_root != EMPTY_ROOT:
        raise BadProof("the root of no entries is not that of the empty tree")
    if old == new and old_root != new_root:
        raise BadProof(f"there are two different roots of the first {old} entries")
    if old in (0, new):
        _require_hashes(proof, 0)
        return
    # The largest complete subtree at the old tree's right edge is a node of both trees: the proof starts there. It
    # is left out where it is the whole old tree.
    height = (old & -old).bit_length() - 1
    sides = list(_sides((old - 1) >> height, (new - 1) >> height))
    is_whole = old == 1 << height
    _require_hashes(proof, len(sides) + (not is_whole))
    before = after = old_root if is_whole else proof[0]
    for sibling, is_left in zip(proof if is_whole else proof[1:], sides, strict=True):
        if is_left:
            before = node_hash(sibling, before)
            after = node_hash(sibling, after)
        else:
            after = node_hash(after, sibling)
    if before != old_root:
        raise BadProof(f"the proof does not lead to the earlier root, that of the first {old} entries")
    if after != new_root:
        raise BadProof(
            f"the proof does not lead from the first {old} entries to the root of {new}: "
            "either it is damaged, or entries were altered or removed in between"
        )


def proof_root_of(frontier: Frontier, right: Sequence[bytes], size: int) -> bytes:
    """The root of `size` leaves, of which `frontier` has the first and `right` the hashes that `tail` names.

    Raises `BadProof` where these are too many or too few.
    """
    stop = frontier.size
    _require_leaf(stop - 1, size)
    height = (stop & -stop).bit_length() - 1
    sides = list(_sides((stop - 1) >> height, (size - 1) >> height))
    _require_hashes(right, sides.count(False))
    known = bytes(frontier)
    lefts = [known[i : i + HASH_BYTES] for i in range(0, len(known), HASH_BYTES)]
    rights = iter(right)
    root = lefts.pop()
    for is_left in sides:
        root = node_hash(lefts.pop(), root) if is_left else node_hash(root, next(rights))
    return root


def _cover(start: int, stop: int) -> tuple[Node, ...]:
    """The complete subtrees of these leaves, largest first. `start` is a multiple of the largest one's size."""
    nodes = []
    while start < stop:
        level = (stop - start).bit_length() - 1
        nodes.append(Node(level, start >> level))
        start += 1 << level
    return tuple(nodes)


def _largest_power_below(count: int) -> int:
    return 1 << ((count - 1).bit_length() - 1)


def _sides(index: int, last: int) -> Iterator[bool]:
    """Upwards from node `index` of the nodes 0 to `last` of a level: is its sibling the left one? None: no answer."""
    while last:
        if index & 1:
            yield True
        elif index != last:
            yield False
        index >>= 1
        last >>= 1


def _require_leaf(index: int, size: int) -> None:
    if not 0 <= index < size:
        raise BadProof(f"there is no entry {index} among {size} entries")


def _require_growth(old: int, new: int) -> None:
    if not 0 <= old <= new:
        raise BadProof(f"a ledger of {old} entries does not grow to {new}")


def _require_hashes(proof: Sequence[bytes], count: int) -> None:
    if len(proof) != count:
        raise BadProof(f"the proof has {len(proof)} hashes where it takes {count}")
    if any(len(value) != HASH_BYTES for value in proof):
        raise BadProof(f"the proof holds something that is no hash of {HASH_BYTES} bytes")


# ----------------------------------------------------------------------------------------------------------------------
# ed25519
#
# Verification of Ed25519 signatures (RFC 8032 section 5.1.7) with nothing but the standard library.
#
# It takes about as long as reading a file and holds no secret, so it need not run in constant time. Signing is done by
# `cryptography`, in `signing.py`.


_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_ONE = pow(2, (_P - 1) // 4, _P)

# Extended coordinates (section 5.1.4): x = X/Z, y = Y/Z, x*y = T/Z.
_Point = tuple[int, int, int, int]
# A point as the second operand of an addition: Y - X, Y + X, 2dT, 2Z.
_Addend = tuple[int, int, int, int]

_NEUTRAL = (0, 1, 1, 0)


def ed25519_is_public_key(public_key: bytes) -> bool:
    """Whether it is the one encoding of a point under which not everything is signed.

    For the eight points of small order there are signatures that fit every message.
    """
    return _open_key(public_key) is not None


def ed25519_verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether it is the signature of `message`; False, too, for anything that is no key or no signature.

    Strict: S < L, the key in its canonical encoding and not of small order, R equal byte by byte.
    """
    key = _open_key(public_key)
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or len(signature) != 64 or scalar >= _ORDER:
        return False
    digest = sha512(signature[:32] + public_key + message).digest()
    challenge = int.from_bytes(digest, "little") % _ORDER
    x, y, z, t = key
    commitment = _sum_of_products(scalar, _BASE_MULTIPLES, challenge, _multiples((-x, y, z, -t)))
    return _ed25519_encode(commitment) == signature[:32]


def _open_key(public_key: bytes) -> _Point | None:
    point = _decode(public_key)
    if point is None:
        return None
    # Eight times a point is the neutral one, the only one here with x = 0, just if its order is small.
    x, _, _, _ = _double(_double(_double(point)))
    return point if x else None


def _decode(data: bytes) -> _Point | None:
    """Section 5.1.3; None for bytes that `_encode` would not have written."""
    if len(data) != 32:
        return None
    number = int.from_bytes(data, "little")
    sign = number >> 255
    y = number & (1 << 255) - 1
    if y >= _P:
        return None
    u = (y * y - 1) % _P
    v = (_D * y * y + 1) % _P
    x = u * v**3 * pow(u * v**7, (_P - 5) // 8, _P) % _P
    square = v * x * x % _P
    if square == _P - u:
        x = x * _ROOT_OF_MINUS_ONE % _P
    elif square != u:
        return None
    if x == 0 and sign:
        return None
    if x & 1 != sign:
        x = _P - x
    return (x, y, 1, x * y % _P)


def _ed25519_encode(point: _Point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, -1, _P)
    return (y * inverse % _P | (x * inverse % _P & 1) << 255).to_bytes(32, "little")


def _double(point: _Point) -> _Point:
    x, y, z, _ = point
    a = x * x
    b = y * y
    h = a + b
    e = (h - (x + y) ** 2) % _P
    g = (a - b) % _P
    f = (2 * z * z + g) % _P
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _add(point: _Point, addend: _Addend) -> _Point:
    x, y, z, t = point
    difference, total, twice_dt, twice_z = addend
    a = (y - x) * difference
    b = (y + x) * total
    c = t * twice_dt
    d = z * twice_z
    e = (b - a) % _P
    f = (d - c) % _P
    g = (d + c) % _P
    h = (b + a) % _P
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _addend(point: _Point) -> _Addend:
    x, y, z, t = point
    return ((y - x) % _P, (y + x) % _P, 2 * _D * t % _P, 2 * z % _P)


def _multiples(point: _Point) -> list[_Addend]:
    """0 to 15 times the point."""
    step = _addend(point)
    multiple: _Point = _NEUTRAL
    addends = []
    for _ in range(16):
        addends.append(_addend(multiple))
        multiple = _add(multiple, step)
    return addends


def _sum_of_products(m: int, p_multiples: list[_Addend], n: int, q_multiples: list[_Addend]) -> _Point:
    """m*P + n*Q, by four bits of both at a time (Straus)."""
    total: _Point = _NEUTRAL
    for shift in range(252, -1, -4):
        total = _double(_double(_double(_double(total))))
        total = _add(total, p_multiples[m >> shift & 15])
        total = _add(total, q_multiples[n >> shift & 15])
    return total


_BASE_POINT = _decode((4 * pow(5, -1, _P) % _P).to_bytes(32, "little")) or _NEUTRAL
_BASE_MULTIPLES = _multiples(_BASE_POINT)


# ----------------------------------------------------------------------------------------------------------------------
# note
#
# Signed notes (c2sp.org/signed-note): a text, and lines that say who signed it. Ed25519 keys only (type 0x01).


MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100

_ED25519 = b"\x01"
_KEY_NAME = re.compile(r"[^\0-\x20+\s\ud800-\udfff]+")
_CONTROL = re.compile(r"[\0-\x09\x0b-\x1f]")
_VKEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)", re.ASCII)
_DASH = "\N{EM DASH} "


class BadKey(ValueError):
    """The text is no key, or none that is of use."""


class BadNote(ValueError):
    """The bytes are no signed note, or one that must not be believed."""


class Unsigned(BadNote):
    """None of the keys that the caller trusts has signed the note."""


class WrongSignature(BadNote):
    """A signature in the name of a key that the caller trusts is not that key's."""


class Signature(NamedTuple):
    """A signature line. Which algorithm `signature` is of, only the key's owner knows."""

    name: str
    key_id: bytes
    signature: bytes


class Note(NamedTuple):
    """A note as it stands; nothing is verified. `text` ends with a newline."""

    text: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under a name; its text is the *vkey*. Made by `of` and `parse`, which let no other keys through."""

    name: str
    key_id: bytes
    public_key: bytes

    @classmethod
    def of(cls, name: str, public_key: bytes) -> Self:
        """Raises `BadKey` for a name or a key (32 bytes, RFC 8032) that cannot be one."""
        if not note_is_key_name(name):
            raise BadKey("a key's name has at least one character, no spaces, no control characters and no plus")
        if not ed25519_is_public_key(public_key):
            raise BadKey(f"the key of {name} is no Ed25519 public key that can be relied on")
        return cls(name, sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:4], public_key)

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """`name+hex(key id)+base64(0x01, key)`. Raises `BadKey` for anything that `str` would not have written."""
        found = _VKEY.fullmatch(vkey)
        if found is None:
            raise BadKey("a verifier key is written <name>+<8 hexadecimal digits>+<base64>, in one line")
        name, key_id, encoded = found.groups()
        try:
            key = note_from_base64(encoded)
        except ValueError:
            raise BadKey("the verifier key ends in something that is not base64: it was cut off or altered") from None
        if key[:1] != _ED25519 or len(key) != 33:
            raise BadKey("the verifier key is not of the one kind known here, Ed25519 (type 1)")
        verifier = cls.of(name, key[1:])
        if verifier.key_id.hex() != key_id:
            raise BadKey(f"the verifier key says it is {key_id}, but it is {verifier.key_id.hex()}: it was altered")
        return verifier

    def verify(self, text: bytes, signature: bytes) -> bool:
        return ed25519_verify(self.public_key, text, signature)

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{note_to_base64(_ED25519 + self.public_key)}"


def note_parse(data: bytes) -> Note:
    """Reads a note without believing it. Raises `BadNote` for anything that is none."""
    if len(data) > MAX_NOTE_BYTES:
        raise BadNote(f"the note has {len(data)} bytes; at most {MAX_NOTE_BYTES} are read")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise BadNote("the note is not text in UTF-8") from None
    if _CONTROL.search(whole):
        raise BadNote("the note holds a control character: it may have been saved with other line ends")
    body, blank, lines = whole.rpartition("\n\n")
    if not blank:
        raise BadNote("the note has no blank line before its signatures")
    if not lines.endswith("\n"):
        raise BadNote("the note does not end with a signature line and a newline: it may have been cut off")
    # Not splitlines, which also breaks at U+2028 and others.
    signatures = lines[:-1].split("\n")
    if len(signatures) > MAX_SIGNATURES:
        raise BadNote(f"the note has {len(signatures)} signatures; at most {MAX_SIGNATURES} are read")
    return Note(body + "\n", tuple(_parse_signature(line) for line in signatures))


def _parse_signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space or not note_is_key_name(name):
        raise BadNote("a signature line of the note is not written as a dash, a name and base64")
    try:
        signature = note_from_base64(encoded)
    except ValueError:
        raise BadNote(f"the signature of {name} is not base64") from None
    if len(signature) < 5:
        raise BadNote(f"the signature of {name} is too short")
    return Signature(name, signature[:4], signature[4:])


def note_open_note(data: bytes, verifiers: Sequence[Verifier]) -> tuple[str, tuple[Verifier, ...]]:
    """The text of a note, and which of `verifiers` signed it: at least one.

    Lines of other keys are ignored, as the format asks: cosignatures stand there. Raises `BadNote` for what is no note
    (`WrongSignature`) where a signature of one of `verifiers` is wrong, `Unsigned` where there is none.
    """
    found = note_parse(data)
    signed = found.text.encode()
    signers: list[Verifier] = []
    for line in found.signatures:
        known = [v for v in verifiers if (v.name, v.key_id) == (line.name, line.key_id)]
        valid = [v for v in known if v.verify(signed, line.signature)]
        if known and not valid:
            raise WrongSignature(f"the signature of {line.name} is wrong: the note was altered, or the signature was")
        signers += [v for v in valid if v not in signers]
    if not signers:
        raise Unsigned("the note is not signed by any of the keys that are trusted here")
    return found.text, tuple(signers)


def note_is_key_name(name: str) -> bool:
    """Not empty, and without spaces of any script, control characters and plus signs."""
    return _KEY_NAME.fullmatch(name) is not None


def note_to_base64(data: bytes) -> str:
    """RFC 4648 section 4, with padding, as C2SP's formats have it."""
    return b64encode(data).decode("ascii")


def note_from_base64(encoded: str) -> bytes:
    """Raises `ValueError` for whatever `to_base64` would not have written."""
    data = b64decode(encoded, validate=True)
    if note_to_base64(data) != encoded:
        raise ValueError("not canonical base64")
    return data


# ----------------------------------------------------------------------------------------------------------------------
# checkpoint
#
# Checkpoints (c2sp.org/tlog-checkpoint): the signed statement of a ledger's size and root.


MAX_SIZE = 2**53 - 1
"""An entry's number is a JSON integer, exact in every language."""

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)


class Checkpoint(NamedTuple):
    """The ledger `origin` has `size` entries, and their tree has this root."""

    origin: str
    size: int
    root: bytes


def checkpoint_parse(body: str) -> Checkpoint:
    """Strict: three lines, so that there is nothing in it that is signed and not understood. Raises `BadNote`."""
    lines = body.split("\n")
    if len(lines) != 4 or lines[3]:
        raise BadNote("the checkpoint is not three lines: a ledger's origin, its size and its root")
    origin, size_line, root_line, _ = lines
    if not note_is_key_name(origin):
        raise BadNote("the checkpoint's first line is not a ledger's name")
    try:
        size = decimal(size_line)
    except ValueError:
        raise BadNote(f"the checkpoint's size is not a number from 0 to {MAX_SIZE}") from None
    try:
        root = note_from_base64(root_line)
    except ValueError:
        raise BadNote("the checkpoint's root is not base64") from None
    if len(root) != HASH_BYTES:
        raise BadNote(f"the checkpoint's root is not a hash of {HASH_BYTES} bytes")
    if size == 0 and root != EMPTY_ROOT:
        raise BadNote("the checkpoint gives a ledger of no entries a root that is not the empty tree's")
    return Checkpoint(origin, size, root)


def checkpoint_open_checkpoint(data: bytes, verifiers: Sequence[Verifier]) -> tuple[Checkpoint, tuple[Verifier, ...]]:
    """A checkpoint, and which of `verifiers` signed it: at least one, under the ledger's own name.

    So a key that is pinned for one ledger says nothing of another one. Raises `BadNote` and its subclasses, as
    `note.open_note` does.
    """
    body, signers = note_open_note(data, verifiers)
    found = checkpoint_parse(body)
    own = tuple(v for v in signers if v.name == found.origin)
    if not own:
        raise BadNote(
            f"the checkpoint speaks of the ledger {found.origin}, but it is signed by the key of {signers[0].name}"
        )
    return found, own


def decimal(digits: str) -> int:
    """A number from 0 to `MAX_SIZE`, ASCII, without leading zeros. Raises `ValueError` for any other spelling.

    Python's own `int` takes spaces, signs, underscores and the digits of other scripts too.
    """
    if not _DECIMAL.fullmatch(digits) or int(digits) > MAX_SIZE:
        raise ValueError(f"not a decimal number from 0 to {MAX_SIZE}")
    return int(digits)


# ----------------------------------------------------------------------------------------------------------------------
# filter
#
# A filter: which entries of a range an evidence file shows. The exporter and the verifier apply the same one.


_LISTS = (
    "action", "actor_id", "actor_type", "category", "operation", "outcome", "source", "target_id", "target_type",
)
_TIMES = ("since", "until")

_WORDS = {
    "action": "the action",
    "actor_id": "the actor's id",
    "actor_type": "the actor's type",
    "category": "the category",
    "operation": "the operation",
    "outcome": "the outcome",
    "source": "the source",
}


class BadFilter(ValueError):
    """The value is no filter."""


class Filter(NamedTuple):
    """What an entry has to be; an empty set, or None, asks for nothing.

    Of a set any value will do. One target has to be of both `target_type` and `target_id`. `since` is inclusive,
    `until` exclusive, both of `occurred_at` and written like it.
    """

    action: frozenset[str] = frozenset()
    actor_id: frozenset[str] = frozenset()
    actor_type: frozenset[str] = frozenset()
    category: frozenset[str] = frozenset()
    operation: frozenset[str] = frozenset()
    outcome: frozenset[str] = frozenset()
    source: frozenset[str] = frozenset()
    target_id: frozenset[str] = frozenset()
    target_type: frozenset[str] = frozenset()
    since: str | None = None
    until: str | None = None

    def matches(self, entry: Entry) -> bool:
        return (
            (not self.action or entry.action in self.action)
            and (not self.actor_id or entry.actor.id in self.actor_id)
            and (not self.actor_type or entry.actor.type in self.actor_type)
            and (not self.category or entry.category in self.category)
            and (not self.operation or entry.operation in self.operation)
            and (not self.outcome or entry.outcome in self.outcome)
            and (not self.source or entry.source in self.source)
            # Times of one form compare as texts.
            and (self.since is None or entry.occurred_at >= self.since)
            and (self.until is None or entry.occurred_at < self.until)
            and (not (self.target_id or self.target_type) or self._matches_target(entry))
        )

    def _matches_target(self, entry: Entry) -> bool:
        return any(
            (not self.target_id or target.id in self.target_id)
            and (not self.target_type or target.type in self.target_type)
            for target in entry.targets
        )

    def __str__(self) -> str:
        """What an entry has to be, in words: every member, and every value."""
        said = [f"{words} is {_any_of(values)}" for name, words in _WORDS.items() if (values := getattr(self, name))]
        if self.target_id and self.target_type:
            said.append(f"one target's id is {_any_of(self.target_id)} and its type {_any_of(self.target_type)}")
        elif self.target_id or self.target_type:
            name, values = ("id", self.target_id) if self.target_id else ("type", self.target_type)
            said.append(f"a target's {name} is {_any_of(values)}")
        if self.since is not None:
            said.append(f"it occurred at {self.since} or later")
        if self.until is not None:
            said.append(f"it occurred before {self.until}")
        return ", and ".join(said)

    def to_json(self) -> dict[str, Json]:
        """What `parse` reads."""
        lists: dict[str, Json] = {name: sorted(values) for name in _LISTS if (values := getattr(self, name))}
        times = {name: time for name in _TIMES if (time := getattr(self, name)) is not None}
        return lists | times


def filter_parse(value: Json) -> Filter:
    """Raises `BadFilter` unless it is an object of at least one of a filter's members, and of no others."""
    if not isinstance(value, dict) or not value:
        raise BadFilter("the filter asks for nothing: it is an object with at least one member")
    members: dict[str, frozenset[str] | str] = {}
    for name, wanted in value.items():
        if name in _LISTS:
            members[name] = _texts(name, wanted)
        elif name in _TIMES:
            if not isinstance(wanted, str) or not is_millis(wanted):
                raise BadFilter(f"the filter's {name} is no time as an entry's occurred_at is written")
            members[name] = wanted
        else:
            raise BadFilter(f"the filter asks for {name!r}, which is not known here")
    return Filter(**members)


def _any_of(values: frozenset[str]) -> str:
    # Quoted and escaped by Python, so that no value can pass for the words around it.
    return " or ".join(map(repr, sorted(values)))


def _texts(name: str, wanted: Json) -> frozenset[str]:
    texts = [text for text in wanted if isinstance(text, str)] if isinstance(wanted, list) else []
    if not texts or not isinstance(wanted, list) or len(set(texts)) != len(wanted):
        raise BadFilter(f"the filter's {name} is not a list of different texts, at least one")
    return frozenset(texts)


# ----------------------------------------------------------------------------------------------------------------------
# evidence
#
# The evidence file, version 1: a range of a ledger, with all that proves it against a checkpoint.
#
# JSON lines: a header, the erasure records, a line for each entry of the range in the order of `seq`, and an end line;
# docs/format.md has the format. Lines have one spelling each, so they are cut apart by position: an entry stands in its
# line byte by byte, and nothing in it can be taken for what follows it, because a quote inside of a JSON text has a
# backslash before it.


EVIDENCE_VERSION = "indelible/evidence@v1"

MAX_LINE_BYTES = 1 << 20

# How the lines begin, and what their parts are joined by.
ENTRY, HIDDEN, RECORD = b'{"entry":', b'{"leaf":"', b'{"erasure":'
_DISCLOSURES, _PROOF = b',"disclosures":[', b'],"proof":['


class BadLine(ValueError):
    """The line is none of an evidence file."""


class Older(NamedTuple):
    """The proof that the ledger of `size` entries is the beginning of the one that the checkpoint speaks of."""

    size: int
    proof: Sequence[bytes]


class Header(NamedTuple):
    """The range of the entries from `start` up to, but not including, `stop`, and its place in the tree."""

    checkpoint: str
    """The signed note."""
    start: int
    stop: int
    left: Sequence[bytes]
    """The frontier of the entries before `start`."""
    tail: Sequence[bytes]
    """See `proof.tail`."""
    older: Older | None = None
    filter: Filter | None = None
    """None: every entry is shown."""


class Record(NamedTuple):
    """An entry that records an erasure, its metadata's disclosure (text) and its inclusion proof."""

    entry: bytes
    text: bytes
    proof: Sequence[bytes]


class End(NamedTuple):
    lines: int
    """Before this one."""
    digest: bytes
    """SHA-256 of them."""


def end_line(end: End) -> bytes:
    return b'{"end":{"lines":%d,"sha256":"%s"}}\n' % (end.lines, base64url_to_bytes(end.digest))


def evidence_cut_header(line: bytes) -> Header:
    try:
        value = canonical_parse(line.removesuffix(b"\n"))
    except NotCanonical as error:
        raise BadLine(f"it is {error}") from None
    match value:
        case {
            "after": older,
            "checkpoint": str(checkpoint),
            "evidence": "indelible/evidence@v1",
            "filter": filter_,
            "from": int(start),
            "left": list(left),
            "tail": list(tail),
            "to": int(stop),
            **rest,
        } if not rest and bool not in (type(start), type(stop)):
            pass
        case {"evidence": str(version)} if version != EVIDENCE_VERSION:
            raise BadLine(f"it says {version!r}, and only {EVIDENCE_VERSION!r} is known here: use a newer verifier")
        case _:
            raise BadLine("it lacks members of a header, or has others")
    if not 0 <= start < stop:
        raise BadLine(f"its range is empty: it goes from {start} to {stop}")
    try:
        wanted = None if filter_ is None else filter_parse(filter_)
    except BadFilter as error:
        raise BadLine(str(error)) from None
    return Header(checkpoint, start, stop, _hashes(left), _hashes(tail), _cut_older(older), wanted)


def _cut_older(value: Json) -> Older | None:
    match value:
        case None:
            return None
        case {"proof": list(proof), "size": int(size), **rest} if not rest and size >= 0 and type(size) is int:
            return Older(size, _hashes(proof))
    raise BadLine("its proof for an older checkpoint is not of the shape of one")


def evidence_cut_record(line: bytes) -> Record:
    """Raises `BadLine`. Like the other cuts it looks at the line alone: the entry and the text may be anything."""
    body, found, rest = line.rpartition(_DISCLOSURES)
    text, proved, proof = rest.partition(_PROOF)
    if not (found and proved and body.startswith(RECORD) and rest.endswith(b"]}\n")):
        raise BadLine("it is not written as an erasure record")
    texts = _cut_list(text)
    if len(texts) != 1:
        raise BadLine("an erasure record has one disclosure, its metadata")
    return Record(body[len(RECORD) :], texts[0], _hashes([each.decode("latin-1") for each in _cut_list(proof[:-3])]))


def evidence_cut_entry(line: bytes) -> tuple[bytes, list[bytes] | None]:
    """The entry, and the texts of its disclosures; None where the entry is bare. Raises `BadLine`."""
    if not line.startswith(ENTRY):
        raise BadLine("it begins like none")
    at = line.rfind(_DISCLOSURES)
    if at < 0:
        if not line.endswith(b"}}\n"):
            raise BadLine("it is not written as an entry")
        return line[9:-2], None
    # The list of texts: empty, or with a quote at both ends.
    if line.startswith(b'"', at + 16) and line.endswith(b'"]}\n') and len(line) > at + 20:
        return line[9:at], line[at + 17 : -4].split(b'","')
    if line[at + 16 :] != b"]}\n":
        raise BadLine("it is not written as an entry")
    return line[9:at], []


def evidence_cut_hidden(line: bytes) -> bytes:
    """The leaf hash. Raises `BadLine`."""
    if not line.endswith(b'"}\n'):
        raise BadLine("it is not written as the hash of an entry")
    (leaf,) = _hashes([line[len(HIDDEN) : -3].decode("latin-1")])
    return leaf


def evidence_cut_end(line: bytes) -> End:
    """Raises `BadLine`."""
    try:
        value = canonical_parse(line.removesuffix(b"\n"))
    except NotCanonical:
        value = None
    match value:
        case {"end": {"lines": int(lines), "sha256": str(digest), **more}, **rest} if not more and not rest:
            (sha,) = _hashes([digest])
            if lines >= 0 and end_line(End(lines, sha)) == line:
                return End(lines, sha)
    raise BadLine("it is not written as the end of an evidence file")


def _cut_list(texts: bytes) -> list[bytes]:
    """What stands between the brackets of a list of texts without escapes."""
    if not texts:
        return []
    if len(texts) < 2 or not texts.startswith(b'"') or not texts.endswith(b'"'):
        raise BadLine("its list of disclosures or hashes is not one")
    return texts[1:-1].split(b'","')


def _hashes(texts: Sequence[Json]) -> tuple[bytes, ...]:
    hashes = []
    for text in texts:
        try:
            value = base64url_decode(text) if isinstance(text, str) else b""
        except ValueError:
            value = b""
        if len(value) != HASH_BYTES:
            raise BadLine("it holds something that is no hash where a hash belongs")
        hashes.append(value)
    return tuple(hashes)


# ----------------------------------------------------------------------------------------------------------------------
# verify
#
# Verification of a ledger, entry by entry, in the order of `seq`.
#
# The steps are numbered here as in docs/format.md. Nothing is taken from the store, or from a file, but the bytes:
# each statement about them is computed again.


ERASURE = "ledger.erasure"
"""The action of the entries that record which disclosures were erased."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What cannot be true of an honest ledger. `seq` is the entry it shows at; None for the ledger as a whole."""

    seq: int | None
    what: str
    step: int | None = None
    """Of docs/format.md."""


class Opened(NamedTuple):
    """An entry's disclosures, as far as they are there."""

    values: dict[str, Any]
    """By group, and only what the entry holds the digest of."""
    missing: set[str]
    """Digests of those that are not there."""
    faults: list[str]


class Chain:
    """A ledger as far as it has been read, from its first entry on or from the entry after `frontier`.

    After a contradiction reading goes on with the bytes that are there, so that one altered entry does not
    make all later ones look altered. Memory is flat but for what is erased: some 300 bytes for each disclosure that
    was missing, until the entry that records its erasure has been read.
    """

    def __init__(self, origin: str, frontier: Frontier | None = None) -> None:
        self.recorded_at = ""
        self.frontier = Frontier() if frontier is None else frontier
        self.contradictions: list[Contradiction] = []
        self.disclosed: dict[str, Any] = {}
        """What the last entry disclosed, by group; only what fits its digests."""
        # The frontier of an odd number of leaves ends in a leaf; of an even one it does not tell the last leaf.
        self._prev: str | None = None
        if self.size == 0:
            self._prev = genesis(origin)
        elif self.size % 2:
            self._prev = base64url_encode(bytes(self.frontier)[-HASH_BYTES:])
        self._missing: dict[str, tuple[int, int]] = {}  # digest -> seq of its entry, and how many digests that has

    @property
    def size(self) -> int:
        return self.frontier.size

    @property
    def head(self) -> str | None:
        """The leaf hash of the last entry read; None after a gap."""
        return self._prev

    def skip_to(self, seq: int) -> None:
        """Notes that entries are missing before `seq`."""
        last = seq - 1
        missing = f"entry {self.size} is missing" if last == self.size else f"entries {self.size} to {last} are missing"
        self._contradict(3, self.size, missing)
        self._lose_to(seq)

    def lose(self) -> None:
        """The next entry, of which not even the leaf hash is known."""
        self._lose_to(self.size + 1)

    def _lose_to(self, seq: int) -> None:
        # The hashes of what is missing are unknown; the root will not fit, and that is right. The gap is no loop:
        # somebody may have written 2^62 into a row.
        self.frontier = Frontier(seq, bytes(HASH_BYTES * seq.bit_count()))
        self._prev = None

    def push(self, leaf: bytes) -> None:
        """The next entry, of which nothing but its leaf hash is known."""
        # 7. It is the next leaf of the tree.
        self.frontier.push(leaf)
        self._prev = base64url_encode(leaf)

    def add(self, data: bytes, texts: Iterable[bytes] | None, stored_leaf: bytes | None = None) -> Entry | None:
        """Checks the next entry, number `size`. Returns what it says, or None if it does not parse, or is not the next.

        `texts` are those of its disclosures, as ASCII; None leaves step 6 out. `stored_leaf` is the hash that was kept
        beside the entry, where one was.
        """
        seq = self.frontier.size
        # 1. The entry hashes to the leaf hash that is stored for it.
        leaf = leaf_hash(data)
        if stored_leaf is not None and leaf != stored_leaf:
            self._contradict(1, seq, "the entry was altered: its bytes do not hash to the leaf hash stored beside it")
        # 2. It is canonical JSON of the shape of its version.
        found = None
        self.disclosed = {}
        try:
            found = entry_parse(data)
        except BadEntry as error:
            self._contradict(2, seq, f"the entry {error}")
        if found is not None:
            # 3. It says that it is number `seq`.
            if found.seq != seq:
                if not self.displaced(seq, found):
                    return None
                seq = self.frontier.size
            self._check_place(seq, found)
            if texts is not None:
                self._check_disclosures(seq, found, texts)
        self.push(leaf)
        return found

    def end(self) -> None:
        """No entries are left: what is missing now was not recorded as erased."""
        missing: dict[tuple[int, int], int] = {}
        for place in self._missing.values():
            missing[place] = missing.get(place, 0) + 1
        for (seq, digests), count in missing.items():
            verb, them = ("is", "it") if count == 1 else ("are", "them")
            what = f"{count} of its {digests} personal parts {verb} missing, and no erasure of {them} is recorded"
            self._contradict(6, seq, what)
        self._missing.clear()

    def missing(self, seq: int, found: Entry, digests: set[str]) -> None:
        """Notes that entry `seq` lacks the disclosures of these digests."""
        self._missing.update(dict.fromkeys(digests, (seq, len(found.digests))))

    def displaced(self, seq: int, found: Entry) -> bool:
        """Notes that there is another number in the entry than `seq`, the next. Says whether it is still to be taken as
        the next, of what `size` is then.
        """
        self._contradict(3, seq, f"the entry says that it is number {found.seq}: entries were moved or swapped")
        return True

    def _check_place(self, seq: int, found: Entry) -> None:
        # 4. It names the entry before it by hash.
        if found.prev != self._prev and self._prev is not None:
            if seq:
                what = f"entry {seq - 1} is broken: one of the two was altered, moved or replaced"
            else:
                what = "the ledger's origin is broken: it was altered or moved, or is another ledger's"
            self._contradict(4, seq, f"the seal that ties it to {what}")
        # 5. It was not recorded before the entry before it. (Times of one form compare as texts.)
        if found.recorded_at < self.recorded_at:
            what = (
                f"it claims to have been recorded at {found.recorded_at}, and an entry that precedes it at "
                f"{self.recorded_at}: time does not run backwards"
            )
            self._contradict(5, seq, what)
        else:
            self.recorded_at = found.recorded_at

    def _check_disclosures(self, seq: int, found: Entry, texts: Iterable[bytes]) -> None:
        # 6. Every disclosure is one whose digest the entry holds, of a known group, at most one each; none is missing
        # but what a later entry records as erased.
        self.disclosed, missing, faults = open_all(found, texts)
        for fault in faults:
            self._contradict(6, seq, fault)
        if found.action == ERASURE and self._missing:
            for digest in erased_digests(self.disclosed) or ():
                self._missing.pop(digest, None)
        if missing:
            self.missing(seq, found, missing)

    def _contradict(self, step: int, seq: int, what: str) -> None:
        self.contradictions.append(Contradiction(seq, what, step))


def open_all(found: Entry, texts: Iterable[bytes]) -> Opened:
    """The disclosures of an entry, opened from their texts (ASCII) and held against its digests."""
    values: dict[str, Any] = {}
    missing = set(found.digests)
    faults = []
    for text in texts:
        try:
            name, value = open_text(text)
        except ValueError:
            name = ""
        digest = text_digest(text)
        if digest not in missing:
            faults.append(f"{_part(name)} was altered or added: it is not what was sealed with the entry")
            continue
        missing.remove(digest)
        if name not in GROUPS:
            faults.append(f"{_part(name)} is of no known group")
        elif name in values:
            faults.append(f"{_part(name)} is there twice")
        else:
            values[name] = value
    return Opened(values, missing, faults)


def _part(name: str) -> str:
    # Names that are not known may be anything, and are not repeated.
    return f"its personal part '{name}'" if name in GROUPS else "a personal part of it"


def erased_digests(disclosed: dict[str, Any]) -> Sequence[str] | None:
    """What an entry `ledger.erasure` that discloses this says was erased; None where it does not say it rightly."""
    match disclosed.get("metadata"):
        case {"digests": list(digests)} if digests and all(isinstance(each, str) for each in digests):
            return digests
    return None


# ----------------------------------------------------------------------------------------------------------------------
# evidence_reader
#
# Reading an evidence file, line by line; step 20 of docs/format.md.
#
# The file is whole: each line is of a known form and in its place, and the last one counts and hashes those before it.


# What files, and files inside of a zip, raise when they are damaged.
_DAMAGED = (OSError, EOFError, BadZipFile, zlib.error)

_SAVED_AGAIN = (
    ". It may have been one: an editor or a mail program that saves a file again can change it, the ends of its lines "
    "for instance. Get the file again"
)


class Unreadable(ValueError):
    """The file does not go on as an evidence file does."""


class Reader:
    """The lines of a file, counted and hashed. Holds one line at a time, of `MAX_LINE_BYTES` at most.

    Every method raises `Unreadable`, with what is wrong.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = sha256()
        self._line = b""
        self.lines = 0
        """How many were read; while there is one, its number."""

    def next(self) -> bytes:
        """The next line, with its newline."""
        self._hash.update(self._line)
        try:
            line = self._file.readline(MAX_LINE_BYTES + 1)
        except _DAMAGED as error:
            raise Unreadable(f"the file cannot be read after line {self.lines}: {error}") from None
        if not line and not self.lines:
            raise Unreadable("the file is empty")
        if not line:
            raise Unreadable(f"the file ends after line {self.lines}, without its end line: it was cut off")
        self.lines += 1
        if len(line) > MAX_LINE_BYTES:
            raise Unreadable(f"line {self.lines} has more than {MAX_LINE_BYTES} bytes: no evidence file has that")
        if not line.endswith(b"\n"):
            raise Unreadable(f"the file ends in the middle of line {self.lines}: it was cut off")
        self._line = line
        return line

    def header(self) -> Header:
        """What the first line says."""
        line = self.next()
        try:
            return evidence_cut_header(line)
        except BadLine as error:
            hint = _SAVED_AGAIN if EVIDENCE_VERSION.encode() in line else ""
            raise Unreadable(f"the first line is no header of an evidence file: {error}{hint}") from None

    def end(self) -> None:
        """Checks that the line just read is the end, that it speaks of those before it, and that nothing follows."""
        if self._line.startswith((ENTRY, HIDDEN)):
            raise Unreadable(f"line {self.lines} is one entry more than the file's first line announces")
        try:
            end = evidence_cut_end(self._line)
        except BadLine as error:
            raise Unreadable(f"line {self.lines} should be the file's end, and is not: {error}") from None
        if end.lines != self.lines - 1:
            raise Unreadable(
                f"the file's end counts {end.lines} lines before it, and there are {self.lines - 1}: "
                "it was damaged or altered; get it again"
            )
        if end.digest != self._hash.digest():
            raise Unreadable(
                "the file is not as it was when its last line was written: it was damaged or altered, which other "
                "findings may come of; get it again"
            )
        try:
            more = self._file.read(1)
        except _DAMAGED as error:
            raise Unreadable(f"the file cannot be read after its end: {error}") from None
        if more:
            raise Unreadable("there is something after the file's end")


# ----------------------------------------------------------------------------------------------------------------------
# report
#
# What the verification of an evidence file found, for machines and for people.


MAX_FINDINGS = 1000
"""Findings kept; further ones are counted."""

_SHOWN = 20
"""Findings in the text; the JSON has all that are kept."""

Kind = Literal["contradicted", "not proven"]

_FOLLOW = "its entries do not follow one from another"
_UNSIGNED = "its entries are not those that were signed"
_FALSE = {
    2: "there are entries in it that no ledger has",
    3: _FOLLOW,
    4: _FOLLOW,
    5: _FOLLOW,
    6: "personal parts in it are not those that were recorded",
    7: _UNSIGNED,
    21: "its checkpoint is not one that was signed",
    23: "an erasure record in it is not the ledger's",
    24: "what it shows is not what its filter asks for",
    25: "its entry 0 is not that of this ledger",
    26: _UNSIGNED,
    27: "the ledger does not continue the earlier checkpoint",
}
"""What a contradiction says of the file, by its step."""


class Finding(NamedTuple):
    kind: Kind
    """`contradicted`: not true of an honest ledger. `not proven`: what is needed to know is not there."""
    step: int
    """Of docs/format.md."""
    seq: int | None
    """The entry it shows at; None for the file as a whole."""
    what: str


@dataclass(slots=True)
class Counts:
    """Entries of the range, and disclosures of those that are shown."""

    shown: int = 0
    bare: int = 0
    hidden: int = 0
    disclosed: int = 0
    erased: int = 0
    withheld: int = 0


@dataclass(slots=True)
class Erasure:
    """An entry that records an erasure, and how many disclosures are missing here because of it."""

    seq: int
    recorded_at: str
    disclosures: int = 0


@dataclass(slots=True)
class Report:
    """Everything but what was found is None where the file did not get as far as to prove who says so."""

    origin: str | None = None
    tenant_id: str | None = None
    """As entry 0 says, where it is shown."""
    start: int | None = None
    stop: int | None = None
    size: int | None = None
    root: bytes | None = None
    signed_by: tuple[str, ...] = ()
    """The vkeys, out of those that the caller trusts."""
    filter: Filter | None = None
    older_size: int | None = None
    """Of the earlier checkpoint that the caller gave."""
    older_proven: bool = False
    complete_from: str | None = None
    """When the first entry was recorded of which more than the hash is given."""
    complete_until: str | None = None
    """And the last one."""
    counts: Counts = field(default_factory=Counts)
    erasures: list[Erasure] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    contradicted: int = 0
    not_proven: int = 0
    _contradicted_steps: set[int] = field(default_factory=set, init=False)

    def find(self, kind: Kind, step: int, seq: int | None, what: str) -> None:
        if kind == "contradicted":
            self.contradicted += 1
            self._contradicted_steps.add(step)
        else:
            self.not_proven += 1
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(kind, step, seq, _plain(what)))

    @property
    def verdict(self) -> Literal["proven", "contradicted", "not proven"]:
        if self.contradicted:
            return "contradicted"
        return "not proven" if self.not_proven else "proven"

    @property
    def exit_code(self) -> int:
        return {"proven": 0, "contradicted": 1, "not proven": 2}[self.verdict]

    @property
    def statement(self) -> str:
        """What the verdict means, in sentences."""
        if self.verdict == "contradicted":
            # In the order of the steps, each once.
            false = dict.fromkeys(_FALSE[step] for step in sorted(self._contradicted_steps))
            return (
                f"This is not what an honest ledger gives: {'; '.join(false)}. "
                "What the file shows must not be taken for what was recorded."
            )
        if self.verdict == "not proven":
            return "Something that is needed to prove this file is missing. Nothing in it is proven as a whole."
        parts = [self._range(), *self._exceptions()]
        if self.older_proven:
            older = counted(self.older_size or 0, "entry", "entries")
            parts.append(f"The ledger continues the one of {older} of the earlier checkpoint.")
        return " ".join([*parts, self._times()])

    def _range(self) -> str:
        start, last = self.start or 0, (self.stop or 0) - 1
        by = f"its key signed at a size of {counted(self.size or 0, 'entry', 'entries')}"
        if start == last:
            which = f"Entry {start:,} of the ledger {self.origin}"
            return f"{which} is exactly the one that {by}: it was not altered or moved."
        return (
            f"Entries {start:,} to {last:,} of the ledger {self.origin} are exactly those that {by}: none was altered, "
            "moved, added or left out."
        )

    def _times(self) -> str:
        if self.complete_from is None or self.complete_until is None:
            return "No entry is shown, so nothing is said of when they were recorded."
        if self.start == 0:
            return f"Complete from the ledger's beginning up to {self.complete_until}; nothing is claimed after it."
        return (
            f"Complete from {self.complete_from} up to {self.complete_until}; entries before number {self.start:,} are "
            "not this file's subject, and nothing is claimed after its last one."
        )

    def _exceptions(self) -> list[str]:
        parts = []
        counts = self.counts
        if self.filter is not None:
            match, are, their = ("matches", "is", "its") if counts.shown == 1 else ("match", "are", "their")
            parts.append(
                f"{counts.shown:,} of them {match} the filter ({self.filter}) and {are} shown with {their} personal "
                "parts. Compare this filter with what you asked for."
            )
        if counts.hidden:
            are, differ = ("is", "this one does not match") if counts.hidden == 1 else ("are", "none of these matches")
            parts.append(
                f"{counts.hidden:,} of them {are} hidden: that {differ} the filter is not proven, and was accepted."
            )
        if counts.erased:
            parts.append(f"Personal parts that were erased, as the ledger itself records: {counts.erased:,}.")
        if counts.withheld:
            parts.append(f"Personal parts that are withheld from this file, which was accepted: {counts.withheld:,}.")
        return parts

    def to_json(self) -> dict[str, Json]:
        counts = self.counts
        return {
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "statement": self.statement,
            "origin": self.origin,
            "tenant_id": self.tenant_id,
            "from": self.start,
            "to": self.stop,
            "size": self.size,
            "root": None if self.root is None else base64url_encode(self.root),
            "signed_by": list(self.signed_by),
            "filter": None if self.filter is None else self.filter.to_json(),
            "after": None if self.older_size is None else {"size": self.older_size, "proven": self.older_proven},
            "complete_from": self.complete_from,
            "complete_until": self.complete_until,
            "entries": {"shown": counts.shown, "bare": counts.bare, "hidden": counts.hidden},
            "disclosures": {"ok": counts.disclosed, "erased": counts.erased, "withheld": counts.withheld},
            "erasures": [
                {"seq": each.seq, "recorded_at": each.recorded_at, "disclosures": each.disclosures}
                for each in self.erasures
            ],
            "contradicted": self.contradicted,
            "not_proven": self.not_proven,
            "findings": [
                {"kind": each.kind, "step": each.step, "seq": each.seq, "what": each.what} for each in self.findings
            ],
        }

    def __str__(self) -> str:
        """The report for people. A verdict comes first."""
        lines = [self.verdict.upper(), "", self.statement, ""]
        if self.origin is not None:
            lines += [
                _line("ledger", self.origin),
                *([] if self.tenant_id is None else [_line("tenant", _plain(self.tenant_id))]),
                *[_line("signed by", vkey) for vkey in self.signed_by],
            ]
        if self.start is not None:
            lines += self._contents()
        lines += [
            _line(
                "erasure",
                f"recorded by entry {each.seq} at {each.recorded_at}: "
                f"{counted(each.disclosures, 'personal part', 'personal parts')} here",
            )
            for each in self.erasures[:_SHOWN]
        ]
        if (more := len(self.erasures) - _SHOWN) > 0:
            lines.append(_line("", f"and {more:,} more"))
        for each in self.findings[:_SHOWN]:
            where = "file" if each.seq is None else f"entry {each.seq}"
            lines.append(f"{each.kind}, {where} (step {each.step}): {each.what}")
        if (more := self.contradicted + self.not_proven - _SHOWN) > 0:
            lines.append(f"and {more:,} more")
        return "\n".join(lines) + "\n"

    def _contents(self) -> list[str]:
        counts = self.counts
        shown = f"{self.start:,} to {(self.stop or 0) - 1:,} of {self.size:,}: {counts.shown:,} shown"
        filters = []
        if self.filter is not None:
            filters = [_line("filter", str(self.filter))]
            shown += f", {counts.bare:,} outside of the filter, {counts.hidden:,} hidden"
        elif counts.bare or counts.hidden:
            shown += f", {counts.bare:,} without personal parts, {counts.hidden:,} hidden"
        parts = f"{counts.disclosed:,} shown, {counts.erased:,} erased, {counts.withheld:,} withheld"
        return [*filters, _line("entries", shown), _line("personal parts", parts)]


def counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _line(name: str, value: str) -> str:
    return f"{name:<14}  {value}"


def _plain(text: str) -> str:
    """What somebody else may have written, without the characters that a terminal obeys."""
    return "".join([c if c.isprintable() else c.encode("unicode_escape").decode() for c in text])


# ----------------------------------------------------------------------------------------------------------------------
# evidence_checkpoints
#
# The checkpoint of an evidence file, and an earlier one that was kept: steps 21 and 27 of docs/format.md.


# 21. The checkpoint is signed by a trusted key, whose name is the ledger's.


def open_signed(data: bytes, keys: Sequence[Verifier], report: Report) -> Checkpoint | None:
    """The file's checkpoint; None where it is not one of a ledger whose key is trusted."""
    try:
        names = sorted({each.name for each in note_parse(data).signatures})
    except BadNote as error:
        report.find("not proven", 21, None, f"the checkpoint in this file cannot be read: {error}")
        return None
    try:
        signed, signers = checkpoint_open_checkpoint(data, keys)
    except Unsigned:
        what = (
            f"the checkpoint in this file is not signed with {_given(keys)}, but with another one, in the name of "
            f"{', '.join(map(repr, names[:3]))}. Ask for the key of that ledger elsewhere than where the file is from, "
            "and give it with --key"
        )
        report.find("not proven", 21, None, what)
        return None
    except WrongSignature:
        what = "the checkpoint in this file was altered or made up: the signature on it is not that of its key"
        report.find("contradicted", 21, None, what)
        return None
    except BadNote as error:
        report.find("contradicted", 21, None, str(error))
        return None
    report.origin, report.size, report.root = signed
    report.signed_by = tuple(map(str, signers))
    return signed


# 27. The ledger continues the one of the earlier checkpoint.


def open_older(data: bytes, keys: Sequence[Verifier], origin: str, report: Report) -> Checkpoint | None:
    """The earlier checkpoint; None where nothing can be held against it."""
    try:
        older, _ = checkpoint_open_checkpoint(data, keys)
    except Unsigned:
        what = f"the earlier checkpoint cannot be relied on: it is not signed with {_given(keys)}"
    except WrongSignature:
        what = "the earlier checkpoint cannot be relied on: the signature on it is not that of its key"
    except BadNote as error:
        what = f"the earlier checkpoint cannot be relied on: {error}"
    else:
        if older.origin == origin:
            report.older_size = older.size
            return older
        what = f"the earlier checkpoint is of another ledger, {older.origin}"
    report.find("not proven", 27, None, what)
    return None


def check_older(
    older: Checkpoint, header: Header, signed: Checkpoint, middle: bytes | None, *, is_whole: bool, report: Report
) -> None:
    """`middle` is the root of the first `older.size` entries, if they end within the range; `is_whole` says whether it
    is that of entries that lead to the signed root.
    """
    if older.size > signed.size:
        # A ledger cut short and an old file look the same.
        what = (
            f"the checkpoint that you kept covers {counted(older.size, 'entry', 'entries')}, and the one in this file "
            f"only {signed.size:,}: either this file is older, or the ledger was cut short. Ask for a file against a "
            "newer checkpoint; if the vendor cannot give you one, entries were removed"
        )
        report.find("not proven", 27, None, what)
        return
    if older.size == 0:
        is_continued = older.root == EMPTY_ROOT
    elif older.size == signed.size:
        is_continued = older.root == signed.root
    elif middle is not None:
        if not is_whole:
            what = "the earlier checkpoint cannot be compared with entries that are not proven"
            report.find("not proven", 27, None, what)
            return
        is_continued = older.root == middle
    elif header.older is not None and header.older.size == older.size:
        is_continued = _is_continued(older, signed, header.older.proof)
    else:
        what = (
            f"the file does not say how the ledger of {counted(older.size, 'entry', 'entries')} was continued: ask for "
            "it to be exported again with --after and the earlier checkpoint"
        )
        report.find("not proven", 27, None, what)
        return
    report.older_proven = is_continued
    if not is_continued:
        first = "first entry is not that" if older.size == 1 else f"first {older.size:,} entries are not those"
        what = f"the {first} of the earlier checkpoint: history was rewritten, and two different ones were signed"
        report.find("contradicted", 27, None, what)


def _is_continued(older: Checkpoint, signed: Checkpoint, consistency: Sequence[bytes]) -> bool:
    try:
        proof_verify_consistency(older.size, older.root, signed.size, signed.root, consistency)
    except BadProof:
        return False
    return True


def _given(keys: Sequence[Verifier]) -> str:
    return "the key that you gave" if len(keys) == 1 else "any of the keys that you gave"


# ----------------------------------------------------------------------------------------------------------------------
# evidence_range
#
# The entries of an evidence file: steps 2 to 7 of docs/format.md, also where some of them are not there.


class Range(Chain):
    """What was erased is known before the first entry. In a file nothing but the entries tells their numbers."""

    def __init__(self, origin: str, header: Header, counts: Counts) -> None:
        super().__init__(origin, Frontier(header.start, b"".join(header.left)))
        self._start = header.start
        self._stop = header.stop
        self._counts = counts
        self._stray: int | None = None  # the number of the last entry that was passed over
        self.is_torn = False
        """Whether entries were skipped, so that the tree is not known any more."""
        self.erased: dict[str, Erasure] = {}
        """By digest."""

    def missing(self, seq: int, found: Entry, digests: set[str]) -> None:
        for digest in digests:
            erasure = self.erased.get(digest)
            # Only what comes later in the ledger can record that something was erased.
            if erasure is not None and erasure.seq > seq:
                erasure.disclosures += 1
                self._counts.erased += 1
            else:
                self._counts.withheld += 1

    def displaced(self, seq: int, found: Entry) -> bool:
        """Goes on from the entry's own number where that is ahead; passes the entry over where it is behind, or is none
        of the range's. Entries that follow one another in a wrong place are one finding.
        """
        number = found.seq
        if found.prev == self.head:
            return super().displaced(seq, found)  # it follows the one before it: its number alone was altered
        if seq < number < self._stop:
            self.skip_to(number)
            self.is_torn = True
            return True
        follows = self._stray is not None and number == self._stray + 1
        self._stray = number
        if not follows:
            what = f"it stands where entry {seq} belongs: it was moved there, or is in the file twice"
            self._contradict(3, number, what)
        elif self._start <= number < seq:
            # Not this one is out of place, but the one that led ahead.
            self.frontier = Frontier(number, bytes(HASH_BYTES * number.bit_count()))
            self._prev = None
            self.recorded_at = ""
            self.is_torn = True
            return True
        return False


# ----------------------------------------------------------------------------------------------------------------------
# evidence_verifier
#
# Verification of an evidence file, offline: the file, the keys that are trusted, and nothing else.
#
# The steps are numbered here as in docs/format.md; 2 to 7 are those of `evidence_range` and `verify.Chain`, 20 is in
# `evidence_reader`, 21 and 27 are in `evidence_checkpoints`. Origin, size and root come from
# the checkpoint that a trusted key signed, and keys from the caller only. Nothing that is skipped counts as proven.


_PROGRESS_ENTRIES = 10_000

_ALTERED = ": the file was altered, or it is not whole"


def evidence_verifier_verify(
    file: BinaryIO,
    keys: Sequence[Verifier],
    *,
    after: bytes | None = None,
    accept_withheld: bool = False,
    accept_hidden: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _entries: None,
) -> Report:
    """Verifies an evidence file, read once from its beginning; whatever is wrong with it is in the report.

    `keys` are trusted, and have to come from elsewhere than the file. `after` is a checkpoint (a signed note) that was
    kept earlier, which this ledger has to continue. Disclosures that are neither shown nor recorded as erased, and
    entries that are hidden under a filter, leave the file unproven unless they are accepted. `progress` is told how
    many of how many entries are done.

    Memory is flat, but for some 200 bytes for each disclosure that the file's erasure records name.
    """
    verification = _Verification(file, keys)
    verification.run(after, progress)
    verification.check_completeness(accept_withheld=accept_withheld, accept_hidden=accept_hidden)
    return verification.report


class _Stop(Exception):
    """Nothing further can be checked; why is in the report."""


class _Verification:
    def __init__(self, file: BinaryIO, keys: Sequence[Verifier]) -> None:
        self.report = Report()
        self._reader = Reader(file)
        self._keys = keys
        self._is_whole = True  # no entry is missing, so that the root can be computed
        self._first_time: str | None = None  # when the first entry was recorded that is not hidden

    def run(self, after: bytes | None, progress: Callable[[int, int], None]) -> None:
        try:
            header = self._reader.header()
            signed = open_signed(header.checkpoint.encode(), self._keys, self.report)
            if signed is None:
                return
            older = None if after is None else open_older(after, self._keys, signed.origin, self.report)
            self._check_range(header, signed)
            chain = Range(signed.origin, header, self.report.counts)
            line = self._read_records(signed, chain)
            middle = self._read_entries(header, chain, line, None if older is None else older.size, progress)
            self._check_root(header, signed, chain)
        except Unreadable as error:
            self._doubt(20, None, str(error))
        except _Stop:
            pass
        else:
            if older is not None:
                check_older(older, header, signed, middle, is_whole=self._is_whole, report=self.report)
            self.report.complete_from = self._first_time
            self.report.complete_until = chain.recorded_at or None

    def _contradict(self, step: int, seq: int | None, what: str) -> None:
        self.report.find("contradicted", step, seq, what)

    def _doubt(self, step: int, seq: int | None, what: str) -> None:
        self.report.find("not proven", step, seq, what)

    # 22. The range lies within the checkpoint's size, and comes with the hashes that it takes.

    def _check_range(self, header: Header, signed: Checkpoint) -> None:
        if header.stop > signed.size:
            what = (
                f"the file goes up to entry {header.stop - 1}, and its checkpoint covers "
                f"{counted(signed.size, 'entry', 'entries')} only: it was altered, or its checkpoint is of another time"
            )
        elif len(header.left) != header.start.bit_count():
            what = "the hashes that stand for what is before its first entry are too few or too many" + _ALTERED
        elif len(header.tail) != len(proof_tail(header.stop, signed.size)):
            what = "the hashes that stand for what is after its last entry are too few or too many" + _ALTERED
        else:
            self.report.start, self.report.stop, self.report.filter = header.start, header.stop, header.filter
            return
        self._doubt(22, None, what)
        raise _Stop

    # 23. Each erasure record is an entry of the ledger, and names what was erased.

    def _read_records(self, signed: Checkpoint, chain: Range) -> bytes:
        """Returns the first line that is none."""
        while (line := self._reader.next()).startswith(RECORD):
            # Nothing bounds how many lines there are, and nobody needs a key to write them.
            if self.report.contradicted + self.report.not_proven >= MAX_FINDINGS:
                what = f"the file gives {MAX_FINDINGS:,} erasure records that are wrong: what follows was not read"
                self._doubt(23, None, what)
                raise _Stop
            try:
                self._check_record(evidence_cut_record(line), signed, chain)
            except BadEntry as error:
                self._doubt(23, None, f"line {self._reader.lines} is no erasure record: its entry {error}")
            except BadLine as error:
                what = f"line {self._reader.lines} is no erasure record, and what follows was not read: {error}"
                self._doubt(23, None, what)
                raise _Stop from None
        return line

    def _check_record(self, record: Record, signed: Checkpoint, chain: Range) -> None:
        found = entry_parse(record.entry)
        seq = found.seq
        try:
            proof_verify_inclusion(leaf_hash(record.entry), seq, signed.size, record.proof, signed.root)
        except BadProof:
            what = "the erasure record that the file gives is not in the ledger: it or its proof was altered or made up"
            self._contradict(23, seq, what)
            return
        opened = open_all(found, [record.text])
        digests = erased_digests(opened.values)
        erasures = self.report.erasures
        if found.action != ERASURE:
            self._contradict(23, seq, f"the file gives it as an erasure record, but it is {found.action!r}")
        elif opened.faults:
            self._contradict(23, seq, f"the erasure record that the file gives is wrong: {opened.faults[0]}")
        elif digests is None:
            self._contradict(23, seq, "the erasure record does not say what was erased")
        elif erasures and erasures[-1].seq >= seq:
            what = (
                "the erasure records are not in the order of their numbers, or one is there twice: this one was passed "
                "over, and what only it records as erased counts as withheld"
            )
            self._doubt(23, seq, what)
        else:
            erasures.append(Erasure(seq, found.recorded_at))
            chain.erased.update(dict.fromkeys(digests, erasures[-1]))

    # The entries: steps 2 to 7, and 24 and 25.

    def _read_entries(
        self, header: Header, chain: Range, line: bytes, marked: int | None, progress: Callable[[int, int], None]
    ) -> bytes | None:
        """Reads from `line` on up to the end. Returns the root of the first `marked` entries, if it passes by there."""
        root = None
        entries = header.stop - header.start
        seq = header.start
        while True:
            if seq == marked:
                root = chain.frontier.root()
            if line.startswith(b'{"end":'):
                break
            # Where an entry led ahead, those that it passed by may still come.
            if seq >= header.stop and not (chain.is_torn and line.startswith(ENTRY)):
                break
            try:
                self._read_entry(header, chain, seq, line)
            except BadLine as error:
                self._doubt(
                    20, seq, f"line {self._reader.lines} should be this entry, and is of no known form: {error}"
                )
                self._is_whole = False
                chain.lose()
            if chain.contradictions:
                self._move_contradictions(chain)
            seq = chain.frontier.size
            if seq % _PROGRESS_ENTRIES == 0:
                progress(seq - header.start, entries)
                chain.frontier.completed.clear()
            line = self._reader.next()
        progress(seq - header.start, entries)
        if chain.is_torn:
            self._is_whole = False
        if seq < header.stop:
            self._is_whole = False
            last = header.stop - 1
            if seq == last:
                what = f"entry {seq} belongs to the file's range, and is not in the file"
            else:
                what = f"the entries {seq} to {last} belong to the file's range, and are not in the file"
            self._doubt(20, seq, what)
        self._reader.end()
        return root

    def _read_entry(self, header: Header, chain: Range, seq: int, line: bytes) -> None:
        counts = self.report.counts
        if line.startswith(HIDDEN):
            chain.push(evidence_cut_hidden(line))
            counts.hidden += 1
            return
        data, texts = evidence_cut_entry(line)
        entry = chain.add(data, texts)
        if entry is None and chain.size == seq:
            return  # it was passed over
        if texts is None:
            counts.bare += 1
        else:
            counts.shown += 1
            counts.disclosed += len(chain.disclosed)
        if entry is None:
            return
        # 24. What is shown matches the filter, and what is not shown does not.
        if header.filter is not None and header.filter.matches(entry) != (texts is not None):
            if texts is None:
                what = "it belongs in this selection, but was left out as if it did not match the filter"
            else:
                what = "it does not match the filter, but is shown in this selection as if it did"
            self._contradict(24, chain.size - 1, what)
        if self._first_time is None:
            self._first_time = entry.recorded_at
            if chain.size == 1:
                self._check_opening(entry, chain)

    # 25. Entry 0 opens the ledger whose checkpoint this is.

    def _check_opening(self, entry: Entry, chain: Range) -> None:
        match chain.disclosed.get("metadata"):
            case _ if entry.action != "ledger.created":
                self._contradict(25, 0, f"entry 0 opens no ledger: it is {entry.action!r}")
            case None:
                pass  # it is not shown
            case {"origin": origin, "tenant_id": str(tenant)} if origin == self.report.origin:
                self.report.tenant_id = tenant
            case _:
                self._contradict(25, 0, f"entry 0 opens another ledger than {self.report.origin}")

    def _move_contradictions(self, chain: Range) -> None:
        for each in chain.contradictions:
            self._contradict(each.step or 7, each.seq, each.what)
        chain.contradictions.clear()

    # 26. The entries lead to the root that was signed.

    def _check_root(self, header: Header, signed: Checkpoint, chain: Range) -> None:
        if not self._is_whole:
            self._doubt(26, None, "without the entries that are missing the rest cannot be held against the checkpoint")
        elif proof_root_of(chain.frontier, header.tail, signed.size) != signed.root:
            self._is_whole = False
            what = (
                "the entries are not those that were signed: one was altered, added, left out or moved, or the hashes "
                "of what is before and after them were altered"
            )
            self._contradict(26, None, what)

    # 28. Nothing was left out but what was erased, or what the caller accepts.

    def check_completeness(self, *, accept_withheld: bool, accept_hidden: bool) -> None:
        counts = self.report.counts
        if counts.withheld and not accept_withheld:
            are = counted(counts.withheld, "personal part is", "personal parts are")
            they = "it is" if counts.withheld == 1 else "they are"
            what = f"{are} neither shown nor recorded as erased: {they} withheld (--accept-withheld if that was agreed)"
            self._doubt(28, None, what)
        if self.report.filter is None:
            # 24. Without a filter every entry is shown, whatever the caller accepts.
            if unshown := counts.bare + counts.hidden:
                are = counted(unshown, "entry is", "entries are")
                self._doubt(24, None, f"the file has no filter, and yet {are} not shown with what was recorded")
        elif counts.hidden and not accept_hidden:
            are = counted(counts.hidden, "entry is", "entries are")
            match = "it matches" if counts.hidden == 1 else "they match"
            what = (
                f"{are} hidden, so that nobody can tell whether {match} the filter (--accept-hidden if that was agreed)"
            )
            self._doubt(28, None, what)


# ----------------------------------------------------------------------------------------------------------------------
# evidence_command
#
# The command that verifies an evidence file: `verify.py`, and what `indelible evidence verify` does.
#
# Exit code 0: proven; 1: contradicted; 2: not proven, or it could not be tried.


EVIDENCE_NAME = "evidence.jsonl"
"""What the evidence is called inside of a zip."""

_ZIP_NAMES = ["README.txt", EVIDENCE_NAME, "verify.py"]
_MSDOS_FOLDER, _ENCRYPTED = 0x10, 0x1

_MAX_KEY_FILE_BYTES = 1_000_000
_BUFFER_BYTES = 1 << 18
_PATIENCE = 2.0  # seconds until the command says how far it is, and between two times


class Unusable(ValueError):
    """What the command was given cannot be used; the text says why."""


@contextmanager
def open_evidence(path: Path) -> Iterator[BinaryIO]:
    """The evidence in a file, which is read as it goes: the file itself, or the member of an export's zip.

    Raises `Unusable`.
    """
    try:
        with path.open("rb") as file:
            is_zip = file.read(4) == b"PK\x03\x04"
            file.seek(0)
            if not is_zip:
                yield file
                return
            with _member(path, file) as member:
                yield cast("BinaryIO", BufferedReader(member, _BUFFER_BYTES))
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror or error}") from None


class _Pieces:
    """A file that gives `_BUFFER_BYTES` at once at most, so that a zip's directory is no longer than that.

    zipfile would have any directory in memory, a hundred times its size; and takes a short one for a damaged one.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self._read = file.read

    def read(self, size: int = -1) -> bytes:
        return self._read(min(size, _BUFFER_BYTES) if size >= 0 else _BUFFER_BYTES)


def _member(path: Path, file: BinaryIO) -> zipfile.ZipExtFile:
    try:
        archive = zipfile.ZipFile(cast("BinaryIO", _Pieces(file)))
        members = archive.infolist()
        if _is_export(members):
            return cast("zipfile.ZipExtFile", archive.open(EVIDENCE_NAME))
    # A damaged archive makes zipfile raise what comes.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, LookupError) as error:
        raise Unusable(f"{path} is a zip that cannot be read: {error}") from None
    raise Unusable(
        f"{path} is not the zip of an export: that holds the files {', '.join(_ZIP_NAMES)}, each once, not encrypted, "
        "and nothing else. Get it again, as it was written"
    )


def _is_export(members: Sequence[zipfile.ZipInfo]) -> bool:
    """Whether every program that unpacks the zip finds the evidence in it that is read here, and nothing beside it."""
    # A name may be followed by NUL and more, or have another one for those who read Unicode: these are the bytes.
    if sorted(each.orig_filename for each in members) != _ZIP_NAMES:
        return False
    return min(each.header_offset for each in members) == 0 and all(
        each.filename == each.orig_filename
        and stat.S_IFMT(each.external_attr >> 16) in (0, stat.S_IFREG)
        and not each.external_attr & _MSDOS_FOLDER
        and not each.flag_bits & _ENCRYPTED
        and each.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        for each in members
    )


def read_keys(keys: Iterable[str]) -> list[Verifier]:
    """Each of `keys` is a vkey, or the path of a file with one a line (blank lines and `#` are passed over).

    Raises `Unusable`.
    """
    found = []
    for key in keys:
        try:
            found.append(Verifier.parse(key.strip()))
            continue
        except BadKey as error:
            fault = error
        try:
            with Path(key).open("rb") as file:
                lines = [line.strip() for line in file.read(_MAX_KEY_FILE_BYTES).decode().split("\n")]
            found += [Verifier.parse(line) for line in lines if line and not line.startswith("#")]
        except BadKey as error:
            raise Unusable(f"the key file {key}: {error}") from None
        except (OSError, ValueError):
            raise Unusable(f"the key {key!r} is neither a file nor a key: {fault}") from None
    if not found:
        raise Unusable("no key was given: without one that you trust a file can only prove itself")
    return found


def read_checkpoint(path: Path) -> bytes:
    """A note that was kept. Raises `Unusable` where there is none to read."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_NOTE_BYTES + 1)
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror or error}") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    escape_unprintable()
    chosen = _parser().parse_args(arguments)
    progress = _Progress()
    try:
        keys = read_keys(chosen.key)
        after = None if chosen.after is None else read_checkpoint(chosen.after)
        with open_evidence(chosen.file) as file:
            report = evidence_verifier_verify(
                file,
                keys,
                after=after,
                accept_withheld=chosen.accept_withheld,
                accept_hidden=chosen.accept_hidden,
                progress=progress,
            )
    except Unusable as error:
        sys.stderr.write(f"{error}\n")
        return 2
    finally:
        progress.close()
    sys.stdout.write(json.dumps(report.to_json(), indent=2) + "\n" if chosen.json else str(report))
    return report.exit_code


def escape_unprintable() -> None:
    """What a terminal has no characters for must not end the verification."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Verify an evidence file offline, against keys that you trust.",
        epilog="Exit code 0: proven; 1: contradicted; 2: not proven, or it could not be tried.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the zip as it came, or evidence.jsonl")
    parser.add_argument(
        "--key",
        action="append",
        required=True,
        metavar="VKEY",
        help="the ledger's public key, or a file with keys; from elsewhere than the evidence. Can be repeated",
    )
    parser.add_argument(
        "--after", type=Path, metavar="CHECKPOINT", help="a checkpoint kept earlier, which the ledger has to continue"
    )
    parser.add_argument(
        "--accept-withheld", action="store_true", help="personal parts may be missing without a recorded erasure"
    )
    parser.add_argument(
        "--accept-hidden", action="store_true", help="entries outside of the filter may be there as hashes only"
    )
    parser.add_argument("--json", action="store_true", help="the report as a JSON object")
    return parser


class _Progress:
    """Says on stderr how far it is, when that takes long."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _PATIENCE
        self._is_shown = False

    def __call__(self, done: int, entries: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _PATIENCE
            self._is_shown = True
            sys.stderr.write(f"\r{done:,} of {entries:,} entries")
            sys.stderr.flush()

    def close(self) -> None:
        if self._is_shown:
            sys.stderr.write("\n")
            self._is_shown = False


if __name__ == "__main__":
    sys.exit(main())
