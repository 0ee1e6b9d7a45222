"""Base64url without padding (RFC 4648 section 5), in its one canonical spelling."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

__all__ = ["decode", "encode"]


def encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Raises `ValueError` for whatever `encode` would not have written.

    Python's decoder skips characters it does not know and ignores stray bits at the end, so that many
    texts decode to the same bytes; only one of them is accepted here.
    """
    data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if encode(data) != text:
        raise ValueError("not canonical base64url")
    return data
