"""Ed25519 in plain Python: RFC 8032's vectors, `cryptography` beside it, and what is refused on purpose."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from indelible.ledger import ed25519

# RFC 8032 section 7.1: secret key, public key, message, signature.
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").hexdigest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e030"
        "3dca179c138ac17ad9bef1177331a704",
    ),
]

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493

# The eight points of small order, by their y; of those with x != 0 there are two.
SMALL_ORDER_Y = [
    0,
    1,
    P - 1,
    int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
    int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
]


def encoded(y: int, sign: int) -> bytes:
    return (y | sign << 255).to_bytes(32, "little")


def flipped(data: bytes, bit: int) -> bytes:
    return (int.from_bytes(data, "little") ^ 1 << bit).to_bytes(len(data), "little")


def by_cryptography(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@pytest.mark.parametrize(("secret", "public_key", "message", "signature"), VECTORS)
def test_the_vectors_of_rfc_8032(secret: str, public_key: str, message: str, signature: str) -> None:
    key, text, sig = bytes.fromhex(public_key), bytes.fromhex(message), bytes.fromhex(signature)
    assert Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret)).public_key().public_bytes_raw() == key
    assert ed25519.verify(key, text, sig)
    assert not ed25519.verify(key, text + b"\0", sig)
    assert not ed25519.verify(key, text, sig[:-1])
    assert not ed25519.verify(key, text, sig + b"\0")


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.data())
def test_it_says_what_cryptography_says(secret: bytes, message: bytes, data: st.DataObject) -> None:
    """For signatures that are right, and for those with one bit changed in the key, the message or the signature."""
    private = Ed25519PrivateKey.from_private_bytes(secret)
    key, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert ed25519.verify(key, message, signature)
    bit = data.draw(st.integers(0, 767))
    if bit < 256:
        key = flipped(key, bit)
    else:
        signature = flipped(signature, bit - 256)
    assert not ed25519.verify(key, message, signature)
    assert not by_cryptography(key, message, signature)


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=20), st.binary(min_size=64, max_size=64))
def test_random_bytes_are_no_signature(key: bytes, message: bytes, signature: bytes) -> None:
    """OpenSSL takes 64 zero bytes for a signature under 32 zero bytes: a key of small order. That is refused here."""
    assert not ed25519.verify(key, message, signature)
    assert not (by_cryptography(key, message, signature) and ed25519.is_public_key(key))


@given(st.binary(max_size=70), st.binary(max_size=130))
def test_other_lengths_are_refused_and_not_an_error(key: bytes, signature: bytes) -> None:
    if len(key) == 32 and len(signature) == 64:
        signature += b"\0"
    assert not ed25519.verify(key, b"message", signature)
    assert ed25519.is_public_key(key) <= (len(key) == 32)


@pytest.mark.parametrize("times", range(1, 15))
def test_a_signature_is_not_another_one_too(times: int) -> None:
    """S + n*L satisfies the same equation: two signatures of one text, unless S < L is required."""
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    key, signature = private.public_key().public_bytes_raw(), private.sign(b"text")
    scalar = int.from_bytes(signature[32:], "little") + times * ORDER
    other = signature[:32] + scalar.to_bytes(32, "little")
    assert ed25519.verify(key, b"text", signature)
    assert not ed25519.verify(key, b"text", other)
    assert not by_cryptography(key, b"text", other)


@pytest.mark.parametrize("y", SMALL_ORDER_Y)
@pytest.mark.parametrize("sign", [0, 1])
def test_a_key_that_signs_everything_is_refused(y: int, sign: int) -> None:
    """With R and S as here a key of small order satisfies the equation for one message in eight at least."""
    key = encoded(y, sign)
    assert not ed25519.is_public_key(key)
    for message in range(40):
        assert not ed25519.verify(key, b"%d" % message, encoded(1, 0) + bytes(32))


def test_a_point_has_one_encoding() -> None:
    """y and y + p are the same point: a key would have two names, and two key ids."""
    usable = 0
    for y in range(19):
        for sign in (0, 1):
            usable += ed25519.is_public_key(encoded(y, sign))
            assert not ed25519.is_public_key(encoded(y + P, sign))
    assert usable > 4  # so there are points to be encoded otherwise
    for y in (1, P - 1):  # x = 0 has no sign
        assert ed25519._decode(encoded(y, 0))
        assert ed25519._decode(encoded(y, 1)) is None


def test_a_key_with_a_part_of_small_order_is_taken_as_others_take_it() -> None:
    """Such keys are only made on purpose. Verifiers that multiply by eight would differ from those that do not."""
    torsion = next(p for sign in (0, 1) if (p := ed25519._decode(encoded(SMALL_ORDER_Y[3], sign))))
    secret, nonce = 1234567, 7654321
    key = ed25519._encode(ed25519._add(times_base(secret), ed25519._addend(torsion)))
    commitment = ed25519._encode(times_base(nonce))
    verdicts = set()
    for number in range(40):
        message = b"%d" % number
        challenge = int.from_bytes(hashlib.sha512(commitment + key + message).digest(), "little") % ORDER
        signature = commitment + ((nonce + challenge * secret) % ORDER).to_bytes(32, "little")
        verdict = ed25519.verify(key, message, signature)
        assert verdict is by_cryptography(key, message, signature) is (challenge % 8 == 0)
        verdicts.add(verdict)
    assert verdicts == {True, False}


def times_base(scalar: int) -> tuple[int, int, int, int]:
    return ed25519._sum_of_products(scalar, ed25519._BASE_MULTIPLES, 0, ed25519._BASE_MULTIPLES)
