"""Logging one event over real sockets: what is sent, and what each answer means. Each test holds for both clients."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import threading
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest

import indelible
from indelible import (
    AsyncAuditLog,
    AuditLog,
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    IndelibleError,
    InvalidEventError,
    ServerError,
    new_event,
)
from indelible.event import dump

if TYPE_CHECKING:
    from tests.client.conftest import Client, Service

Connect = Callable[..., "Client"]

EVENT: dict[str, Any] = {"tenant": "acme", "actor": "user:usr_7", "target": "user:usr_9"}
KEY = "ind_test_0123456789abcdef"


def test_the_receipt_is_the_services(client: Client, service: Service) -> None:
    receipt = client.log("user.role_changed", **EVENT, changes={"role": ("member", "admin")})

    [sent] = service.bodies
    assert sent["changes"] == {"role": {"from": "member", "to": "admin"}}
    assert receipt == indelible.Receipt(
        UUID(sent["id"]), "acme", 1, datetime(2026, 11, 21, 9, 30, 0, 123456, UTC), "A" * 43, True
    )
    assert service.requests[0].headers["content-type"] == "application/json"
    assert service.requests[0].headers["user-agent"] == f"indelible-python/{indelible.__version__}"


def test_an_event_made_before_is_sent_as_it_was_made(client: Client, service: Service) -> None:
    event = new_event("user.created", **EVENT)
    client.log(event)
    assert service.bodies == [json.loads(dump(event))]


def test_logging_the_same_event_again_is_success(client: Client, service: Service) -> None:
    event = new_event("user.created", **EVENT)
    assert client.log(event) == client.log(event)
    assert len(service.ledger) == 1


def test_connections_are_kept(client: Client, service: Service) -> None:
    for _ in range(3):
        client.log("user.created", **EVENT)
    assert len({request.port for request in service.requests}) == 1


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "malformed_json", InvalidEventError),
        (401, "unauthorized", AuthenticationError),
        (403, "forbidden", AuthenticationError),
        (404, "not_found", ServerError),
        (409, "id_conflict", ConflictError),
        (413, "event_too_large", InvalidEventError),
        (422, "invalid_event", InvalidEventError),
        (500, "internal", ServerError),
    ],
)
def test_a_refusal_is_raised_at_once_with_the_services_words(
    client: Client, service: Service, status: int, code: str, kind: type[IndelibleError]
) -> None:
    service.then_problem(status, code, "a reason in words", {"pointer": "/actor/type", "detail": "must be better"})
    with pytest.raises(kind) as caught:
        client.log("user.created", **EVENT)
    error = caught.value
    assert type(error) is kind
    assert len(service.requests) == 1
    assert str(error) == f"a reason in words; /actor/type: must be better ({code}, HTTP {status})"
    assert (error.code, error.status) == (code, status)
    assert [(e.pointer, e.detail) for e in error.errors] == [("/actor/type", "must be better")]
    assert error.event is not None
    assert str(error.event.id) == service.bodies[0]["id"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"id":',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"id":"0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90"}',
    ],
)
def test_garbage_under_a_2xx_is_no_receipt(client: Client, service: Service, body: bytes) -> None:
    service.then(201, body)
    with pytest.raises(ServerError, match="not one of Indelible's") as caught:
        client.log("user.created", **EVENT)
    assert caught.value.code == "unexpected_answer"


def test_a_receipt_for_another_event_is_no_receipt(client: Client, service: Service) -> None:
    other = service.take
    client.log("user.created", **EVENT)
    service.then(*other(service.requests[0]))
    with pytest.raises(ServerError):
        client.log("user.created", **EVENT)


def test_a_redirect_is_not_followed_with_the_key(client: Client, service: Service) -> None:
    service.then(308, {}, location=f"{service.url}/elsewhere?token=x")
    with pytest.raises(ServerError, match=f"redirect to {service.url}/elsewhere;"):
        client.log("user.created", **EVENT)
    assert len(service.requests) == 1


def test_an_invalid_event_never_reaches_the_network(client: Client, service: Service) -> None:
    with pytest.raises(InvalidEventError):
        client.log("user.created", tenant="acme", actor={"type": "robot"})
    assert service.requests == []


# --- the key, and set-up ------------------------------------------------------------------------------------------


def test_the_key_shows_nowhere(connect: Connect, service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = connect(retries=0)
    shown = [repr(client.audit), repr(client.audit._core.config), repr(vars(client.audit._core))]
    for status in (401, 500, 503):
        service.then_problem(status, "x", f"you sent Bearer {KEY}")
        with pytest.raises(IndelibleError) as caught:
            client.log("user.created", **EVENT)
        shown += ["".join(traceback.format_exception(caught.value)), repr(caught.value)]
    shown += [caplog.text]
    assert len(service.requests) == 3
    assert not [text for text in shown if KEY in text]


def test_errors_survive_pickling(client: Client, service: Service) -> None:
    """Task queues carry exceptions between processes."""
    service.then_problem(409, "id_conflict", "taken")
    with pytest.raises(ConflictError) as caught:
        client.log("user.created", **EVENT)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.code, copy.event) == (str(caught.value), "id_conflict", caught.value.event)


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        (None, {}, "INDELIBLE_URL"),
        ("http://h", {"key": ""}, "INDELIBLE_KEY"),
        ("http://h", {"key": "ind_a b"}, "space"),
        ("http://h", {"key": "ind_é"}, "character"),
        ("h:8750", {}, "url must be like"),
        ("ftp://h", {}, "url must be like"),
        ("http://", {}, "url must be like"),
        ("http://h:99999", {}, "url must be like"),
        ("http://[::1", {}, "url must be like"),
        ("http://h h", {}, "url must be like"),
        ("http://h..h", {}, "url must be like"),
        ("http://xn--", {}, "url must be like"),
        ("http://[v1.x]", {}, "url must be like"),
        ("http://user:secret@h", {}, "no user"),
        ("http://h?key=ind_x", {}, "no user, query"),
        ("http://h", {"timeout": 0}, "timeout"),
        ("http://h", {"timeout": None}, "timeout"),
        ("http://h", {"deadline": float("inf")}, "deadline"),
        ("http://h", {"retries": -1}, "retries"),
        ("http://h", {"retries": 1.5}, "retries"),
    ],
)
def test_a_wrong_setup_is_refused_when_it_is_made(
    connect: Connect, url: str | None, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        connect(url, **options)
    assert "secret" not in str(caught.value)


def test_address_and_key_come_from_the_environment(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INDELIBLE_URL", f"{service.url}/")
    monkeypatch.setenv("INDELIBLE_KEY", f"{KEY}\n")
    with AuditLog() as audit:
        assert audit.log("user.created", **EVENT).seq == 1


def test_a_closed_client_says_so(service: Service) -> None:
    with AuditLog(service.url, key=KEY) as audit:
        pass
    with pytest.raises(ConfigurationError, match="is closed"):
        audit.log("user.created", **EVENT)


def test_a_client_of_ones_own_stays_open(service: Service) -> None:
    with httpx.Client() as http:
        with AuditLog(service.url, key=KEY, http_client=http) as audit:
            audit.log("user.created", **EVENT)
        assert not http.is_closed


async def _sixteen_tasks(url: str) -> None:
    async with AsyncAuditLog(url, key=KEY) as audit:
        await asyncio.gather(*(audit.log("user.created", **EVENT) for _ in range(16)))


def test_tasks_share_one_client(service: Service) -> None:
    asyncio.run(_sixteen_tasks(service.url))
    assert len(service.ledger) == 16


def test_threads_share_one_client(service: Service) -> None:
    with AuditLog(service.url, key=KEY) as audit:
        threads = [threading.Thread(target=audit.log, args=("user.created",), kwargs=EVENT) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(service.ledger) == 16
