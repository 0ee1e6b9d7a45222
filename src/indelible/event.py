"""The event: one thing that happened, as the vendor's application logs it.

`Event` is the one model for the wire, the ledger and OpenAPI. `parse` turns untrusted JSON into an
`Event` or raises `InvalidEvent`, which points at each field that is wrong (RFC 6901 pointers).
This module imports nothing of ours, so that the client can install it alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

__all__ = [
    "MASK",
    "MAX_DEPTH",
    "MAX_EVENT_BYTES",
    "Actor",
    "ActorType",
    "Change",
    "Context",
    "Event",
    "FieldError",
    "Impersonator",
    "InvalidEvent",
    "Outcome",
    "Source",
    "Target",
    "check_time",
    "dump",
    "is_tenant_id",
    "mask_secrets",
    "parse",
]

ActorType = Literal["user", "system", "api_key"]
Outcome = Literal["success", "failure", "denied"]
Source = Literal["ui", "admin_panel", "api", "background"]

MAX_EVENT_BYTES = 32 * 1024
"""The largest event accepted, in bytes of JSON as it was sent."""

MAX_AHEAD = timedelta(minutes=5)
"""How far an application's clock may run ahead of ours."""

MAX_AGE = timedelta(days=30)
"""Older events are history and need the scope `events:import`."""

MAX_DEPTH = 64
"""How deeply metadata, or one side of a change, may be nested."""

MASK = "[masked]"
"""What stands in place of a value under a key that names a secret."""

# Identifiers are index keys, and a btree entry holds 2,704 bytes at most: four bytes a character in the worst case.
TenantId = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@~+-]{0,127}\Z",
        description="The customer's id in your application: 1 to 128 letters, digits or . _ : @ ~ + -",
        examples=["acme"],
    ),
]
Action = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        description="What happened: dotted, past tense. Any action is accepted; those in the catalog read best.",
        examples=["user.role_changed"],
    ),
]
Label = Annotated[str, Meta(min_length=1, max_length=128)]
Identifier = Annotated[str, Meta(min_length=1, max_length=256)]
Text = Annotated[str, Meta(max_length=1024)]
Timestamp = Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset; kept in UTC, to the millisecond")]


class Impersonator(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The person of the vendor's staff who acted as the actor."""

    id: Identifier | None = None
    name: Text | None = None
    email: Text | None = None
    reason: Text | None = None


class Actor(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Who did it. Name and e-mail travel with the event, so that it stays readable when the user is gone."""

    type: ActorType
    id: Identifier | None = None
    name: Text | None = None
    email: Text | None = None
    impersonator: Impersonator | None = None


class Target(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What it was done to."""

    type: Label
    id: Identifier | None = None
    name: Text | None = None


class Change(Struct, forbid_unknown_fields=True, omit_defaults=True, rename={"from_": "from"}):
    """One field's value before and after; a side that was not sent stays absent."""

    from_: Any | UnsetType = UNSET
    to: Any | UnsetType = UNSET


class Context(Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """Where it came from. An `ip_address` that is none is kept as it was given."""

    ip_address: Text | None = None
    user_agent: Annotated[str, Meta(max_length=4096)] | None = None
    request_id: Text | None = None
    session_id: Text | None = None


_NO_CONTEXT = Context()


class Event(Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One thing that happened."""

    tenant_id: TenantId
    action: Action
    actor: Actor
    id: Annotated[UUID, Meta(description="The idempotency key; a UUIDv7 is made if absent")] | None = None
    occurred_at: Timestamp | None = None
    targets: Annotated[list[Target], Meta(max_length=100, description="The first one is the primary target")] = []
    changes: dict[str, Change] = {}
    outcome: Outcome = "success"
    source: Source = "api"
    context: Context = _NO_CONTEXT
    metadata: dict[str, Any] = {}


class FieldError(Struct, frozen=True):
    """One thing wrong with an event: `pointer` is an RFC 6901 JSON pointer into it, "" for the whole."""

    pointer: str
    detail: str


class InvalidEvent(ValueError):
    """The event is refused. `code` is stable; `malformed` says that it was not even JSON."""

    def __init__(self, code: str, *errors: FieldError, malformed: bool = False) -> None:
        super().__init__("; ".join(f"{e.pointer or 'event'}: {e.detail}" for e in errors))
        self.code = code
        self.errors = errors
        self.malformed = malformed


_decoder = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()


def is_tenant_id(text: str) -> bool:
    try:
        msgspec.convert(text, TenantId)
    except msgspec.ValidationError:
        return False
    return True


def parse(raw: bytes | memoryview) -> Event:
    """The event in `raw` (JSON, UTF-8), its secrets masked and its time in UTC milliseconds.

    Raises `InvalidEvent`. Whether `occurred_at` is acceptable depends on the caller's scopes: see `check_time`.
    """
    if len(raw) > MAX_EVENT_BYTES:
        raise InvalidEvent(
            "event_too_large",
            FieldError("", f"the event has {len(raw):,} bytes; at most {MAX_EVENT_BYTES:,} are accepted"),
        )
    raw = bytes(raw)
    event = _decode(raw)
    if event.context == _NO_CONTEXT:
        event.context = _NO_CONTEXT  # {} and nothing are the same content
    if event.occurred_at is not None:
        event.occurred_at = _utc_milliseconds(event.occurred_at)
    if event.metadata or event.changes:
        mask_secrets(event)  # first: it refuses what is nested too deeply for the rest
    if b"\\u" in raw:
        _refuse_unstorable(raw)
    return event


def dump(event: Event) -> bytes:
    """The event as JSON, without what was not given: the inverse of `parse`."""
    return _encoder.encode(event)


def check_time(occurred_at: datetime, now: datetime, *, history: bool = False) -> None:
    """Raises `InvalidEvent` where `occurred_at` lies too far ahead of `now`, or too far back unless `history`."""
    if occurred_at > now + MAX_AHEAD:
        detail = "lies more than 5 minutes in the future; check the clock and the offset of the sender"
    elif not history and occurred_at < now - MAX_AGE:
        detail = "is more than 30 days old; importing history needs a key with the scope events:import"
    else:
        return
    raise InvalidEvent("invalid_time", FieldError("/occurred_at", detail))


def _decode(raw: bytes) -> Event:
    try:
        return _decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise InvalidEvent("invalid_event", _explain(str(error), raw)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidEvent("malformed_json", FieldError("", _why_malformed(raw, error)), malformed=True) from None
    except RecursionError:
        raise _too_deep() from None


def _too_deep() -> InvalidEvent:
    return InvalidEvent("malformed_json", FieldError("", f"is nested more than {MAX_DEPTH} deep"), malformed=True)


def _why_malformed(raw: bytes, error: Exception) -> str:
    if re.search(rb"\\u[dD][89a-fA-F]", raw):
        return "is not valid JSON: it holds half of a surrogate pair, which is no character"
    return f"is not valid JSON: {error}"


def _utc_milliseconds(moment: datetime) -> datetime:
    if moment.tzinfo is not UTC:
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:
            raise InvalidEvent("invalid_time", FieldError("/occurred_at", "is outside the years 1 to 9999")) from None
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


# --- what is wrong, in words that point at the field

_ENUMS: Mapping[str, tuple[str, ...]] = {
    "/actor/type": get_args(ActorType),
    "/outcome": get_args(Outcome),
    "/source": get_args(Source),
}
_FORMATS = {
    "/tenant_id": "must be 1 to 128 letters, digits or . _ : @ ~ + - and start with a letter or digit",
    "/occurred_at": "must be an RFC 3339 time with an offset, such as 2026-11-21T09:30:00.123Z",
    "/id": "must be a UUID, such as 0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90",
}


def _explain(message: str, raw: bytes) -> FieldError:
    """msgspec's message, as a pointer and a sentence that says what to do."""
    text, _, path = message.partition(" - at `")
    pointer = _pointer(path.rstrip("`"), raw)
    if match := re.fullmatch(r"Object (missing required|contains unknown) field `(.*)`", text, re.DOTALL):
        pointer = f"{pointer}/{_escape(match[2])}"
        if match[1] == "missing required":
            return FieldError(pointer, "is required" + _allowed(pointer))
        return FieldError(pointer, "is no field of an event; put what is your own under metadata")
    if pointer in _ENUMS:
        return FieldError(pointer, "must be" + _allowed(pointer).removeprefix(":"))
    if pointer in _FORMATS:
        return FieldError(pointer, _FORMATS[pointer])
    return FieldError(pointer, _in_words(text))


_KINDS = {
    "object": "an object", "array": "a list", "str": "a text", "int": "a number", "float": "a number",
    "bool": "true or false", "null": "null",
}  # fmt: skip


def _in_words(text: str) -> str:
    """What msgspec expected, without the names that Python has for it."""
    if match := re.fullmatch(r"Expected `(\w+)(?: \| null)?`, got `(\w+)`", text):
        return f"must be {_KINDS.get(match[1], match[1])}, not {_KINDS.get(match[2], match[2])}"
    if match := re.fullmatch(r"Expected `(\w+)(?: \| null)?` of length ([<>])= (\d+)", text):
        unit = "item" if match[1] == "array" else "character"
        bound = "at least" if match[2] == ">" else "at most"
        return f"must have {bound} {match[3]} {unit}{'' if match[3] == '1' else 's'}"
    return text[:1].lower() + text[1:]


def _allowed(pointer: str) -> str:
    values = _ENUMS.get(pointer)
    return f": one of {', '.join(values)}" if values else ""


def _pointer(path: str, raw: bytes) -> str:
    """`$.targets[0].type` as `/targets/0/type`; a `[...]` (some key of a mapping) is looked up in the JSON."""
    parts = re.findall(r"\.([A-Za-z_]\w*)|\[(\d+|\.\.\.)\]", path)
    tokens = [name or index for name, index in parts]
    if "..." in tokens:
        at = tokens.index("...")
        tokens = [*tokens[:at], *_first_bad_change(raw), *tokens[at + 1 :]] if tokens[0] == "changes" else tokens[:at]
    return "".join(f"/{_escape(t)}" for t in tokens)


def _first_bad_change(raw: bytes) -> list[str]:
    """The key of `changes` whose value is wrong; msgspec names the keys of a mapping only `[...]`."""
    try:
        changes = msgspec.json.decode(raw)["changes"]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []  # more is wrong behind it, and this was reported first
    if not isinstance(changes, dict):
        return []  # another `changes` behind it
    for key, value in changes.items():
        try:
            msgspec.convert(value, Change)
        except msgspec.ValidationError:
            return [key]
    return []


def _escape(token: str) -> str:
    return token.replace("~", "~0").replace("/", "~1")


def _refuse_unstorable(raw: bytes) -> None:
    """PostgreSQL's text has no NUL, and UTF-8 no lone surrogate; neither carries meaning in a log."""
    for pointer, text in _strings(msgspec.json.decode(raw), ""):
        if "\0" in text:
            raise InvalidEvent("invalid_event", FieldError(pointer, "holds the NUL character, which can't be stored"))


def _strings(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, dict):
        for key, item in value.items():
            here = f"{pointer}/{_escape(key)}"
            yield here.replace("\0", "\\u0000"), key
            yield from _strings(item, here)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, f"{pointer}/{index}")


# --- secrets

# A key names a secret when its last word does (`new_password`, `stripeApiKey`), not when the secret is
# only spoken of (`token_id`, `password_changed_at`).
_SECRET_WORDS = frozenset(
    "authorization bearer cookie cookies credential credentials csc cvc cvv jwt otp passcode passphrase passwd "
    "password passwords pin pwd secret secrets signature token tokens totp".split()
)
_SECRET_PAIRS = frozenset(
    "accesskey accesskeys apikey apikeys apisecret authheader backupcodes cardno cardnumber ccnumber creditcard "
    "debitcard encryptionkey passwordhash privatekey recoverycode recoverycodes secretkey securitycode sessionkey "
    "setcookie signingkey socialsecurity socialsecuritynumber sshkey ssn".split()
)
_MAX_NAME = 64
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def _names_secret(key: str) -> bool:
    return _short_key_names_secret(key[-_MAX_NAME:])  # the end decides; and the cache stays small


@lru_cache(maxsize=4096)
def _short_key_names_secret(key: str) -> bool:
    words = [w.lower() for w in _WORD.findall(key)]  # digits are no word: password2 names one too
    return bool(words) and (
        words[-1] in _SECRET_WORDS
        or "".join(words) in _SECRET_PAIRS
        or "".join(words[-2:]) in _SECRET_PAIRS
        or "".join(words[-3:]) in _SECRET_PAIRS
    )


def mask_secrets(event: Event) -> None:
    """Replaces, in place, each value under a key of `metadata` or `changes` that names a secret by `MASK`.

    Booleans and nulls stay: that a secret is set says nothing of it.
    """
    event.metadata = _masked(event.metadata)
    for key, change in event.changes.items():
        if _names_secret(key):
            change.from_, change.to = _hidden(change.from_), _hidden(change.to)
        else:
            change.from_, change.to = _masked(change.from_), _masked(change.to)


def _masked(value: Any, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise _too_deep()
    if isinstance(value, dict):
        return {k: _hidden(v) if _names_secret(k) else _masked(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list):
        return [_masked(item, depth + 1) for item in value]
    return value


def _hidden(value: Any) -> Any:
    return value if value is None or value is UNSET or isinstance(value, bool) else MASK
