"""Retries over real sockets: no trouble on the way may lose an event, double it or wait for ever. For both clients."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from indelible import UnavailableError

if TYPE_CHECKING:
    from tests.client.conftest import Client, Clock, Service

Connect = Callable[..., "Client"]

EVENT: dict[str, Any] = {"tenant": "acme", "actor": "user:usr_7", "target": "user:usr_9"}


@pytest.mark.parametrize("stored", [True, False], ids=["answer lost", "request lost"])
def test_a_retry_after_a_dropped_connection_sends_the_same_bytes_and_makes_one_event(
    client: Client, service: Service, stored: bool
) -> None:
    service.then_drop(stored=stored)
    service.then_drop(stored=stored)
    receipt = client.log("user.created", **EVENT)

    first, second, third = (request.body for request in service.requests)
    assert first == second == third
    assert list(service.ledger) == [str(receipt.id)]


def test_a_retry_after_a_timeout_makes_one_event(connect: Connect, service: Service) -> None:
    service.then_stall()
    began = time.monotonic()
    receipt = connect(timeout=0.05).log("user.created", **EVENT)
    assert time.monotonic() - began < 2
    assert service.requests[0].body == service.requests[1].body
    assert list(service.ledger) == [str(receipt.id)]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_passing_trouble_is_waited_out(client: Client, service: Service, clock: Clock, status: int) -> None:
    service.then_problem(status, "busy", "try later")
    service.then(status, b"<html>an intermediary's page</html>")
    client.log("user.created", **EVENT)
    assert len(service.requests) == 3
    first, second = clock.pauses
    assert 0.1 <= first <= 0.2 <= second <= 0.4


@pytest.mark.parametrize("asked", ["7", "date"])
def test_retry_after_is_honoured_as_seconds_and_as_a_date(
    client: Client, service: Service, clock: Clock, asked: str
) -> None:
    seven_later = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 8))
    service.then_problem(503, "unavailable", "the store is away", retry_after=seven_later if asked == "date" else asked)
    client.log("user.created", **EVENT)
    [pause] = clock.pauses
    assert 6.5 <= pause <= 8.5


@pytest.mark.parametrize("asked", ["", "soon", "-5", "1e999", "１２", "0", "Thu, 01 Jan 1970 00:00:00 GMT", "9" * 99])
def test_a_senseless_retry_after_does_not_hold_anybody_up(
    client: Client, service: Service, clock: Clock, asked: str
) -> None:
    service.then(503, {}, retry_after=asked.encode().decode("latin-1"))
    client.log("user.created", **EVENT)
    [pause] = clock.pauses
    assert 0 <= pause <= 0.2


def test_when_the_tries_are_used_up_the_error_says_what_is_safe(connect: Connect, service: Service) -> None:
    client = connect(retries=2)
    for _ in range(3):
        service.then_problem(503, "unavailable", "the store is away")
    with pytest.raises(UnavailableError) as caught:
        client.log("user.created", **EVENT)

    error = caught.value
    assert len(service.requests) == 3
    assert error.event is not None
    for words in (str(error.event.id), "3 tries", "the store is away", "unavailable", "is safe"):
        assert words in str(error)
    # The event in the error can be logged, and is the one that was tried.
    client.log(error.event)
    assert len({request.body for request in service.requests}) == 1


def test_the_deadline_bounds_pauses_and_retry_after(connect: Connect, service: Service, clock: Clock) -> None:
    client = connect(retries=1000, deadline=3.0)
    for _ in range(100):
        service.then(503, {})
    with pytest.raises(UnavailableError):
        client.log("user.created", **EVENT)
    assert clock.now <= 3.0
    assert 3 <= len(service.requests) < 15

    clock.pauses.clear()
    service._script.clear()
    service.then(429, {}, retry_after="60")
    with pytest.raises(UnavailableError, match="60 s"):
        client.log("user.created", **EVENT)
    assert clock.pauses == []


def test_nobody_listening_is_unavailable(connect: Connect, service: Service) -> None:
    client = connect(retries=1)
    service.stop()
    with pytest.raises(UnavailableError, match=r"2 tries.*Connect"):
        client.log("user.created", **EVENT)


def test_an_answer_that_can_not_be_read_is_as_good_as_none(client: Client, service: Service) -> None:
    service.then(201, b"not gzip", content_encoding="gzip")
    service.then(201, b"cut", content_length="2000")
    client.log("user.created", **EVENT)
    assert len({request.body for request in service.requests}) == 1
    assert len(service.requests) == 3
