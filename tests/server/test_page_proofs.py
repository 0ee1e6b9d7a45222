"""The proofs of a page: each verifies alone, of an event in the caller's view, whatever happened to another one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from indelible.ledger import base64url
from indelible.ledger.checkpoint import Checkpoint, open_checkpoint
from indelible.ledger.proof import BadProof, verify_inclusion
from indelible.ledger.signing import SigningKey, sign_checkpoint
from indelible.ledger.tree import leaf_hash
from tests.conftest import Service
from tests.server.conftest import Reader, an_event, problem
from tests.server.test_erased import erase_actor
from tests.signed import leaves_of, origin_of, sign

KEY = SigningKey.generate()
URL = "/api/audit-log"


def log(api: httpx.Client, tenant: str, count: int, **fields: object) -> list[int]:
    answer = api.post(f"{URL}/batch", json=[an_event(tenant, **fields) for _ in range(count)])
    assert answer.status_code == 201, answer.text
    return [item["seq"] for item in answer.json()["data"]]


def ask(client: httpx.Client, tenant: str, seqs: Sequence[object], **more: object) -> httpx.Response:
    return client.get(f"{URL}/proofs", params={"tenant_id": tenant, "seq": seqs, **more})  # type: ignore[dict-item]


def proven(answer: httpx.Response, leaves: Sequence[bytes]) -> tuple[set[int], Checkpoint]:
    """The numbers of which there are proofs, all of which lead from these leaves to the root that the key signed."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    origin = body["checkpoint"].splitlines()[0]
    stated, _ = open_checkpoint(body["checkpoint"].encode(), [KEY.verifier(origin)])
    assert body["size"] == stated.size
    for each in body["proofs"]:
        hashes = [base64url.decode(text) for text in each["hashes"]]
        verify_inclusion(leaves[each["seq"]], each["seq"], stated.size, hashes, stated.root)
    seqs = [each["seq"] for each in body["proofs"]]
    assert len(set(seqs)) == len(seqs)
    return set(seqs), stated


def superuser(service: Service, *statements: str, **values: object) -> None:
    with psycopg.connect(service.database.admin_url) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in statements:
            assert connection.execute(statement.encode(), values).rowcount


# --- what is proven


@pytest.mark.parametrize("count", [1, 7, 255, 256, 600])
def test_each_entry_of_a_page_is_proven_in_one_tree(
    service: Service, api: httpx.Client, tenant: str, count: int
) -> None:
    log(api, tenant, count)
    stated = sign(service.database, tenant, KEY)
    leaves = leaves_of(service.database, tenant)
    for seqs in ({0, count}, set(range(max(0, count - 199), count + 1)), {*range(0, count + 1, 4)}):
        page = sorted(seqs)[-200:]
        answer = ask(api, tenant, page)
        assert proven(answer, leaves) == (set(page), stated)
        assert (answer.json()["unsigned"], answer.json()["altered"]) == ([], [])


def test_what_no_checkpoint_covers_yet_is_named_and_not_waited_for(
    service: Service, api: httpx.Client, tenant: str
) -> None:
    problem(ask(api, tenant, [0]), 404, "no_checkpoint")
    log(api, tenant, 5)
    problem(ask(api, tenant, [0]), 404, "no_checkpoint")
    sign(service.database, tenant, KEY, 4)
    answer = ask(api, tenant, [5, 4, 3, 0])
    assert answer.elapsed.total_seconds() < 4
    assert proven(answer, leaves_of(service.database, tenant))[0] == {0, 3}
    assert answer.json()["unsigned"] == [4, 5]
    assert answer.json()["altered"] == []


def test_a_size_chooses_the_tree(service: Service, api: httpx.Client, tenant: str) -> None:
    """Of a viewer that has verified one already."""
    log(api, tenant, 9)
    for size in (3, 7):
        sign(service.database, tenant, KEY, size)
    leaves = leaves_of(service.database, tenant)
    for asked, found, unsigned in (({"size": 1}, 3, [5]), ({"size": 3}, 3, [5]), ({"size": 4}, 7, []), ({}, 7, [])):
        answer = ask(api, tenant, [1, 5], **asked)
        assert proven(answer, leaves)[1].size == found
        assert answer.json()["unsigned"] == unsigned
    body = problem(ask(api, tenant, [1], size=10**6), 422, "invalid_parameter")
    assert [error["parameter"] for error in body["errors"]] == ["size"]


def test_what_there_is_not_is_not_told_of(service: Service, api: httpx.Client, tenant: str) -> None:
    """Nor does a number twice make two proofs."""
    log(api, tenant, 2)
    sign(service.database, tenant, KEY, 2)
    answer = ask(api, tenant, [3, 2**53 - 1, 99, 1, 1])
    assert proven(answer, leaves_of(service.database, tenant))[0] == {1}
    assert (answer.json()["unsigned"], answer.json()["altered"]) == ([], [])
    nothing = ask(api, tenant, [10**6]).json()
    assert (nothing["proofs"], nothing["unsigned"], nothing["altered"]) == ([], [], [])


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("", {"seq"}),
        ("&".join(f"seq={n}" for n in range(201)), {"seq"}),
        ("&".join(["seq=1"] * 201), {"seq"}),
        *[
            (f"seq=1&seq={text}", {"seq"})
            for text in ("-1", str(2**63), str(2**53), "01", "1_0", "%EF%BC%91", "", "1,2", "1e1", "x", "%00")
        ],
        ("seq=1&size=0", {"size"}),
        ("seq=1&size=1&size=2", {"size"}),
        ("seq=1&limit=5", {"limit"}),
        ("-seq=1", {"-seq", "seq"}),
        ("seq=x&size=y&q=z", {"seq", "size", "q"}),
    ],
)
def test_a_bad_parameter_is_422_and_named(api: httpx.Client, tenant: str, query: str, named: set[str]) -> None:
    body = problem(api.get(f"{URL}/proofs?tenant_id={tenant}&{query}"), 422, "invalid_parameter")
    assert {error["parameter"] for error in body["errors"]} == named


def test_without_a_tenant_it_is_422(api: httpx.Client) -> None:
    body = problem(api.get(f"{URL}/proofs?seq=1"), 422, "invalid_parameter")
    assert [error["parameter"] for error in body["errors"]] == ["tenant_id"]


# --- whose


def test_a_member_gets_proofs_of_their_own_events_alone(
    service: Service, api: httpx.Client, tenant: str, reader: Reader
) -> None:
    foreign = log(api, tenant, 3)
    (own,) = log(api, tenant, 1, actor={"type": "user", "id": "usr_9"})
    sign(service.database, tenant, KEY)
    leaves = leaves_of(service.database, tenant)
    with reader() as alex:
        (unsigned,) = log(api, tenant, 1, actor={"type": "user", "id": "usr_9"})
        hidden = log(api, tenant, 2)
        answer = ask(alex, tenant, [0, *foreign, own, unsigned, *hidden])
        assert proven(answer, leaves)[0] == {own}
        assert answer.json()["unsigned"] == [unsigned]
        absent = ask(alex, tenant, [own, unsigned, 10**6]).json()
        assert absent == answer.json(), "an event of others and one that there is not are told apart"
        problem(ask(alex, f"{tenant}-2", [own]), 403, "wrong_tenant")


def test_a_token_with_a_filter_gets_proofs_of_what_is_in_it(
    service: Service, api: httpx.Client, tenant: str, reader: Reader
) -> None:
    inside = log(api, tenant, 2, action="user.joined")
    outside = log(api, tenant, 2, action="user.role_changed")
    sign(service.database, tenant, KEY)
    with reader("admin", "usr_1", filter={"action": ["user.joined"]}) as filtered:
        answer = ask(filtered, tenant, [0, *inside, *outside])
    assert proven(answer, leaves_of(service.database, tenant))[0] == set(inside)


def test_proofs_of_a_page_are_on_record_once_and_name_nothing(service: Service, api: httpx.Client, tenant: str) -> None:
    seqs = log(api, tenant, 5)
    sign(service.database, tenant, KEY)
    for page in (seqs[:2], seqs[2:], seqs):
        assert ask(api, tenant, page).status_code == 200
    shown = api.get(URL, params={"tenant_id": tenant, "action": "audit_log.proof_downloaded"}).json()["data"]
    assert [(event["metadata"]["kind"], event["targets"]) for event in shown] == [("proofs", [])]
    assert shown[0]["sentence"].endswith("downloaded proofs of the audit log")


# --- with their entries


def test_entries_come_along_as_they_were_sealed(service: Service, api: httpx.Client, tenant: str) -> None:
    """For whoever sees all. Of what is not proven nothing is given, nor where nobody asks."""
    seqs = log(api, tenant, 5)
    sign(service.database, tenant, KEY, 5)
    answer = ask(api, tenant, [0, *seqs, 99], entries="true")
    leaves = leaves_of(service.database, tenant)
    assert proven(answer, leaves)[0] == {0, 1, 2, 3, 4}
    listed = api.get(URL, params={"tenant_id": tenant, "sealed": "true"}).json()["data"]
    sealed = {event["seq"]: event["entry"] for event in listed}
    for each in answer.json()["proofs"]:
        assert each["entry"] == sealed[each["seq"]]
        assert leaf_hash(each["entry"].encode()) == leaves[each["seq"]]
    for more in ({}, {"entries": "false"}):
        assert all(each.keys() == {"seq", "hashes"} for each in ask(api, tenant, seqs, **more).json()["proofs"])


def test_an_entry_that_was_altered_comes_as_it_is_and_does_not_fit_its_proof(
    service: Service, api: httpx.Client, tenant: str
) -> None:
    seqs = log(api, tenant, 5)
    sign(service.database, tenant, KEY)
    edited(service, tenant, seqs[2], rehashed=False)
    answer = ask(api, tenant, seqs, entries="true")
    leaves = leaves_of(service.database, tenant)
    wrong = [
        each["seq"] for each in answer.json()["proofs"] if leaf_hash(each["entry"].encode()) != leaves[each["seq"]]
    ]
    assert wrong == [seqs[2]]


@pytest.mark.parametrize("value", ["", "1", "yes", "True", "true,true", "%00"])
def test_entries_are_asked_for_plainly(api: httpx.Client, tenant: str, value: str) -> None:
    body = problem(api.get(f"{URL}/proofs?tenant_id={tenant}&seq=1&entries={value}"), 422, "invalid_parameter")
    assert [error["parameter"] for error in body["errors"]] == ["entries"]
    twice = api.get(f"{URL}/proofs?tenant_id={tenant}&seq=1&entries=true&entries=true")
    problem(twice, 422, "invalid_parameter")


@pytest.mark.parametrize(
    ("role", "asked"), [("member", {}), ("admin", {"filter": {"action": ["user.joined"]}})], ids=["member", "filter"]
)
def test_entries_are_for_those_who_see_the_whole_log(
    service: Service, api: httpx.Client, tenant: str, reader: Reader, role: str, asked: dict[str, Any]
) -> None:
    """Not even of their own: who sees a part cannot tell what is left out of it. That they asked is on record."""
    (own,) = log(api, tenant, 1, actor={"type": "user", "id": "usr_9"})
    sign(service.database, tenant, KEY)
    with reader(role, "usr_9", **asked) as partial:
        assert ask(partial, tenant, [own]).status_code == 200
        body = problem(ask(partial, tenant, [own], entries="true"), 403, "part_of_the_log")
        assert [error["parameter"] for error in body["errors"]] == ["entries"]
        assert ask(partial, tenant, [10**6], entries="true").json() == body, "it tells whether there is an entry"

    # It is recorded behind the answer.
    deadline = time.monotonic() + 10
    while not (found := api.get(URL, params={"tenant_id": tenant, "action": "audit_log.access_denied"}).json()["data"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert [event["metadata"]["code"] for event in found] == ["part_of_the_log"]


def test_entries_are_a_look_at_the_list(service: Service, api: httpx.Client, tenant: str, reader: Reader) -> None:
    """Whoever asks for them by hand leaves an entry of it; whoever looked at the list before, no other one."""

    def looks(actor: str) -> list[str]:
        found = api.get(URL, params={"tenant_id": tenant, "actor_id": actor, "limit": 1000}).json()["data"]
        return [event["action"] for event in found]

    log(api, tenant, 3)
    sign(service.database, tenant, KEY)
    with reader("admin", "usr_a") as first, reader("admin", "usr_b") as second:
        assert ask(first, tenant, [1], entries="true").status_code == 200
        assert looks("usr_a") == ["audit_log.viewed"]
        assert second.get(URL).status_code == 200
        assert ask(second, tenant, [1], entries="true").status_code == 200
        assert looks("usr_b") == ["audit_log.viewed"]
    assert ask(api, tenant, [1], entries="true").status_code == 200
    keys = api.get(URL, params={"tenant_id": tenant, "actor_type": "api_key", "limit": 1000}).json()["data"]
    assert "audit_log.viewed" in {event["action"] for event in keys}
    assert "audit_log.proof_downloaded" not in {event["action"] for event in keys}


# --- altered


def edited(service: Service, tenant: str, seq: int, *, rehashed: bool) -> None:
    """Says that somebody was jailed where they joined; with the hash of that, or the one that it had."""
    statements = [
        "UPDATE indelible.events SET entry = replace(encode(entry, 'escape'), 'joined', 'jailed')::bytea WHERE {}"
    ]
    if rehashed:
        statements.append("UPDATE indelible.events SET leaf_hash = sha256('\\x00'::bytea || entry) WHERE {}")
    superuser(
        service, *[s.format("tenant_id = %(tenant)s AND seq = %(seq)s") for s in statements], tenant=tenant, seq=seq
    )


def shown_as_proven(api: httpx.Client, tenant: str, answer: httpx.Response) -> set[int]:
    """As a viewer finds out: from the entries of the timeline, and from nothing that the service says of them."""
    page = api.get(URL, params={"tenant_id": tenant, "sealed": "true", "limit": 1000}).json()["data"]
    leaves = {event["seq"]: leaf_hash(event["entry"].encode()) for event in page}
    body = answer.json()
    stated, _ = open_checkpoint(body["checkpoint"].encode(), [KEY.verifier(body["checkpoint"].splitlines()[0])])
    found = set()
    for each in body["proofs"]:
        try:
            hashes = [base64url.decode(text) for text in each["hashes"]]
            verify_inclusion(leaves[each["seq"]], each["seq"], stated.size, hashes, stated.root)
        except BadProof:
            continue
        found.add(each["seq"])
    return found


@pytest.mark.parametrize("rehashed", [False, True], ids=["entry", "entry and hash"])
@pytest.mark.parametrize("count", [9, 300])
def test_of_a_page_with_an_altered_entry_all_others_are_proven(
    service: Service, api: httpx.Client, tenant: str, count: int, *, rehashed: bool
) -> None:
    """And that one is not, by anything that is given out."""
    seqs = log(api, tenant, count)[-9:]
    sign(service.database, tenant, KEY)
    edited(service, tenant, seqs[4], rehashed=rehashed)
    answer = ask(api, tenant, seqs)
    assert answer.status_code == 200, answer.text
    assert answer.json()["altered"] == []
    assert shown_as_proven(api, tenant, answer) == {*seqs} - {seqs[4]}


def test_a_hash_that_was_altered_alone_changes_nothing_that_is_proven(
    service: Service, api: httpx.Client, tenant: str
) -> None:
    """The entries are what they were, and the chain has the hash a second time."""
    seqs = log(api, tenant, 9)
    sign(service.database, tenant, KEY)
    superuser(
        service, "UPDATE indelible.events SET leaf_hash = sha256('x') WHERE tenant_id = %(tenant)s AND seq = 4",
        tenant=tenant,
    )  # fmt: skip
    assert shown_as_proven(api, tenant, ask(api, tenant, seqs)) == {*seqs}


def test_entries_of_which_no_proof_holds_are_named(service: Service, api: httpx.Client, tenant: str) -> None:
    """Where the entry that follows was made to say the same. The roots of 256 others each are stored by themselves."""
    log(api, tenant, 600)
    sign(service.database, tenant, KEY)
    edited(service, tenant, 100, rehashed=True)
    superuser(
        service,
        "UPDATE indelible.events e SET entry = regexp_replace(encode(e.entry, 'escape'), '\"prev\":\"[^\"]*', "
        "'\"prev\":\"' || translate(rtrim(encode(o.leaf_hash, 'base64'), '='), '+/', '-_'))::bytea "
        "FROM indelible.events o WHERE e.tenant_id = %(tenant)s AND e.seq = 101 "
        "AND o.tenant_id = %(tenant)s AND o.seq = 100",
        tenant=tenant,
    )
    answer = ask(api, tenant, [0, 99, 100, 255, 256, 400, 600])
    assert answer.status_code == 200, answer.text
    assert answer.json()["altered"] == [0, 99, 100, 255]
    assert shown_as_proven(api, tenant, answer) == {256, 400, 600}


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM indelible.events WHERE tenant_id = %(tenant)s AND seq = 3",
        "DELETE FROM indelible.subtrees WHERE tenant_id = %(tenant)s",
        "INSERT INTO indelible.events SELECT (jsonb_populate_record(e, jsonb_build_object('id', %(id)s::text, "
        "'recorded_at', e.recorded_at + interval '1 second'))).* FROM indelible.events e "
        "WHERE tenant_id = %(tenant)s AND seq = 3",
    ],
    ids=["an entry is gone", "the tree is gone", "two of one number"],
)
def test_a_tree_that_is_broken_proves_nothing(service: Service, api: httpx.Client, tenant: str, statement: str) -> None:
    log(api, tenant, 300)
    sign(service.database, tenant, KEY)
    superuser(service, statement, tenant=tenant, id=str(uuid4()))
    body = problem(ask(api, tenant, [2, 4, 290]), 500, "ledger_altered")
    assert "indelible verify" in body["detail"]


def test_a_checkpoint_of_another_history_proves_nothing(service: Service, api: httpx.Client, tenant: str) -> None:
    seqs = log(api, tenant, 3)
    stated = sign(service.database, tenant, KEY)
    other = sign_checkpoint(Checkpoint(stated.origin, stated.size, sha256(b"other").digest()), [KEY])
    superuser(
        service, "UPDATE indelible.checkpoints SET note = %(note)s WHERE tenant_id = %(tenant)s",
        note=other, tenant=tenant,
    )  # fmt: skip
    problem(ask(api, tenant, seqs), 500, "ledger_altered")
    assert origin_of(service.database, tenant) == stated.origin


def test_erased_parts_change_no_proof(service: Service, api: httpx.Client, tenant: str) -> None:
    fields: dict[str, Any] = {"actor": {"type": "user", "id": "usr_7", "name": "Sarah Chen"}}
    seqs = log(api, tenant, 3, **fields)
    sign(service.database, tenant, KEY)
    before = ask(api, tenant, seqs).json()
    erase_actor(service, tenant, "usr_7")
    assert ask(api, tenant, seqs).json() == before
    assert shown_as_proven(api, tenant, ask(api, tenant, seqs)) == {*seqs}
