"""Checkpoints, proofs and keys over HTTP: whoever gets them verifies them alone."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from structlog.testing import capture_logs

from indelible.ledger import base64url
from indelible.ledger.checkpoint import Checkpoint, open_checkpoint
from indelible.ledger.note import Verifier
from indelible.ledger.proof import verify_consistency
from indelible.ledger.signing import SigningKey, sign_checkpoint
from indelible.ledger.tlog_proof import verify_tlog_proof
from indelible.ledger.tree import leaf_hash
from indelible.server.problems import describe
from indelible.store.proofs import LedgerAltered
from tests.conftest import Service
from tests.server.conftest import an_event, problem
from tests.signed import leaves_of, origin_of, sign

KEY = SigningKey.generate()
URL = "/api/audit-log"


def log(api: httpx.Client, tenant: str, count: int = 1) -> list[str]:
    answer = api.post(f"{URL}/batch", json=[an_event(tenant) for _ in range(count)])
    assert answer.status_code == 201
    return [item["id"] for item in answer.json()["data"]]


def ask(api: httpx.Client, route: str, tenant: str) -> httpx.Response:
    return api.get(httpx.URL(f"{URL}/{route}").copy_merge_params({"tenant_id": tenant}))


def plain(answer: httpx.Response) -> str:
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8"), answer.text
    return answer.text


def superuser(service: Service, statement: str, *values: object) -> None:
    with psycopg.connect(service.database.admin_url) as connection:
        connection.execute("SET session_replication_role = replica")
        assert connection.execute(statement.encode(), values).rowcount


@pytest.fixture
def verifier(service: Service) -> Callable[[str], Verifier]:
    return lambda tenant: KEY.verifier(origin_of(service.database, tenant))


# --- checkpoints


def test_the_latest_checkpoint_comes_as_it_was_signed(
    service: Service, api: httpx.Client, tenant: str, verifier: Callable[[str], Verifier]
) -> None:
    log(api, tenant, 3)
    for count in (0, 5):
        log(api, tenant, count) if count else None
        stated = sign(service.database, tenant, KEY)
        note = plain(api.get(f"{URL}/checkpoint", params={"tenant_id": tenant}))
        assert open_checkpoint(note.encode(), [verifier(tenant)]) == (stated, (verifier(tenant),))


def test_a_size_gives_the_earliest_checkpoint_that_covers_it(
    service: Service, api: httpx.Client, tenant: str, verifier: Callable[[str], Verifier]
) -> None:
    log(api, tenant, 9)
    for size in (3, 7, 10):
        sign(service.database, tenant, KEY, size)
    for asked, size in ((1, 3), (3, 3), (4, 7), (8, 10), (10, 10)):
        note = plain(api.get(f"{URL}/checkpoint", params={"tenant_id": tenant, "size": asked}))
        assert open_checkpoint(note.encode(), [verifier(tenant)])[0].size == size
    body = problem(api.get(f"{URL}/checkpoint", params={"tenant_id": tenant, "size": 99}), 422, "invalid_parameter")
    assert [error["parameter"] for error in body["errors"]] == ["size"]


@pytest.mark.parametrize("route", ["checkpoint", "consistency?from=1", "consistency?from=1&to=2", "vkeys"])
def test_without_a_ledger_or_a_signature_there_is_no_checkpoint(api: httpx.Client, tenant: str, route: str) -> None:
    problem(ask(api, route, tenant), 404, "no_checkpoint")
    log(api, tenant)
    if not route.startswith("vkeys"):
        body = problem(ask(api, route, tenant), 404, "no_checkpoint")
        assert tenant in body["detail"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda note, _: note.replace("\n3\n", "\n4\n"),
        lambda note, _: note[:-2],
        lambda note, _: note.replace("indelible.local/", "indelible.local/0"),
        lambda _note, stated: sign_checkpoint(Checkpoint(stated.origin, 3, sha256(b"other").digest()), [KEY]),
    ],
    ids=["size", "cut off", "origin", "root"],
)
def test_a_checkpoint_that_was_altered_makes_no_proof(
    service: Service, api: httpx.Client, tenant: str, spoil: Callable[[str, Checkpoint], str]
) -> None:
    event_id, _ = log(api, tenant, 2)
    stated = sign(service.database, tenant, KEY)
    note = sign_checkpoint(stated, [KEY])
    assert stated.size == 3
    assert spoil(note, stated) != note
    superuser(service, "UPDATE indelible.checkpoints SET note = %s WHERE tenant_id = %s", spoil(note, stated), tenant)
    for route in (f"{event_id}/proof", "consistency?from=2"):
        problem(ask(api, route, tenant), 500, "ledger_altered")


def test_a_ledger_whose_newest_entries_were_removed_is_noticed(
    service: Service, api: httpx.Client, tenant: str
) -> None:
    event_id, _ = log(api, tenant, 2)
    superuser(service, "CREATE TABLE public.earlier AS SELECT * FROM indelible.ledgers WHERE tenant_id = %s", tenant)
    log(api, tenant)
    sign(service.database, tenant, KEY)
    superuser(
        service,
        "UPDATE indelible.ledgers l SET (size, head, frontier) = (e.size, e.head, e.frontier) FROM public.earlier e "
        "WHERE e.tenant_id = l.tenant_id",
    )
    with psycopg.connect(service.database.admin_url) as connection:
        connection.execute("DROP TABLE public.earlier")
    for route in ("checkpoint", "consistency?from=1", f"{event_id}/proof"):
        body = problem(ask(api, route, tenant), 500, "ledger_altered")
        assert "indelible verify" in body["detail"]


# --- the proof of an event


def test_an_events_proof_verifies_with_its_entry_and_a_pinned_key(
    service: Service, api: httpx.Client, tenant: str, verifier: Callable[[str], Verifier]
) -> None:
    ids = log(api, tenant, 300)
    stated = sign(service.database, tenant, KEY)
    for number in (0, 41, 254, 255, 299):
        event = api.get(f"{URL}/{ids[number]}", params={"tenant_id": tenant}).json()
        answer = api.get(f"{URL}/{ids[number].upper()}/proof", params={"tenant_id": tenant})
        assert answer.headers["content-disposition"] == f'attachment; filename="{ids[number]}.tlog-proof"'
        leaf = leaf_hash(event["entry"].encode())
        parts, proven = verify_tlog_proof(plain(answer).encode(), leaf, [verifier(tenant)])
        assert (parts.index, proven) == (number + 1, stated)


def test_an_event_that_is_not_signed_yet_is_waited_for(
    service: Service, api: httpx.Client, tenant: str, verifier: Callable[[str], Verifier]
) -> None:
    """The signer is asked by NOTIFY, with the tenant's name."""
    log(api, tenant)
    sign(service.database, tenant, KEY)
    (event_id,) = log(api, tenant)
    asked: list[str] = []
    with psycopg.connect(service.database.url, autocommit=True) as listening:
        listening.execute("LISTEN indelible_sign")

        def signer() -> None:
            for notification in listening.notifies(timeout=5, stop_after=1):
                asked.append(notification.payload)
                sign(service.database, tenant, KEY)

        thread = threading.Thread(target=signer)
        thread.start()
        answer = api.get(f"{URL}/{event_id}/proof", params={"tenant_id": tenant})
        thread.join()
    assert asked == [tenant]
    parts, _ = verify_tlog_proof(plain(answer).encode(), leaves_of(service.database, tenant)[2], [verifier(tenant)])
    assert parts.index == 2


def test_where_nobody_signs_it_is_409_and_says_what_to_look_at(api: httpx.Client, tenant: str) -> None:
    (event_id,) = log(api, tenant)
    begun = time.monotonic()
    answer = api.get(f"{URL}/{event_id}/proof", params={"tenant_id": tenant})
    assert 4 < time.monotonic() - begun < 12
    assert "indelible worker" in problem(answer, 409, "not_yet_signed")["detail"]
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE indelible.events SET entry = replace(encode(entry, 'escape'), 'joined', 'jailed')::bytea WHERE id = %s",
        "UPDATE indelible.events e SET leaf_hash = sha256('x') FROM indelible.events o "
        "WHERE o.id = %s AND e.tenant_id = o.tenant_id AND e.seq = o.seq + 1",
        "DELETE FROM indelible.events e USING indelible.events o "
        "WHERE o.id = %s AND e.tenant_id = o.tenant_id AND e.seq = o.seq + 1",
    ],
    ids=["its entry", "a neighbour's hash", "a neighbour"],
)
def test_an_event_whose_ledger_was_altered_gets_no_proof(
    service: Service, api: httpx.Client, tenant: str, statement: str
) -> None:
    ids = log(api, tenant, 6)
    sign(service.database, tenant, KEY)
    superuser(service, statement, ids[1])
    answer = api.get(f"{URL}/{ids[1]}/proof", params={"tenant_id": tenant})
    assert "indelible verify" in problem(answer, 500, "ledger_altered")["detail"]


def test_an_altered_ledger_is_logged_as_the_worst_there_is() -> None:
    """With the tenant, which the answer need not tell."""
    with capture_logs() as logged:
        answer = describe(LedgerAltered("acme", "two histories"))
    (line,) = logged
    assert (line["log_level"], line["tenant"], line["error"]) == ("critical", "acme", "two histories")
    assert "acme" not in answer.details.detail


# --- consistency


def test_a_consistency_proof_leads_from_a_kept_checkpoint_to_a_later_one(
    service: Service, api: httpx.Client, tenant: str
) -> None:
    log(api, tenant, 20)
    stated = {size: sign(service.database, tenant, KEY, size) for size in (1, 7, 16, 21)}
    for old, earlier in stated.items():
        for new in (size for size in stated if size >= old):
            answer = api.get(f"{URL}/consistency", params={"tenant_id": tenant, "from": old, "to": new})
            assert answer.status_code == 200, answer.text
            found = answer.json()
            hashes = [base64url.decode(text) for text in found["proof"]]
            assert (found["from"], found["to"]) == (old, new)
            verify_consistency(old, earlier.root, new, stated[new].root, hashes)
    without = api.get(f"{URL}/consistency", params={"tenant_id": tenant, "from": 7}).json()
    assert (without["from"], without["to"]) == (7, 21)


def test_sizes_need_not_have_been_signed(service: Service, api: httpx.Client, tenant: str) -> None:
    """Before, between and after what was."""
    log(api, tenant, 20)
    sign(service.database, tenant, KEY, 7)
    sign(service.database, tenant, KEY, 16)
    for old, new in ((1, 2), (3, 9), (8, 9), (8, 16), (10, 20), (17, 21), (21, 21)):
        answer = api.get(f"{URL}/consistency", params={"tenant_id": tenant, "from": old, "to": new})
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({}, {"from"}),
        ({"from": ""}, {"from"}),
        ({"from": 0}, {"from"}),
        ({"from": -1}, {"from"}),
        ({"from": "1_0"}, {"from"}),
        ({"from": "１"}, {"from"}),
        ({"from": "01"}, {"from"}),
        ({"from": 2**53}, {"from"}),
        ({"from": 1, "to": 0}, {"to"}),
        ({"from": 1, "to": 7}, {"to"}),
        ({"from": 5, "to": 4}, {"from"}),
        ({"from": 5}, {"from"}),
        ({"from": [1, 2]}, {"from"}),
        ({"from": 1, "size": 1}, {"size"}),
        ({"from": "x", "to": "y"}, {"from", "to"}),
    ],
)
def test_sizes_that_do_not_fit_are_422_and_named(
    service: Service, api: httpx.Client, tenant: str, parameters: dict[str, Any], named: set[str]
) -> None:
    """The ledger has 6 entries, of which 4 are signed."""
    log(api, tenant, 5)
    sign(service.database, tenant, KEY, 4)
    answer = api.get(f"{URL}/consistency", params={"tenant_id": tenant, **parameters})
    body = problem(answer, 422, "invalid_parameter")
    assert {error["parameter"] for error in body["errors"]} == named


def test_two_signed_histories_get_no_consistency_proof(service: Service, api: httpx.Client, tenant: str) -> None:
    log(api, tenant, 9)
    stated = sign(service.database, tenant, KEY, 5)
    sign(service.database, tenant, KEY)
    other = sign_checkpoint(stated._replace(root=sha256(b"other").digest()), [KEY])
    superuser(service, "UPDATE indelible.checkpoints SET note = %s WHERE tenant_id = %s AND size = 5", other, tenant)
    answer = api.get(f"{URL}/consistency", params={"tenant_id": tenant, "from": 5})
    assert "between 5 and 10 entries" in problem(answer, 500, "ledger_altered")["detail"]


# --- keys


def test_the_keys_are_the_ledgers_newest_first(service: Service, api: httpx.Client, tenant: str) -> None:
    log(api, tenant)
    later = SigningKey.generate()
    sign(service.database, tenant, KEY, 1)
    sign(service.database, tenant, later)
    lines = plain(api.get(f"{URL}/vkeys", params={"tenant_id": tenant})).splitlines()
    verifiers = [Verifier.parse(line) for line in lines]
    assert verifiers[0] == later.verifier(origin_of(service.database, tenant))
    assert KEY.public_key in [verifier.public_key for verifier in verifiers]
    assert {verifier.name for verifier in verifiers} == {origin_of(service.database, tenant)}
    problem(api.get(f"{URL}/vkeys", params={"tenant_id": tenant, "size": 1}), 422, "invalid_parameter")


# --- who may


def test_of_another_tenants_ledger_nothing_is_proven(service: Service, api: httpx.Client, tenant: str) -> None:
    """The answer is that for what nobody has."""
    (event_id,) = log(api, tenant)
    other = f"{tenant}-2"
    log(api, other)
    for each in (tenant, other):
        sign(service.database, each, KEY)
    for name, wanted in ((other, event_id), (f"{tenant}-none", event_id), (tenant, str(uuid4()))):
        body = problem(api.get(f"{URL}/{wanted}/proof", params={"tenant_id": name}), 404, "no_such_event")
        assert body["detail"] == f"tenant {name!r} has no event {wanted}"
    notes = {plain(api.get(f"{URL}/checkpoint", params={"tenant_id": each})) for each in (tenant, other)}
    assert len(notes) == 2


ROUTES = ["checkpoint", "consistency?from=1", "0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90/proof", "vkeys"]


@pytest.mark.parametrize("route", ROUTES)
def test_without_a_tenant_it_is_422(api: httpx.Client, route: str) -> None:
    for given in ({}, {"tenant_id": ["a", "b"]}, {"tenant_id": "no tenant"}):
        body = problem(api.get(httpx.URL(f"{URL}/{route}").copy_merge_params(given)), 422, "invalid_parameter")
        assert [error["parameter"] for error in body["errors"]] == ["tenant_id"]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("scopes", [("events:write",), ("events:import",), (), None])
def test_without_the_scope_to_read_it_is_refused(
    service: Service, api: httpx.Client, tenant: str, route: str, scopes: tuple[str, ...] | None
) -> None:
    log(api, tenant)
    sign(service.database, tenant, KEY)
    key = f"ind_test_{secrets.token_urlsafe(32)}"
    if scopes is not None:
        superuser(
            service,
            "INSERT INTO indelible.keys (name, hash, scopes) VALUES ('t', %s, %s)",
            sha256(key.encode()).digest(),
            list(scopes),
        )
    with httpx.Client(base_url=service.address, headers={"authorization": f"Bearer {key}"}) as stranger:
        answer = ask(stranger, route, tenant)
        problem(answer, *((401, "unauthorized") if scopes is None else (403, "missing_scope")))
        assert not re.search("BEGIN|—|proof", answer.text)
        del stranger.headers["authorization"]
        problem(ask(stranger, route, tenant), 401, "unauthorized")
