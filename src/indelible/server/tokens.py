"""Viewer tokens: JWTs (RFC 7519) by which one person reads one tenant's log for a quarter of an hour, in a browser.

Made and read with one algorithm, HMAC-SHA256, and a secret from outside of the database (RFC 8725).
"""

import hmac
import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal
from uuid import UUID

import jwt
import msgspec
from msgspec import Struct

from indelible.ledger import base64url
from indelible.settings import Settings, SettingsError
from indelible.store.view import Column

__all__ = ["MAX_LIFETIME", "MAX_TOKEN", "BadToken", "Claims", "ViewerRole", "ViewerTokens", "viewer_secrets"]

MAX_LIFETIME: Final = 900
"""Seconds."""

MAX_TOKEN: Final = 4096
"""Characters: what every proxy takes in a header."""

ViewerRole = Literal["admin", "member"]

_TYPE: Final = "indelible-viewer+jwt"
_ALGORITHM: Final = "HS256"
_ISSUER: Final = "indelible"
_LEEWAY: Final = 30
"""Seconds that the clocks of two hosts may differ by. A token ends when it ends, though."""

_NOT_OURS = "the token is not one of this installation, or not whole; have your backend ask for another"
_ELSEWHERE = "the token is for another installation, which has the same secret; give each its own"
_TOO_EARLY = "the token is not valid yet; do the clocks of this service's hosts agree?"
_UNKNOWN_CLAIMS = "the token says something that is not known here; have your backend ask for another"

_MAX_FILE = 65536


class Claims(Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What a token says. A claim that is not known here may be a restriction: such a token is refused."""

    iss: str
    iss_key: UUID
    """The API key that it was issued with: the token ends with it."""
    aud: str
    """The installation, by its ledger host."""
    jti: str
    iat: float
    """Seconds since 1970 by PostgreSQL's clock, to the millisecond: revocations go by it."""
    nbf: float
    exp: int
    sub: str
    """The person's id in the vendor's application."""
    tenant: str
    role: ViewerRole
    name: str | None = None
    email: str | None = None
    filter: dict[Column, list[str]] = {}
    """As `View.equal`."""
    zoneinfo: str | None = None
    locale: str | None = None
    can_export: bool = False
    can_manage_keys: bool = False
    can_manage_streams: bool = False
    staff: bool = False
    reason: str | None = None
    """Why the vendor's staff looks."""

    @property
    def issued_at(self) -> datetime:
        return datetime.fromtimestamp(self.iat, UTC)

    @property
    def expires_at(self) -> datetime:
        return datetime.fromtimestamp(self.exp, UTC)


class BadToken(Exception):
    """The token opens nothing; the message says why, and does not quote it."""

    def __init__(self, detail: str, claims: Claims | None = None) -> None:
        super().__init__(detail)
        self.claims = claims
        """What it says, if it is one of ours, and was good once."""


class ViewerTokens:
    """Makes and reads the tokens of one installation."""

    def __init__(self, secrets: Sequence[str], audience: str) -> None:
        """Signs with the first of `secrets`; what was signed with the others is read as well."""
        self._audience = audience
        self._secrets = {_key_id(secret): secret.encode("ascii") for secret in secrets}
        self._kid = _key_id(secrets[0])

    def make(
        self,
        *,
        token_id: str,
        key_id: UUID,
        now: datetime,
        seconds: int,
        not_after: datetime | None = None,
        **said: Any,
    ) -> tuple[str, Claims]:
        """A token, which ends `seconds` after `now`, or sooner where it must not last longer than `not_after`.

        `key_id` is the key's that asks for it, `said` are the claims about the person; `now` is PostgreSQL's.
        """
        issued = math.floor(now.timestamp() * 1000) / 1000
        ends = math.floor(issued) + min(seconds, MAX_LIFETIME)
        if not_after is not None:
            ends = min(ends, math.floor(not_after.timestamp()))
        claims = Claims(
            iss=_ISSUER, iss_key=key_id, aud=self._audience, jti=token_id, iat=issued, nbf=issued, exp=ends, **said
        )  # fmt: skip
        payload: dict[str, Any] = msgspec.to_builtins(claims)
        headers = {"typ": _TYPE, "kid": self._kid}
        return jwt.encode(payload, self._secrets[self._kid], _ALGORITHM, headers), claims

    def read(self, text: str, now: datetime) -> Claims:
        """What the token says. Raises `BadToken`, which tells why only of a token that we signed."""
        # Which claims there are, and of what type, is for `Claims`, and when it ends is checked without leeway.
        payload = self._verified(text)
        try:
            claims = msgspec.convert(_parsed(payload), Claims)
        except (ValueError, RecursionError):
            raise BadToken(_UNKNOWN_CLAIMS) from None
        if not claims.iat < claims.exp <= claims.iat + MAX_LIFETIME or claims.nbf > claims.exp:
            raise BadToken(f"the token is for another time than at most {MAX_LIFETIME} seconds from when it was issued")
        if max(claims.iat, claims.nbf) > now.timestamp() + _LEEWAY:
            raise BadToken(_TOO_EARLY)
        if claims.exp <= now.timestamp():
            raise BadToken("the token has expired; have your backend ask for another", claims)
        return claims

    def _verified(self, text: str) -> bytes:
        """The payload, whose signature is ours. Raises `BadToken`."""
        try:
            if len(text) > MAX_TOKEN:
                raise BadToken(_NOT_OURS)
            # Many texts decode to the same bytes; only the one that we wrote is accepted.
            head, body, signature = text.split(".")
            header, payload = _parsed(base64url.decode(head)), base64url.decode(body)
            base64url.decode(signature)
            jwt.decode(
                text,
                self._secret_of(header),
                algorithms=[_ALGORITHM],
                audience=self._audience,
                issuer=_ISSUER,
                leeway=_LEEWAY,
                options={
                    "require": ["iss", "aud", "sub", "jti", "iat", "nbf", "exp"],
                    "strict_aud": True,
                    "verify_exp": False,
                },
            )
        # These are about claims, which PyJWT looks at once the signature is known to be good.
        except (jwt.InvalidAudienceError, jwt.InvalidIssuerError):
            raise BadToken(
                "the token is for another installation, which has the same secret; give each its own"
            ) from None
        except jwt.ImmatureSignatureError:
            raise BadToken(_TOO_EARLY) from None
        except (
            jwt.MissingRequiredClaimError,
            jwt.InvalidIssuedAtError,
            jwt.exceptions.InvalidSubjectError,
            jwt.exceptions.InvalidJTIError,
        ):
            raise BadToken(_UNKNOWN_CLAIMS) from None
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise BadToken(_NOT_OURS) from None
        return payload

    def _secret_of(self, header: Any) -> bytes:
        # We write no other member, so that none has to be understood: `crit`, `jku`, `jwk`, `x5u` …
        if isinstance(header, dict) and header.keys() == {"alg", "kid", "typ"} and header["typ"] == _TYPE:
            kid = header["kid"]
            if isinstance(kid, str) and (secret := self._secrets.get(kid)) is not None:
                return secret
        raise BadToken(_NOT_OURS)


def viewer_secrets(settings: Settings, warn: Callable[[str], object]) -> tuple[str, ...]:
    """What tokens are signed with, and after it the one before, while a rotation lasts; none where none is set.

    A file that is open to everybody is worth a warning. Raises `SettingsError`, which says all that is wrong.
    """
    found: list[str] = []
    problems: list[str] = []
    given: Mapping[str, tuple[str | None, Path | None]] = {
        "INDELIBLE_VIEWER_SECRET": (settings.viewer_secret, settings.viewer_secret_file),
        "INDELIBLE_OLD_VIEWER_SECRET": (settings.old_viewer_secret, settings.old_viewer_secret_file),
    }
    for name, (text, file) in given.items():
        if text is not None:
            found.append(text)
        elif file is not None:
            try:
                secret, is_open = _read(file)
            except _Unreadable as error:
                problems.append(f"{name}_FILE: {error}")
                continue
            found.append(secret)
            if is_open:
                warn(f"{name}_FILE: every user of this host may read {file}; `chmod 600` ends that")
    if not problems and len(set(found)) < len(found):
        problems.append("INDELIBLE_OLD_VIEWER_SECRET: expected the one before, found the one that signs now")
    if problems:
        raise SettingsError(tuple(problems))
    return tuple(found)


class _Unreadable(Exception):
    pass


def _read(file: Path) -> tuple[str, bool]:
    """The secret, and whether everybody may read its file."""
    try:
        with file.open("rb") as opened:
            data = opened.read(_MAX_FILE)
            is_open = bool(os.fstat(opened.fileno()).st_mode & 0o007)
    except OSError as error:
        raise _Unreadable(f"{file} cannot be read ({error.strerror}); `openssl rand -base64 32` makes one") from None
    secret = data.strip().decode("latin-1")
    if not re.fullmatch(r"[!-~]{32,}", secret):
        raise _Unreadable(
            f"expected at least 32 characters of ASCII without white space in {file}, found {len(secret)} characters, "
            "not shown"
        )
    return secret, is_open


def _key_id(secret: str) -> str:
    """Tells the secrets apart, and tells no more about one than a signature does."""
    return hmac.digest(secret.encode("ascii"), b"indelible: which viewer secret", "sha256")[:6].hex()


def _parsed(data: bytes) -> Any:
    """Raises `ValueError` for what is no JSON, or can be read in two ways."""
    return json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_no_number)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a member occurs twice")
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")
