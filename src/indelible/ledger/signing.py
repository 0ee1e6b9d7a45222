"""The key that signs checkpoints. The one module of the ledger that needs more than the standard library."""

from base64 import b64decode
from collections.abc import Sequence
from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

from indelible.ledger import checkpoint, note
from indelible.ledger.note import BadKey

__all__ = ["SigningKey", "quick_verify", "sign_checkpoint"]

_FIX = (
    "write the output of `openssl genpkey -algorithm ed25519` here, "
    "or that of `openssl genpkey -algorithm ed25519 -outform DER | base64 -w0`"
)


class SigningKey:
    """An Ed25519 private key. Neither its text nor any error shows it."""

    __slots__ = ("_private", "public_key")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_key = private.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> Self:
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def parse(cls, text: str) -> Self:
        """PKCS#8, unencrypted: PEM, or the base64 of its DER in one line. Raises `BadKey`, which names the fix."""
        try:
            if "-----BEGIN" in text:
                private = load_pem_private_key(text.encode(), password=None)
            else:
                private = load_der_private_key(b64decode(text.strip(), validate=True), password=None)
        except TypeError:
            raise BadKey(f"the signing key is encrypted with a password; {_FIX}") from None
        except (ValueError, UnsupportedAlgorithm):
            raise BadKey(f"the signing key is not a private key in PKCS#8; {_FIX}") from None
        if not isinstance(private, Ed25519PrivateKey):
            raise BadKey(f"the signing key is not an Ed25519 key; {_FIX}")
        return cls(private)

    def pem(self) -> str:
        """The secret, as `openssl genpkey -algorithm ed25519` writes it."""
        return self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")

    def verifier(self, origin: str) -> note.Verifier:
        """The public key for one ledger: it bears the ledger's name. Raises `BadKey` for a name that cannot be one."""
        return note.Verifier.of(origin, self.public_key)

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)

    def __repr__(self) -> str:
        return f"<SigningKey of the public key {self.public_key.hex()}>"


def sign_checkpoint(statement: checkpoint.Checkpoint, keys: Sequence[SigningKey]) -> str:
    """The signed note, one line for each key. Raises `BadNote` and `BadKey` for what no verifier would read."""
    body = checkpoint.text(statement)
    signed = body.encode()
    return note.write(body, [(key.verifier(statement.origin), key.sign(signed)) for key in keys])


def quick_verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """`ed25519.verify` by way of `cryptography`, which takes keys of small order too: for one's own keys only."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (ValueError, InvalidSignature):
        return False
    return True
