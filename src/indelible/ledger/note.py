"""Signed notes (c2sp.org/signed-note): a text, and lines that say who signed it. Ed25519 keys only (type 0x01)."""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple, Self

from indelible.ledger import ed25519

__all__ = [
    "MAX_NOTE_BYTES",
    "MAX_SIGNATURES",
    "BadKey",
    "BadNote",
    "Note",
    "Signature",
    "Unsigned",
    "Verifier",
    "WrongSignature",
    "from_base64",
    "is_key_name",
    "open_note",
    "parse",
    "to_base64",
    "write",
]

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
        if not is_key_name(name):
            raise BadKey("a key's name has at least one character, no spaces, no control characters and no plus")
        if not ed25519.is_public_key(public_key):
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
            key = from_base64(encoded)
        except ValueError:
            raise BadKey("the verifier key ends in something that is not base64: it was cut off or altered") from None
        if key[:1] != _ED25519 or len(key) != 33:
            raise BadKey("the verifier key is not of the one kind known here, Ed25519 (type 1)")
        verifier = cls.of(name, key[1:])
        if verifier.key_id.hex() != key_id:
            raise BadKey(f"the verifier key says it is {key_id}, but it is {verifier.key_id.hex()}: it was altered")
        return verifier

    def verify(self, text: bytes, signature: bytes) -> bool:
        return ed25519.verify(self.public_key, text, signature)

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{to_base64(_ED25519 + self.public_key)}"


def parse(data: bytes) -> Note:
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
    if not line.startswith(_DASH) or not space or not is_key_name(name):
        raise BadNote("a signature line of the note is not written as a dash, a name and base64")
    try:
        signature = from_base64(encoded)
    except ValueError:
        raise BadNote(f"the signature of {name} is not base64") from None
    if len(signature) < 5:
        raise BadNote(f"the signature of {name} is too short")
    return Signature(name, signature[:4], signature[4:])


def open_note(data: bytes, verifiers: Sequence[Verifier]) -> tuple[str, tuple[Verifier, ...]]:
    """The text of a note, and which of `verifiers` signed it: at least one.

    Lines of other keys are ignored, as the format asks: cosignatures stand there. Raises `BadNote` for what is no note
    (`WrongSignature`) where a signature of one of `verifiers` is wrong, `Unsigned` where there is none.
    """
    found = parse(data)
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


def write(body: str, signatures: Iterable[tuple[Verifier, bytes]]) -> str:
    """The note of `body`, one line for each signature. Raises `BadNote` for what `parse` would not read so."""
    lines = [f"{_DASH}{v.name} {to_base64(v.key_id + signature)}\n" for v, signature in signatures]
    whole = "".join([body, "\n", *lines])
    try:
        is_read_so = parse(whole.encode()).text == body
    except UnicodeEncodeError:
        is_read_so = False
    if not is_read_so:
        raise BadNote("the text cannot be a note's: it must be text and end with a newline")
    return whole


def is_key_name(name: str) -> bool:
    """Not empty, and without spaces of any script, control characters and plus signs."""
    return _KEY_NAME.fullmatch(name) is not None


def to_base64(data: bytes) -> str:
    """RFC 4648 section 4, with padding, as C2SP's formats have it."""
    return b64encode(data).decode("ascii")


def from_base64(encoded: str) -> bytes:
    """Raises `ValueError` for whatever `to_base64` would not have written."""
    data = b64decode(encoded, validate=True)
    if to_base64(data) != encoded:
        raise ValueError("not canonical base64")
    return data
