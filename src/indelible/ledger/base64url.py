"""Base64url without padding (RFC 4648 section 5), in its one canonical spelling."""

from base64 import urlsafe_b64decode
from binascii import b2a_base64

__all__ = ["decode", "encode", "to_bytes"]


_URLSAFE = bytes.maketrans(b"+/", b"-_")


def encode(data: bytes) -> str:
    return to_bytes(data).decode("ascii")


def to_bytes(data: bytes) -> bytes:
    """The text as ASCII bytes."""
    # binascii rather than base64.urlsafe_b64encode: an append does this a dozen times an event.
    return b2a_base64(data, newline=False).translate(_URLSAFE, b"=")


def decode(text: str) -> bytes:
    """Raises `ValueError` for whatever `encode` would not have written.

    Python's decoder skips characters it does not know and ignores stray bits at the end, so that many
    texts decode to the same bytes; only one of them is accepted here.
    """
    data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if encode(data) != text:
        raise ValueError("not canonical base64url")
    return data
