"""Viewer tokens against forgers: what this installation did not write, bit for bit, opens nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from indelible.server.tokens import MAX_LIFETIME, MAX_TOKEN, BadToken, Claims, ViewerTokens

SECRET = "of-this-installation-0123456789abcdef"
OLD = "of-this-installation-before-0123456789"
FOREIGN = "of-somebody-else-0123456789abcdefgh"
HOST = "audit.example.com"
ISSUER = UUID("0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90")
NOW = datetime.now(UTC)

TOKENS = ViewerTokens([SECRET], HOST)

NOT_OURS = "not one of this installation"


def made(tokens: ViewerTokens = TOKENS, *, now: datetime = NOW, seconds: int = 600, **said: Any) -> tuple[str, Claims]:
    return tokens.make(
        token_id="t-1",
        key_id=ISSUER,
        now=now,
        seconds=seconds,
        **({"sub": "usr_7", "tenant": "acme", "role": "member"} | said),
    )


def encoded(data: bytes | str | Any) -> str:
    if not isinstance(data, bytes):
        data = (data if isinstance(data, str) else json.dumps(data)).encode("utf-8", "surrogatepass")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header: Any, payload: Any, secret: str = SECRET, digest: str = "sha256") -> str:
    """Any header and payload, under a signature that fits."""
    text = f"{encoded(header)}.{encoded(payload)}"
    return f"{text}.{encoded(hmac.digest(secret.encode(), text.encode(), digest))}"


GOOD, CLAIMS = made()
HEADER: dict[str, Any] = jwt.get_unverified_header(GOOD)
PAYLOAD: dict[str, Any] = jwt.decode(GOOD, options={"verify_signature": False})


def refusal(text: str, tokens: ViewerTokens = TOKENS, now: datetime = NOW) -> str:
    with pytest.raises(BadToken) as refused:
        tokens.read(text, now)
    detail = str(refused.value)
    assert SECRET not in detail
    assert len(text) < 20 or text not in detail
    return detail


def test_what_we_made_we_read() -> None:
    assert TOKENS.read(GOOD, NOW) == CLAIMS
    assert TOKENS.read(signed(HEADER, PAYLOAD), NOW) == CLAIMS  # or nothing below would be a test
    assert {"typ": "indelible-viewer+jwt", "alg": "HS256"}.items() <= HEADER.items()
    assert PAYLOAD["aud"] == HOST
    assert PAYLOAD["exp"] - PAYLOAD["iat"] <= 600


def test_nothing_is_in_a_token_that_nobody_said() -> None:
    assert PAYLOAD.keys() == {"iss", "iss_key", "aud", "jti", "iat", "nbf", "exp", "sub", "tenant", "role"}


# --- the algorithm (RFC 8725 section 3.1)


@pytest.mark.parametrize(
    "alg",
    ["none", "None", "NONE", "nOnE", "none ", "", "HS512", "HS384", "hs256", "HS256 ", None, 256, ["HS256"], {}, True],
)
@pytest.mark.parametrize(
    "signature", ["", pytest.param(GOOD.rsplit(".", 1)[1], id="good"), encoded(b"\0" * 32), "again"]
)
def test_no_other_algorithm(alg: object, signature: str) -> None:
    header = HEADER | {"alg": alg}
    text = f"{encoded(header)}.{encoded(PAYLOAD)}"
    if signature == "again":
        signature = encoded(hmac.digest(SECRET.encode(), text.encode(), "sha256"))
    assert NOT_OURS in refusal(f"{text}.{signature}")


@pytest.mark.parametrize("alg", ["HS384", "HS512"])
def test_not_the_same_secret_with_another_hash(alg: str) -> None:
    text = jwt.encode(PAYLOAD, SECRET * 2, alg, HEADER | {"alg": alg})
    assert NOT_OURS in refusal(text)
    assert NOT_OURS in refusal(
        signed(HEADER | {"alg": alg}, PAYLOAD, digest={"HS384": "sha384", "HS512": "sha512"}[alg])
    )
    assert NOT_OURS in refusal(signed(HEADER, PAYLOAD, digest={"HS384": "sha384", "HS512": "sha512"}[alg]))


def test_no_key_pair_of_whomever() -> None:
    """Nor one's public key as a secret."""
    pairs: dict[str, Any] = {
        "RS256": rsa.generate_private_key(65537, 2048),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
    }
    pairs["PS256"] = pairs["RS256"]
    for alg, key in pairs.items():
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        assert NOT_OURS in refusal(jwt.encode(PAYLOAD, pem, alg, HEADER | {"alg": alg}))
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        assert NOT_OURS in refusal(signed(HEADER, PAYLOAD, secret=public))


# --- the header


@pytest.mark.parametrize(
    "header",
    [
        {name: value for name, value in HEADER.items() if name != "typ"},
        {name: value for name, value in HEADER.items() if name != "kid"},
        HEADER | {"typ": "JWT"},
        HEADER | {"typ": "INDELIBLE-VIEWER+JWT"},
        HEADER | {"typ": None},
        HEADER | {"typ": ["indelible-viewer+jwt"]},
        HEADER | {"kid": None},
        HEADER | {"kid": ""},
        HEADER | {"kid": 0},
        HEADER | {"kid": [HEADER["kid"]]},
        HEADER | {"kid": {"kid": HEADER["kid"]}},
        HEADER | {"kid": "../../../../dev/null"},
        HEADER | {"kid": "' UNION SELECT 'x"},
        HEADER | {"kid": HEADER["kid"] + "\0"},
        HEADER | {"kid": HEADER["kid"].upper() + "x"},
        HEADER | {"crit": ["exp"]},
        HEADER | {"crit": []},
        HEADER | {"b64": False, "crit": ["b64"]},
        HEADER | {"jku": "https://evil.example/keys.json"},
        HEADER | {"jwk": {"kty": "oct", "k": encoded(FOREIGN)}},
        HEADER | {"x5u": "https://evil.example/cert.pem"},
        HEADER | {"x5c": ["MII"]},
        HEADER | {"zip": "DEF"},
        HEADER | {"cty": "JWT"},
        [],
        [HEADER],
        None,
        "HS256",
        json.dumps(HEADER)[:-1] + ', "alg": "HS256"}',
        json.dumps(HEADER)[:-1] + ', "alg": "none"}',
        '{"alg": "none", ' + json.dumps(HEADER)[1:],
        "{",
        "",
        '{"alg":' * 700 + "1" + "}" * 700,
        "[" * 1400,
    ],
)
def test_a_header_that_is_not_exactly_ours(header: object) -> None:
    """Whatever it asks us to fetch, to skip or to take for granted; also under a signature that fits."""
    assert NOT_OURS in refusal(signed(header, PAYLOAD))
    assert NOT_OURS in refusal(signed(header, PAYLOAD, secret=FOREIGN))


# --- the signature


def test_a_signature_of_another_secret() -> None:
    """Also where it says that it is ours, and where it says the truth."""
    assert NOT_OURS in refusal(signed(HEADER, PAYLOAD, secret=FOREIGN))
    foreign, _ = made(ViewerTokens([FOREIGN], HOST))
    assert NOT_OURS in refusal(foreign)
    for secret in ("", " ", SECRET[:-1], SECRET + "0", SECRET.upper()):
        assert NOT_OURS in refusal(signed(HEADER, PAYLOAD, secret=secret))


@pytest.mark.parametrize(
    "claim", [*PAYLOAD, "name", "email", "staff", "can_export", "can_manage_keys", "filter", "locale"]
)
def test_no_claim_can_be_altered(claim: str) -> None:
    altered = PAYLOAD | {claim: "admin" if isinstance(PAYLOAD.get(claim, ""), str) else PAYLOAD[claim] + 1}
    head, _, signature = GOOD.split(".")
    assert NOT_OURS in refusal(f"{head}.{encoded(altered)}.{signature}")
    without = {name: value for name, value in PAYLOAD.items() if name != claim}
    if claim in PAYLOAD:
        assert NOT_OURS in refusal(f"{head}.{encoded(without)}.{signature}")


def test_parts_of_two_tokens_make_none() -> None:
    mine, _ = made(role="member")
    admins, _ = made(role="admin")
    assert NOT_OURS in refusal(".".join([*admins.split(".")[:2], mine.split(".")[2]]))
    assert NOT_OURS in refusal(".".join([mine.split(".")[0], admins.split(".")[1], mine.split(".")[2]]))


@pytest.mark.parametrize(
    "alter",
    [
        lambda t: t.rsplit(".", 1)[0],
        lambda t: t.rsplit(".", 1)[0] + ".",
        lambda t: t[:-1],
        lambda t: t + "=",
        lambda t: t + "A",
        lambda t: t + ".",
        lambda t: "." + t,
        lambda t: t + ".x",
        lambda t: t + "\n",
        lambda t: " " + t,
        lambda t: t.replace(".", "=."),
        lambda t: t.replace(".", "=.", 1),
        lambda t: t.replace(".", " ."),
        lambda t: t.replace("_", "/").replace("-", "+") if "_" in t or "-" in t else t + "+",
        lambda t: t.swapcase(),
        lambda t: t[:40] + "\n" + t[40:],
        lambda t: t[:40] + "\u200b" + t[40:],
        lambda t: t.replace("e", "\u0435"),
        lambda t: "".join(chr(ord(c) + 0xFEE0) if c != "." else c for c in t),
        lambda t: t.replace(".", "\uff0e"),
        lambda t: t + "x" * 100_000,
        lambda _: "..",
        lambda _: "",
        lambda _: "." * 100_000,
    ],
)
def test_only_its_one_spelling(alter: Callable[[str], str]) -> None:
    """Base64 that decodes to the same bytes is another text."""
    assert NOT_OURS in refusal(alter(GOOD))


@given(st.integers(0, len(GOOD) - 1), st.characters(max_codepoint=255))
def test_no_character_can_be_another(at: int, other: str) -> None:
    changed = GOOD[:at] + other + GOOD[at + 1 :]
    if changed != GOOD:
        assert NOT_OURS in refusal(changed)


def test_every_last_character_but_one_is_refused() -> None:
    """Of the last character of each part some bits are to spare."""
    for end in (GOOD.index(".") - 1, GOOD.rindex(".") - 1, len(GOOD) - 1):
        for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
            if other != GOOD[end]:
                assert NOT_OURS in refusal(GOOD[:end] + other + GOOD[end + 1 :])


@given(st.text(max_size=200))
def test_whatever_text_is_refused_and_no_more_than_that(text: str) -> None:
    refusal(text)


@given(st.dictionaries(st.text(max_size=10), st.none() | st.booleans() | st.integers() | st.text(max_size=10)))
def test_whatever_json_is_refused_though_it_is_signed(claims: dict[str, Any]) -> None:
    refusal(signed(HEADER, claims))
    refusal(signed(claims, PAYLOAD))


# --- the claims, under our own signature: a mistake of ours must not open more


@pytest.mark.parametrize("claim", [*PAYLOAD])
@pytest.mark.parametrize("value", [None, [], {}, True, -1, "", 1.5, [PAYLOAD["sub"]], {"a": "b"}])
def test_each_claim_is_of_its_type(claim: str, value: object) -> None:
    if (claim in {"iat", "nbf"} and isinstance(value, float)) or (claim in {"sub", "jti", "tenant"} and value == ""):
        return
    if claim == "nbf" and value == -1:
        return
    refusal(signed(HEADER, PAYLOAD | {claim: value}))


@pytest.mark.parametrize("claim", [*PAYLOAD])
def test_each_claim_has_to_be_there(claim: str) -> None:
    refusal(signed(HEADER, {name: value for name, value in PAYLOAD.items() if name != claim}))


@pytest.mark.parametrize(
    "extra", [{"scope": "events:write"}, {"Role": "admin"}, {"tenant ": "umbra"}, {"can_write": True}]
)
def test_a_claim_that_is_not_known(extra: dict[str, object]) -> None:
    """It may be a restriction."""
    refusal(signed(HEADER, PAYLOAD | extra))


@pytest.mark.parametrize(
    "text",
    [
        '{"role":"admin",' + json.dumps(PAYLOAD)[1:],
        json.dumps(PAYLOAD)[:-1] + ',"role":"admin"}',
        json.dumps(PAYLOAD)[:-1] + ',"\\u0072ole":"admin"}',
        json.dumps(PAYLOAD)[:-1] + ',"filter":{"action":["a"],"action":["b"]}}',
        json.dumps(PAYLOAD).replace(str(PAYLOAD["exp"]), "1e999"),
        json.dumps(PAYLOAD).replace(str(PAYLOAD["exp"]), "NaN"),
        json.dumps(PAYLOAD).replace(str(PAYLOAD["exp"]), "Infinity"),
        json.dumps(PAYLOAD).replace(str(PAYLOAD["exp"]), "9" * 400),
        json.dumps(PAYLOAD).replace(str(PAYLOAD["exp"]), "9" * 2000),
        json.dumps(PAYLOAD).replace(str(PAYLOAD["exp"]), f"{PAYLOAD['exp']}.0"),
        json.dumps(PAYLOAD).replace(str(PAYLOAD["exp"]), f'"{PAYLOAD["exp"]}"'),
        json.dumps(PAYLOAD).replace(str(PAYLOAD["exp"]), '"\uff11\uff12"'),
        json.dumps(PAYLOAD).replace(str(PAYLOAD["iat"]), "1e999"),
        json.dumps(PAYLOAD).replace(str(PAYLOAD["iat"]), "-1e999"),
        json.dumps([PAYLOAD]),
        json.dumps(json.dumps(PAYLOAD)),
        "[" * 1400 + "]" * 1400,
        "null",
        "",
        GOOD,
    ],
)  # fmt: skip
def test_claims_that_can_be_read_in_two_ways_or_none(text: str) -> None:
    refusal(signed(HEADER, text))


def test_a_token_within_a_token_is_none() -> None:
    refusal(signed(HEADER | {"cty": "JWT"}, GOOD))
    refusal(signed(HEADER, PAYLOAD | {"token": GOOD}))


def test_for_another_installation() -> None:
    """Two that were given the same secret must not open each other's ledgers."""
    other, _ = made(ViewerTokens([SECRET], "audit.example.org"))
    assert "another installation" in refusal(other)
    for aud in ([HOST], [HOST, "x"], HOST.upper(), f" {HOST}", "*", "null"):
        refusal(signed(HEADER, PAYLOAD | {"aud": aud}))
    assert "another installation" in refusal(signed(HEADER, PAYLOAD | {"iss": "Indelible"}))


@pytest.mark.parametrize("length", [MAX_TOKEN + 1, 100_000])
def test_a_token_that_is_too_long(length: int) -> None:
    name = "x" * ((length - len(GOOD)) * 3 // 4)
    text = signed(HEADER, PAYLOAD | {"name": name})
    assert len(text) >= length - 4
    started = time.perf_counter()
    assert NOT_OURS in refusal(text + "A" * max(0, MAX_TOKEN + 1 - len(text)))
    assert time.perf_counter() - started < 0.1


# --- time


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_it_ends_when_it_ends() -> None:
    """To the second, without leeway."""
    end = CLAIMS.expires_at
    assert TOKENS.read(GOOD, end - timedelta(milliseconds=1)) == CLAIMS
    assert "expired" in refusal(GOOD, now=end)
    assert "expired" in refusal(GOOD, now=end + timedelta(days=1000))


def test_who_held_an_expired_token_is_known() -> None:
    with pytest.raises(BadToken) as expired:
        TOKENS.read(GOOD, at(10_000))
    assert expired.value.claims == CLAIMS


def test_clocks_of_hosts_differ() -> None:
    """A token that was issued on a host that is ahead is good, half a minute long."""
    ahead, claims = made(now=at(29))
    assert TOKENS.read(ahead, NOW) == claims
    ahead, _ = made(now=at(32))
    assert "clocks" in refusal(ahead)
    behind, claims = made(now=at(-599))
    assert TOKENS.read(behind, NOW) == claims
    assert "clocks" in refusal(signed(HEADER, PAYLOAD | {"nbf": PAYLOAD["nbf"] + 40}))


def test_nothing_lasts_longer_than_a_quarter_of_an_hour() -> None:
    """Even if we signed it."""
    longest, claims = made(seconds=900)
    assert TOKENS.read(longest, NOW) == claims
    _, claims = made(seconds=100_000)
    assert claims.exp - claims.iat <= MAX_LIFETIME
    for payload in (
        PAYLOAD | {"exp": int(PAYLOAD["iat"]) + MAX_LIFETIME + 2},
        PAYLOAD | {"exp": int(PAYLOAD["iat"]) + 10**9},
        PAYLOAD | {"iat": PAYLOAD["iat"] - 1000},
        PAYLOAD | {"exp": int(PAYLOAD["iat"])},
        PAYLOAD | {"exp": int(PAYLOAD["iat"]) - 5},
        PAYLOAD | {"iat": -1e300},
    ):
        refusal(signed(HEADER, payload))


def test_nothing_lasts_longer_than_what_it_was_asked_for_with() -> None:
    _, claims = TOKENS.make(
        token_id="t", key_id=ISSUER, now=NOW, seconds=600, not_after=at(10.9), sub="usr_7", tenant="acme", role="admin"
    )
    assert claims.expires_at <= at(10.9)


def test_the_time_of_issue_has_milliseconds_and_is_not_rounded_up() -> None:
    """A revocation a moment later must cover it."""
    now = NOW.replace(microsecond=999_999)
    _, claims = made(now=now)
    assert now - timedelta(milliseconds=1.1) < claims.issued_at <= now


# --- rotation


def test_the_secret_before_is_good_for_reading_alone() -> None:
    before, claims = made(ViewerTokens([OLD], HOST))
    both = ViewerTokens([SECRET, OLD], HOST)
    assert both.read(before, NOW) == claims
    assert both.read(GOOD, NOW) == CLAIMS
    renewed, claims = made(both)
    assert TOKENS.read(renewed, NOW) == claims
    assert NOT_OURS in refusal(before)
    # Which secret it is says `kid`, and it is no other one then.
    old_kid = jwt.get_unverified_header(before)["kid"]
    assert NOT_OURS in refusal(signed(HEADER | {"kid": old_kid}, PAYLOAD), tokens=both)
    assert NOT_OURS in refusal(signed(HEADER, PAYLOAD, secret=OLD), tokens=both)


def test_what_tells_the_secrets_apart_does_not_tell_them() -> None:
    kid = HEADER["kid"]
    assert kid not in {hashlib.sha256(SECRET.encode()).hexdigest()[: len(kid)], SECRET[: len(kid)]}
    assert jwt.get_unverified_header(made(ViewerTokens([OLD], HOST))[0])["kid"] != kid


# --- who is in it


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
)
def test_names_of_whatever_script_come_through(sub: str, name: str) -> None:
    text, claims = made(sub=sub, name=name)
    assert text.isascii()
    assert TOKENS.read(text, NOW) == claims
    assert (claims.sub, claims.name) == (sub, name)
