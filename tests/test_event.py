"""The event model: what is taken, what is refused and where the refusal points, and which secrets are never kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from indelible.event import (
    MASK,
    MAX_DEPTH,
    MAX_EVENT_BYTES,
    Actor,
    Change,
    Context,
    Event,
    Impersonator,
    InvalidEvent,
    Target,
    check_time,
    dump,
    mask_secrets,
    parse,
)

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ID = "0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90"


def with_fields(**fields: object) -> dict[str, object]:
    return {"tenant_id": "acme", "action": "user.joined", "actor": {"type": "user"}, **fields}


def taken(**fields: object) -> Event:
    return parse(json.dumps(with_fields(**fields)).encode())


def raw(fields: bytes) -> bytes:
    """An event with `fields` spelled exactly so."""
    return b'{"tenant_id":"acme","action":"user.joined","actor":{"type":"user"},' + fields + b"}"


def refusal(data: object) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        parse(data if isinstance(data, bytes) else json.dumps(data).encode())
    return caught.value


def test_an_event_is_read_whole() -> None:
    """Every field of the documented example arrives where it belongs."""
    event = taken(
        id=ID,
        occurred_at="2026-11-21T09:30:00.123Z",
        actor={"type": "user", "id": "usr_7", "name": "Sarah Chen", "email": "sarah@acme.example",
               "impersonator": {"id": "sup_3", "name": "Ada", "email": "ada@vendor.example", "reason": "ticket 4512"}},
        targets=[{"type": "user", "id": "usr_9", "name": "Alex Roman"}],
        changes={"role": {"from": "member", "to": "admin"}, "nickname": {"to": None}},
        outcome="denied",
        source="admin_panel",
        context={"ip_address": "no address at all", "user_agent": "curl", "request_id": "r", "session_id": "s"},
        metadata={"ticket": "4512", "lines": [1, 2.5, None, True]},
    )  # fmt: skip
    assert event == Event(
        tenant_id="acme",
        action="user.joined",
        id=UUID(ID),
        occurred_at=datetime(2026, 11, 21, 9, 30, 0, 123000, UTC),
        actor=Actor("user", "usr_7", "Sarah Chen", "sarah@acme.example",
                    Impersonator("sup_3", "Ada", "ada@vendor.example", "ticket 4512")),
        targets=[Target("user", "usr_9", "Alex Roman")],
        changes={"role": Change("member", "admin"), "nickname": Change(to=None)},
        outcome="denied",
        source="admin_panel",
        context=Context("no address at all", "curl", "r", "s"),
        metadata={"ticket": "4512", "lines": [1, 2.5, None, True]},
    )  # fmt: skip


def test_what_is_absent_has_its_documented_default() -> None:
    event = taken()
    assert (event.id, event.occurred_at, event.targets, event.changes, event.metadata) == (None, None, [], {}, {})
    assert (event.outcome, event.source, event.context) == ("success", "api", Context())


IS_UUID = "must be a UUID, such as"
IS_TIME = "must be an RFC 3339 time with an offset, such as"
IS_TENANT = "must be 1 to 128 letters, digits or"
UNKNOWN = "is no field of an event; put what is your own under metadata"


@pytest.mark.parametrize(
    ("fields", "pointer", "detail"),
    [
        ({"tenant_id": 5}, "/tenant_id", IS_TENANT),
        ({"tenant_id": None}, "/tenant_id", IS_TENANT),
        ({"tenant_id": ""}, "/tenant_id", IS_TENANT),
        ({"tenant_id": "-a"}, "/tenant_id", IS_TENANT),
        ({"tenant_id": "a b"}, "/tenant_id", IS_TENANT),
        ({"tenant_id": "acme\n"}, "/tenant_id", IS_TENANT),
        ({"tenant_id": "a\0"}, "/tenant_id", IS_TENANT),
        ({"tenant_id": "café"}, "/tenant_id", IS_TENANT),
        ({"tenant_id": "a" * 129}, "/tenant_id", IS_TENANT),
        ({"action": None}, "/action", "must be a text, not null"),
        ({"action": 1}, "/action", "must be a text, not a number"),
        ({"action": ""}, "/action", "must have at least 1 character"),
        ({"action": "a" * 129}, "/action", "must have at most 128 characters"),
        ({"actor": "usr_7"}, "/actor", "must be an object, not a text"),
        ({"actor": {}}, "/actor/type", "is required: one of user, system, api_key"),
        ({"actor": {"type": "robot"}}, "/actor/type", "must be one of user, system, api_key"),
        ({"actor": {"type": None}}, "/actor/type", "must be one of user, system, api_key"),
        ({"actor": {"type": "user", "id": 7}}, "/actor/id", "must be a text, not a number"),
        ({"actor": {"type": "user", "id": ""}}, "/actor/id", "must have at least 1 character"),
        ({"actor": {"type": "user", "role": "x"}}, "/actor/role", UNKNOWN),
        ({"actor": {"type": "user", "impersonator": {"id": 7}}}, "/actor/impersonator/id", "must be a text"),
        ({"actor": {"type": "user", "impersonator": {"why": ""}}}, "/actor/impersonator/why", UNKNOWN),
        ({"targets": {}}, "/targets", "must be a list, not an object"),
        ({"targets": [{"type": "a"}, {"id": "b"}]}, "/targets/1/type", "is required"),
        ({"targets": [{"type": 5}]}, "/targets/0/type", "must be a text, not a number"),
        ({"targets": [{"type": "a"}] * 101}, "/targets", "must have at most 100 items"),
        ({"changes": []}, "/changes", "must be an object, not a list"),
        ({"changes": {"role": "admin"}}, "/changes/role", "must be an object, not a text"),
        ({"changes": {"ok": {"to": 1}, "role": {"old": 1}}}, "/changes/role/old", UNKNOWN),
        ({"changes": {"a/b~c": {"old": 1}}}, "/changes/a~1b~0c/old", UNKNOWN),
        ({"outcome": "good"}, "/outcome", "must be one of success, failure, denied"),
        ({"source": "web"}, "/source", "must be one of ui, admin_panel, api, background"),
        ({"context": {"ip": "::1"}}, "/context/ip", UNKNOWN),
        ({"context": {"ip_address": 5}}, "/context/ip_address", "must be a text, not a number"),
        ({"context": {"user_agent": "x" * 4097}}, "/context/user_agent", "must have at most 4096 characters"),
        ({"metadata": []}, "/metadata", "must be an object, not a list"),
        ({"metadata": None}, "/metadata", "must be an object, not null"),
        ({"id": "7"}, "/id", IS_UUID),
        ({"id": 7}, "/id", IS_UUID),
        ({"id": f"{{{ID}}}"}, "/id", IS_UUID),
        ({"id": f"urn:uuid:{ID}"}, "/id", IS_UUID),
        ({"id": f"{ID} "}, "/id", IS_UUID),
        ({"event_type": "user.joined"}, "/event_type", UNKNOWN),
        ({"a/b": 1}, "/a~1b", UNKNOWN),
    ],
)  # fmt: skip
def test_a_wrong_field_is_refused_by_name(fields: dict[str, Any], pointer: str, detail: str) -> None:
    """The refusal is an RFC 6901 pointer to the field, and a sentence that says what it must be."""
    error = refusal(with_fields(**fields))
    assert (error.code, error.malformed) == ("invalid_event", False)
    assert [e.pointer for e in error.errors] == [pointer]
    assert error.errors[0].detail.startswith(detail)
    assert pointer in str(error)


@pytest.mark.parametrize("field", ["tenant_id", "action", "actor"])
def test_an_event_says_whose_what_and_who(field: str) -> None:
    fields = with_fields()
    del fields[field]
    error = refusal(fields)
    assert [(e.pointer, e.detail) for e in error.errors] == [(f"/{field}", "is required")]


@pytest.mark.parametrize("value", [[], None, "x", 7, True])
def test_an_event_is_an_object(value: object) -> None:
    error = refusal(value)
    assert (error.code, error.errors[0].pointer) == ("invalid_event", "")
    assert error.errors[0].detail.startswith("must be an object, not ")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xef\xbb\xbf" + json.dumps(with_fields()).encode(),
        json.dumps(with_fields()).encode() + b"{}",
        json.dumps(with_fields()).encode("utf-16"),
        raw(b'"metadata":{"n":NaN}'),
        raw(b'"metadata":{"n":Infinity}'),
        raw(b'"metadata":{"n":01}'),
        raw(b'"metadata":{"n":1_000}'),
        raw('"metadata":{"n":１２}'.encode()),
        raw(b'"metadata":{"n":"\xff"}'),
        raw(b'"metadata":{"n":"\xed\xa0\x80"}'),  # a surrogate, spelled in UTF-8
        raw(b'"metadata":{"n":"\x00"}'),
        raw(b'"metadata":{"n":"\t"}'),
        raw(b"'metadata':{}"),
    ],
)
def test_what_is_no_json_is_malformed(data: bytes) -> None:
    error = refusal(data)
    assert (error.code, error.malformed) == ("malformed_json", True)
    assert error.errors[0].detail.startswith("is not valid JSON: ")


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"9" * 5000])
def test_a_number_that_no_program_can_hold_is_refused(number: bytes) -> None:
    error = refusal(raw(b'"metadata":{"n":' + number + b"}"))
    assert (error.code, error.errors[0].pointer) == ("invalid_event", "/metadata")
    assert error.errors[0].detail.endswith("out of range")


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"metadata": {"n": "a\0b"}}, "/metadata/n"),
        ({"metadata": {"list": [1, {"deep": "\0"}]}}, "/metadata/list/1/deep"),
        ({"metadata": {"n\0": 1}}, "/metadata/n\\u0000"),
        ({"changes": {"k\0": {"to": 1}}}, "/changes/k\\u0000"),
        ({"changes": {"k": {"from": "\0"}}}, "/changes/k/from"),
        ({"action": "a\0b"}, "/action"),
        ({"actor": {"type": "user", "name": "\0"}}, "/actor/name"),
        ({"targets": [{"type": "a", "id": "\0"}]}, "/targets/0/id"),
        ({"context": {"user_agent": "\0"}}, "/context/user_agent"),
    ],
)
def test_nul_is_refused_wherever_it_stands(fields: dict[str, Any], pointer: str) -> None:
    """PostgreSQL has no place for it, and truncating would change what was said."""
    error = refusal(with_fields(**fields))
    assert [(e.pointer, e.detail) for e in error.errors] == [
        (pointer, "holds the NUL character, which can't be stored")
    ]


@pytest.mark.parametrize("half", [b"\\ud83d", b"\\udc00", b"\\ude00\\ud83d", b"\\ud83d-\\ude00"])
@pytest.mark.parametrize("place", [b'{"n":"%s"}', b'{"%s":1}', b'{"n":[{"deep":"%s"}]}', b'{"n":{"%s":1}}'])
def test_half_a_surrogate_pair_is_refused_wherever_it_stands(half: bytes, place: bytes) -> None:
    """It is no character: UTF-8 cannot hold it, and every later reader would trip over it."""
    error = refusal(raw(b'"metadata":' + place % half))
    assert (error.code, error.malformed) == ("malformed_json", True)
    assert "half of a surrogate pair" in error.errors[0].detail


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800", "😀", "\u2028", "\ufeff", "\x7f", "\\"])
def test_harmless_text_that_looks_dangerous_stays_as_it_is(text: str) -> None:
    assert taken(metadata={"n": text, text: 1}).metadata == {"n": text, text: 1}


def test_32_kib_are_taken_and_not_a_byte_more() -> None:
    empty = len(raw(b'"metadata":{"n":""}'))
    assert parse(raw(b'"metadata":{"n":"' + b"x" * (MAX_EVENT_BYTES - empty) + b'"}')).metadata["n"].startswith("x")
    error = refusal(raw(b'"metadata":{"n":"' + b"x" * (MAX_EVENT_BYTES - empty + 1) + b'"}'))
    assert (error.code, error.errors[0].pointer) == ("event_too_large", "")
    assert error.errors[0].detail == "the event has 32,769 bytes; at most 32,768 are accepted"


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize("where", [b'"metadata":{"n":%s}', b'"changes":{"n":{"to":%s}}'])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 2, 500, 990, 5000])
def test_deep_nesting_is_refused_and_never_exhausts_the_stack(opening: bytes, where: bytes, depth: int) -> None:
    """Just over the limit, near Python's own limit, and far beyond it."""
    nested = opening * depth + b"1" + (b"]" if opening == b"[" else b"}") * depth
    assert "is nested" in refusal(raw(where % nested)).errors[0].detail


def test_nesting_as_people_use_it_is_fine() -> None:
    nested: object = 1
    for _ in range(MAX_DEPTH - 1):
        nested = [nested]
    assert taken(metadata={"n": nested}).metadata == {"n": nested}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-21T09:30:00.123Z", datetime(2026, 11, 21, 9, 30, 0, 123000, UTC)),
        ("2026-11-21T09:30:00Z", NOW),
        ("2026-11-21t09:30:00z", NOW),
        ("2026-11-21T10:30:00+01:00", NOW),
        ("2026-11-21T00:30:00-09:00", NOW),
        ("2026-11-22T09:29:00+23:59", NOW),
        ("2026-11-21T09:30:00-00:00", NOW),
        ("2026-11-21T09:30:00.9999Z", NOW.replace(microsecond=999000)),
        ("2026-11-21T09:30:00.123456789Z", NOW.replace(microsecond=123000)),
        ("2028-02-29T00:00:00Z", datetime(2028, 2, 29, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999Z", datetime(9999, 12, 31, 23, 59, 59, 999000, UTC)),
    ],
)
def test_times_are_kept_in_utc_to_the_millisecond(text: str, moment: datetime) -> None:
    """Cut, not rounded: an event never moves into a second that had not begun."""
    found = taken(occurred_at=text).occurred_at
    assert (found, found and found.tzinfo) == (moment, UTC)


@pytest.mark.parametrize(
    "value",
    ["2026-11-21T09:30:00", "2026-11-21", "2026-11-21T09:30Z", "20261121T093000Z", "2016-12-31T23:59:60Z",
     "2026-11-21T24:00:00Z", "2026-02-29T00:00:00Z", "2026-11-21T09:30:00+24:00", "2026-11-21T09:30:00.Z",
     "2026-11-21T09:30:00,5Z", "+2026-11-21T09:30:00Z", "２026-11-21T09:30:00Z", "now", "", 1700000000, 1.5, True],
)  # fmt: skip
def test_other_spellings_of_a_time_are_refused(value: object) -> None:
    """Naive, dates alone, leap seconds (no clock of ours has them), numbers of an unknown unit."""
    error = refusal(with_fields(occurred_at=value))
    assert [e.pointer for e in error.errors] == ["/occurred_at"]
    assert error.errors[0].detail.startswith(IS_TIME)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_a_time_that_leaves_the_calendar_in_utc_is_refused(text: str) -> None:
    error = refusal(with_fields(occurred_at=text))
    assert (error.code, error.errors[0].pointer) == ("invalid_time", "/occurred_at")
    assert error.errors[0].detail == "is outside the years 1 to 9999"


@pytest.mark.parametrize("spelling", [ID, ID.upper(), ID.replace("-", "")])
def test_an_id_is_the_uuid_and_not_its_spelling(spelling: str) -> None:
    """Otherwise a retry by another library would be another event."""
    assert taken(id=spelling).id == UUID(ID)


@pytest.mark.parametrize(
    ("distance", "history", "pointer"),
    [
        (timedelta(minutes=5), False, None),
        (timedelta(minutes=5, milliseconds=1), False, "/occurred_at"),
        (timedelta(minutes=5, milliseconds=1), True, "/occurred_at"),
        (-timedelta(days=30), False, None),
        (-timedelta(days=30, milliseconds=1), False, "/occurred_at"),
        (-timedelta(days=365 * 2000), True, None),
    ],
)
def test_events_come_from_now_or_with_the_right_to_import(
    distance: timedelta, history: bool, pointer: str | None
) -> None:
    if pointer is None:
        check_time(NOW + distance, NOW, history=history)
        return
    with pytest.raises(InvalidEvent) as caught:
        check_time(NOW + distance, NOW, history=history)
    assert (caught.value.code, caught.value.errors[0].pointer) == ("invalid_time", pointer)
    expected = "5 minutes in the future" if distance > timedelta() else "events:import"
    assert expected in caught.value.errors[0].detail


# --- secrets

SECRET = """password new_password newPassword NewPassword new-password NEW_PASSWORD password2 userPassword1 passwordHash
    db.password db:password password. secret clientSecret mfa_secret token tokens accessToken access_token refreshToken
    OAuthToken password_reset_token jwt bearer Authorization authorization cookie Set-Cookie api_key apiKey apikey
    API-KEY X-Api-Key stripeApiKey api_keys aws_secret_access_key private_key privateKey card_number cardNumber
    creditCardNumber credit_card_number cvv cvc pin otp totp ssn pwd passphrase credentials signing_key""".split()

NO_SECRET = """token_id tokenId token_count password_changed_at passwordPolicy secret_id api_key_id apiKeyName author
    authors authority keyboard monkey key keys pinned shipping spin secretary cardinal card_type cookies_accepted
    compass passed passport tokenizer signatures_count ticket""".split()


@pytest.mark.parametrize("key", SECRET)
def test_a_value_under_a_secrets_name_is_masked(key: str) -> None:
    """In metadata, nested and in lists, and in both sides of a change."""
    event = taken(
        metadata={key: "hunter2", "nested": {"list": [{key: {"a": "hunter2"}}, {key: ["hunter2"]}, {key: 1234}]}},
        changes={key: {"from": "hunter2", "to": "hunter2"}, "settings": {"from": {key: "hunter2"}, "to": [{key: 1}]}},
    )
    assert event.metadata == {key: MASK, "nested": {"list": [{key: MASK}, {key: MASK}, {key: MASK}]}}
    assert event.changes == {key: Change(MASK, MASK), "settings": Change({key: MASK}, [{key: MASK}])}
    assert b"hunter2" not in dump(event)


@pytest.mark.parametrize("key", NO_SECRET)
def test_a_value_that_only_speaks_of_secrets_is_kept(key: str) -> None:
    """A mask where nothing is secret would take evidence away."""
    event = taken(metadata={key: "kept"}, changes={key: {"from": "kept", "to": "too"}})
    assert event.metadata == {key: "kept"}
    assert event.changes == {key: Change("kept", "too")}


def test_that_a_secret_is_set_is_no_secret() -> None:
    """Booleans and null stay, and a side that was not sent stays absent."""
    event = taken(metadata={"password": True, "token": None}, changes={"secret": {"to": False}, "pin": {"from": None}})
    assert event.metadata == {"password": True, "token": None}
    assert event.changes == {"secret": Change(to=False), "pin": Change(from_=None)}


@pytest.mark.parametrize("spelling", [b"\\u0070assword", b"pass\\u0077ord", b"\\u0050\\u0041\\u0053\\u0053WORD"])
def test_an_escaped_name_is_still_a_name(spelling: bytes) -> None:
    assert b"hunter2" not in dump(parse(raw(b'"metadata":{"' + spelling + b'":"hunter2"}')))


# --- whatever comes in

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
IDENTIFIER = st.none() | TEXT.filter(bool)
EVENTS = st.builds(
    Event,
    tenant_id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@~+-]{0,20}", fullmatch=True),
    action=TEXT.filter(bool),
    actor=st.builds(
        Actor,
        st.sampled_from(["user", "system", "api_key"]),
        IDENTIFIER,
        st.none() | TEXT,
        st.none() | TEXT,
        st.none() | st.builds(Impersonator, IDENTIFIER, st.none() | TEXT, st.none() | TEXT, st.none() | TEXT),
    ),
    id=st.none() | st.uuids(),
    occurred_at=st.none()
    | st.datetimes(timezones=st.just(UTC)).map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000)),
    targets=st.lists(st.builds(Target, TEXT.filter(bool), IDENTIFIER, st.none() | TEXT), max_size=3),
    changes=st.dictionaries(TEXT, st.builds(Change, JSON, JSON) | st.builds(Change, to=JSON), max_size=3),
    outcome=st.sampled_from(["success", "failure", "denied"]),
    source=st.sampled_from(["ui", "admin_panel", "api", "background"]),
    context=st.builds(Context, st.none() | TEXT, st.none() | TEXT, st.none() | TEXT, st.none() | TEXT),
    metadata=st.dictionaries(TEXT, JSON, max_size=3),
)


@given(EVENTS)
def test_an_event_survives_being_written_and_read(event: Event) -> None:
    """The id is the idempotency key: what a client sends twice has to be the same content twice."""
    mask_secrets(event)
    assert parse(dump(event)) == event


@given(st.binary(max_size=200))
@example(b"[" * 20000)
@example(b'{"actor":' * 3000)
@example(b'"\\ud800"')
def test_arbitrary_bytes_are_an_event_or_a_refusal(data: bytes) -> None:
    try:
        parse(data)
    except InvalidEvent as error:
        assert error.errors  # noqa: PT017 - what matters is that nothing else is raised


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from([*Event.__struct_fields__, "from", "to", "a`b", "$", "x - at `$.actor`", "[...]", ""])


@given(st.dictionaries(FIELDS, HOSTILE | st.dictionaries(FIELDS | TEXT, HOSTILE, max_size=3)), st.booleans())
def test_arbitrary_json_is_an_event_or_a_refusal_that_points_somewhere(fields: dict[str, Any], nearly: bool) -> None:
    data = json.dumps(with_fields(**fields) if nearly else fields).encode()
    try:
        event = parse(data)
    except InvalidEvent as error:
        assert error.code in {"invalid_event", "invalid_time", "malformed_json"}  # noqa: PT017 - as above
        assert all(e.pointer == "" or e.pointer.startswith("/") for e in error.errors)  # noqa: PT017
        assert all(e.detail and "\0" not in e.pointer + e.detail for e in error.errors)  # noqa: PT017
    else:
        assert parse(dump(event)) == event


@pytest.mark.parametrize(
    "raw",
    [
        b'{"changes":{"a":null},"metadata":{"b":nope}}',
        b'{"changes":{"a":null},"changes":5}',
        b'{"changes":{"a":null},"metadata":' + b"[" * 20_000,
    ],
)
def test_what_is_wrong_first_is_told_whatever_follows(raw: bytes) -> None:
    with pytest.raises(InvalidEvent) as refused:
        parse(raw)
    assert refused.value.errors[0].pointer == "/changes"
