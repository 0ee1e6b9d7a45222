"""Base64url without padding (RFC 4648 section 5), in its one canonical spelling."""

from binascii import a2b_base64, b2a_base64

__all__ = ["decode", "encode", "from_bytes", "to_bytes"]


_URLSAFE = bytes.maketrans(b"+/", b"-_")
_STANDARD = bytes.maketrans(b"-_", b"+/")


# The functions do not call each other: an append and a verification do this a dozen times an event.


def encode(data: bytes) -> str:
    return b2a_base64(data, newline=False).translate(_URLSAFE, b"=").decode("ascii")


def to_bytes(data: bytes) -> bytes:
    """The text as ASCII bytes."""
    return b2a_base64(data, newline=False).translate(_URLSAFE, b"=")


def decode(text: str) -> bytes:
    """Raises `ValueError` for whatever `encode` would not have written."""
    return from_bytes(text.encode("ascii"))


def from_bytes(text: bytes) -> bytes:
    """What the text, ASCII, stands for. Raises `ValueError` for whatever `to_bytes` would not have written.

    Python's decoder skips characters it does not know and ignores stray bits at the end, so that many
    texts decode to the same bytes; only one of them is accepted here.
    """
    data = a2b_base64(text.translate(_STANDARD) + b"=" * (-len(text) % 4))
    if b2a_base64(data, newline=False).translate(_URLSAFE, b"=") != text:
        raise ValueError("not canonical base64url")
    return data
