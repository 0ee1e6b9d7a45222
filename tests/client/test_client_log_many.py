"""Many events at once: each is settled exactly once, whatever happens on the way. Each test runs for both clients."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from indelible import (
    Actor,
    AuthenticationError,
    BatchRefusedError,
    ConflictError,
    Event,
    InvalidEventError,
    ServerError,
    UnavailableError,
    new_event,
)
from indelible.event import parse

if TYPE_CHECKING:
    from tests.client.conftest import Client, Clock, Service

Connect = Callable[..., "Client"]


def events(count: int, **fields: Any) -> list[Event]:
    return [
        new_event("user.created", tenant="acme", actor="system", target=f"user:{n}", **fields) for n in range(count)
    ]


def ids(of: Any) -> list[Any]:
    return [item.id for item in of]


def test_receipts_come_in_the_order_of_the_events(client: Client, service: Service) -> None:
    sent = events(3)
    result = client.log_many(iter(sent))
    assert ids(result.receipts) == ids(sent)
    assert (result.refused, len(result)) == ([], 3)
    result.raise_for_refused()
    assert [request.path for request in service.requests] == ["/api/audit-log/batch"]


def test_no_events_are_no_request(client: Client, service: Service) -> None:
    assert len(client.log_many([])) == 0
    assert service.requests == []


def test_a_request_holds_at_most_a_thousand_events(client: Client, service: Service) -> None:
    sent = events(2001)
    assert ids(client.log_many(sent).receipts) == ids(sent)
    assert [len(body) for body in service.bodies] == [1000, 1000, 1]


def test_a_request_holds_at_most_a_mebibyte(client: Client, service: Service) -> None:
    sent = events(90, metadata={"note": "n" * 30_000})
    assert ids(client.log_many(sent).receipts) == ids(sent)
    assert len(service.requests) == 3
    assert max(len(request.body) for request in service.requests) <= 1 << 20


def test_large_requests_are_compressed_and_small_ones_are_not(client: Client, service: Service) -> None:
    client.log_many(events(1))
    client.log_many(events(100))
    small, large = service.requests
    assert "content-encoding" not in small.headers
    assert large.headers["content-encoding"] == "gzip"
    assert int(large.headers["content-length"]) < len(large.body) / 3


def test_incompressible_events_arrive_too(client: Client, service: Service) -> None:
    sent = [new_event("a", tenant="t", actor="system", metadata={"x": os.urandom(9000).hex()}) for _ in range(5)]
    assert ids(client.log_many(sent).receipts) == ids(sent)
    assert [parse(json.dumps(body).encode()) for body in service.bodies[0]] == sent


def test_a_refusal_is_the_events_own_and_final(client: Client, service: Service) -> None:
    sent = events(4)
    invalid = Event(tenant_id="acme", action="", actor=Actor(type="user"))
    service.then_refuse_items({0: (409, "id_conflict"), 2: (422, "unknown_action"), 3: (500, "internal")})
    result = client.log_many([sent[0], invalid, *sent[1:]])

    assert ids(result.receipts) == [sent[1].id]
    assert [(position, event) for position, event, _ in result.refused] == [
        (0, sent[0]),
        (1, invalid),
        (3, sent[2]),
        (4, sent[3]),
    ]
    errors = [error for _, _, error in result.refused]
    assert [type(error) for error in errors] == [ConflictError, InvalidEventError, InvalidEventError, ServerError]
    assert [error.event for error in errors] == [event for _, event, _ in result.refused]
    assert str(errors[2]) == "no: unknown_action (unknown_action, HTTP 422)"
    assert len(service.bodies[0]) == 4

    with pytest.raises(BatchRefusedError, match=r"4 of 5 events .* position 0: no: id_conflict") as caught:
        result.raise_for_refused()
    assert caught.value.result is result


def test_only_what_could_not_be_taken_yet_is_sent_again(client: Client, service: Service, clock: Clock) -> None:
    sent = events(5)
    service.then_refuse_items({1: (503, "unavailable"), 3: (429, "busy"), 4: (422, "x")}, retry_after="2")
    service.then_refuse_items({1: (503, "unavailable")})
    result = client.log_many(sent)

    assert ids(result.receipts) == ids(sent[:4])
    assert [position for position, _, _ in result.refused] == [4]
    first, second, third = service.bodies
    assert (second, third) == ([first[1], first[3]], [first[3]])
    assert clock.pauses[0] >= 2


def test_a_lost_answer_doubles_nothing(client: Client, service: Service) -> None:
    sent = events(1500)
    service.then_drop()
    assert ids(client.log_many(sent).receipts) == ids(sent)
    assert service.requests[0].body == service.requests[1].body
    assert len(service.ledger) == 1500


def test_an_outage_is_raised_and_loses_sight_of_no_event(connect: Connect, service: Service) -> None:
    """What was taken from the iterable is either in the ledger or in the result, and can be logged again."""
    client = connect(retries=0)
    taken: list[Event] = []

    def source() -> Iterator[Event]:
        for event in events(2500):
            taken.append(event)
            yield event

    service.then_refuse_items({})
    service.then(503, {})
    with pytest.raises(UnavailableError, match="1,000 events not delivered") as caught:
        client.log_many(source())
    result = caught.value.result
    assert result is not None
    assert (len(result.receipts), len(taken)) == (1000, 2000)
    assert ids(result.receipts) + ids(event for _, event, _ in result.refused) == ids(taken)
    assert all(isinstance(error, UnavailableError) for _, _, error in result.refused)


def test_events_that_stay_untakeable_are_an_outage(connect: Connect, service: Service) -> None:
    sent = events(3)
    service.then_refuse_items({1: (503, "unavailable")})
    with pytest.raises(UnavailableError, match="1 event not delivered") as caught:
        connect(retries=0).log_many(sent)
    result = caught.value.result
    assert result is not None
    assert (ids(result.receipts), [r.event.id for r in result.refused]) == ([sent[0].id, sent[2].id], [sent[1].id])


def test_a_wrong_key_is_raised(connect: Connect, service: Service) -> None:
    with pytest.raises(AuthenticationError, match="the key is unknown") as caught:
        connect(key="ind_other").log_many(events(3))
    assert caught.value.result is not None
    assert len(caught.value.result.refused) == 3
    assert len(service.requests) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", {"data": []}, {"data": [{}] * 3}, {"data": "ab"}, [1, 2]])
def test_an_answer_that_does_not_fit_settles_nothing(client: Client, service: Service, body: Any) -> None:
    service.then(207, body)
    with pytest.raises(ServerError, match="not one of Indelible's"):
        client.log_many(events(2))


def test_items_that_are_garbage_are_no_receipts(client: Client, service: Service) -> None:
    sent = events(4)
    other = {"status": 201, "id": str(sent[1].id), "tenant_id": "acme", "seq": 1, "recorded_at": "2026-11-21T09:30:00Z"}
    service.then(207, {"data": [{}, 7, {"status": 201}, {**other, "leaf_hash": "A", "registered": True}]})
    result = client.log_many(sent)
    assert [(position, type(error)) for position, _, error in result.refused] == [(n, ServerError) for n in range(4)]


def test_what_is_no_event_is_a_mistake_in_the_program(client: Client, service: Service) -> None:
    with pytest.raises(TypeError, match="new_event"):
        client.log_many([{"action": "user.created"}])  # type: ignore[list-item]
    assert service.requests == []
