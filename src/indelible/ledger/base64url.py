"""Base64url without padding (RFC 4648 section 5), in its one canonical spelling."""

from binascii import a2b_base64, b2a_base64

__all__ = ["decode", "encode", "from_bytes", "to_bytes"]


_URLSAFE = bytes.maketrans(b"+/", b"-_")
_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")  # what belongs to the standard alphabet alone is no character here
_PADDING = (b"", b"!", b"==", b"=")  # there is no text of 4n + 1 characters
_LAST = (b"", b"", b"AQgw", b"AEIMQUYcgkosw048")
"""By how many characters there are beyond a multiple of four: those that leave no bit set beyond the last byte."""


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

    Many texts decode to the same bytes, as bits at the end may be to spare; only the one without any is accepted here.
    """
    beyond = len(text) & 3
    if beyond and text[-1] not in _LAST[beyond]:
        raise ValueError("not canonical base64url")
    return a2b_base64(text.translate(_STANDARD) + _PADDING[beyond], strict_mode=True)
