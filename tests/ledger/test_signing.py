"""The signing key: it is read in two spellings, signs what verifies, and is not shown by anything."""

from __future__ import annotations

import pickle
import traceback
from base64 import b64decode, b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from indelible.ledger import ed25519 as plain
from indelible.ledger.checkpoint import Checkpoint, open_checkpoint
from indelible.ledger.note import BadKey, BadNote
from indelible.ledger.signing import SigningKey, quick_verify, sign_checkpoint

# RFC 8410 section 10.3, in the form of `openssl genpkey -algorithm ed25519`.
SECRET = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC"
PEM = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"
PUBLIC = b64decode("MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=")[-32:]


@pytest.mark.parametrize("text", [PEM, SECRET, f"  {SECRET}\n", PEM.replace("\n", "\r\n")])
def test_a_key_is_read_as_openssl_writes_it(text: str) -> None:
    key = SigningKey.parse(text)
    assert key.public_key == PUBLIC
    assert key.pem() == PEM


def test_a_key_signs_what_both_verifiers_take() -> None:
    key = SigningKey.generate()
    assert key.public_key != SigningKey.generate().public_key
    signature = key.sign(b"text")
    for verify in (quick_verify, plain.verify):
        assert verify(key.public_key, b"text", signature)
        assert not verify(key.public_key, b"texts", signature)
        assert not verify(key.public_key, b"text", signature[:-1])
        assert not verify(key.public_key[:-1], b"text", signature)
        assert not verify(b"\xff" * 32, b"text", signature)
    assert SigningKey.parse(key.pem()).public_key == key.public_key


def test_a_checkpoint_has_a_line_for_each_key() -> None:
    """Two while one key follows another: who has pinned either of them can read it."""
    keys = [SigningKey.generate(), SigningKey.generate()]
    statement = Checkpoint("host.example/ledger", 5, bytes(32))
    signed = sign_checkpoint(statement, keys)
    assert signed.count("\n— host.example/ledger ") == 2
    for key in keys:
        verifier = key.verifier("host.example/ledger")
        assert open_checkpoint(signed.encode(), [verifier]) == (statement, (verifier,))
    with pytest.raises(BadNote):
        sign_checkpoint(statement, [])
    with pytest.raises(BadKey):
        keys[0].verifier("two words")


def _der(key: ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey | x25519.X25519PrivateKey) -> str:
    return b64encode(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()


def _encrypted() -> str:
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")).decode()


def _openssh() -> str:
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def _public() -> str:
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "not a private key"),
        ("\n", "not a private key"),
        ("secret", "not a private key"),
        ("/etc/indelible/key.pem", "not a private key"),
        (SECRET[:-4], "not a private key"),
        (SECRET[:30] + "\n" + SECRET[30:], "not a private key"),
        (SECRET + "\ud800", "not a private key"),
        (PEM + "\ud800", "not a private key"),
        (PEM.replace("\n", "\\n"), "not a private key"),
        (PEM.replace("MC4C", "MC5C"), "not a private key"),
        (b64encode(bytes(32)).decode(), "not a private key"),
        (_public(), "not a private key"),
        (_openssh(), "not a private key"),
        (_encrypted(), "encrypted with a password"),
        (_der(ec.generate_private_key(ec.SECP256R1())), "not an Ed25519 key"),
        (_der(x25519.X25519PrivateKey.generate()), "not an Ed25519 key"),
        (_der(ed448.Ed448PrivateKey.generate()), "not an Ed25519 key"),
    ],
    ids=lambda value: value[:24] if value.startswith("not") else "",
)
def test_any_other_text_is_refused_with_the_fix_and_not_quoted(text: str, what: str) -> None:
    with pytest.raises(BadKey, match=what) as refusal:
        SigningKey.parse(text)
    assert "openssl genpkey -algorithm ed25519" in str(refusal.value)
    shown = "".join(traceback.format_exception(refusal.value)) + repr(refusal.value)
    for line in text.split():
        assert len(line) < 12 or line not in shown


def test_nothing_shows_the_secret() -> None:
    key = SigningKey.parse(PEM)
    seed = b64decode(SECRET)[-32:]
    for shown in (repr(key), str(key), f"{key}", repr([key]), repr({"key": key})):
        assert PUBLIC.hex() in shown
        assert SECRET not in shown
        assert seed.hex() not in shown
    with pytest.raises((TypeError, pickle.PicklingError)):
        pickle.dumps(key)
    assert not hasattr(key, "__dict__")
