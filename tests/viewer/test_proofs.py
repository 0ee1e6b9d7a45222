"""What the lock says, and that it is true: the browser exposes whoever alters the database, or the answers."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Route, expect

from indelible.ledger.checkpoint import Checkpoint
from indelible.ledger.signing import SigningKey, sign_checkpoint
from tests.signed import leaves_of, origin_of
from tests.store.samples import FULL, as_superuser
from tests.viewer.conftest import Visitor
from tests.viewer.hosting import Site
from tests.viewer.log import Log

PROVEN = "Proven: this is what was sealed"
UNPINNED = "Consistent, but nobody pinned the key"
ALTERED = "ALTERED: this is not what was sealed and signed"
WAITING = "Proof: waiting for the next signature"
UNCHECKED = "Proof: could not be checked"
ROW = "tenant_id = %(tenant)s AND seq = %(seq)s"
# Entry 0 is the ledger's own. Every event has each group of disclosures.
PEOPLE = ("Ada", "Ben", "Cleo", "Dora", "Emil")


@pytest.fixture
def ledger(site: Site, tenant: str) -> str:
    """Five events, signed; their entries are 1 to 5."""
    for name in PEOPLE:
        site.log(tenant, **{**FULL, "actor": {"type": "user", "id": f"usr_{name}", "name": name}})
    site.sign(tenant)
    return tenant


def look(site: Site, visitor: Visitor, tenant: str, **attributes: str | None) -> Log:
    """As whoever reads the log with the key pinned, unless told otherwise; entries of looking are left out."""
    given = {"vkey": site.vkey(tenant), "query": "-action=audit_log.*", **attributes}
    return visitor.open(site.page(site.element(tenant, asks=None, **given)))


def of(log: Log, name: str) -> Locator:
    return log.rows().filter(has_text=name)


def expect_locks(log: Log, state: str, *names: str) -> None:
    for name in names:
        expect(log.lock(of(log, name))).to_have_accessible_name(state)


def alter(site: Site, tenant: str, seq: int, *statements: str, **values: object) -> None:
    as_superuser(site.database, *statements, tenant=tenant, seq=seq, **values)


def test_what_nobody_altered_is_proven_and_each_step_is_told(site: Site, visitor: Visitor, ledger: str) -> None:
    log = look(site, visitor, ledger)
    expect_locks(log, PROVEN, *PEOPLE)
    expect(log.root.get_by_role("button", name="Proven up to entry 5")).to_be_visible()
    panel = log.prove(of(log, "Ada"))
    expect(panel.get_by_role("status").first).to_contain_text("as entry 1, and the signature of the log covers it")
    steps = panel.get_by_role("list").first.get_by_role("listitem")
    expect(steps).to_contain_text(
        [
            "Holds: The sealed text has the fingerprint that is shown.",
            "Holds: The sealed text can be read in one way only.",
            "Holds: Names, changes, context and details are those that were sealed with it, and none is missing.",
            "Holds: Everything that is displayed is what was sealed.",
            "Holds: The signature of the log covers it, under this number.",
            "Holds: It joins the entries beside it that were checked.",
            "Holds: The log is signed with the key that this page pins.",
            "This browser sees this log for the first time.",
        ]
    )
    with log.page.expect_download() as saved:
        panel.get_by_role("button", name="Proof file").click()
    assert saved.value.path().read_text().startswith("c2sp.org/tlog-proof@v1\n")


def test_without_a_pinned_key_it_is_consistent_and_no_more(site: Site, visitor: Visitor, ledger: str) -> None:
    """Until the reader pins the key that their contract has: then this browser believes nothing else."""
    log = look(site, visitor, ledger, vkey=None)
    expect_locks(log, UNPINNED, *PEOPLE)
    panel = log.prove(of(log, "Ada"))
    expect(panel.get_by_role("status").first).to_contain_text("only under a key that the service itself gave")
    key = panel.get_by_role("textbox", name="Verifier key")
    key.fill("no key")
    panel.get_by_role("button", name="Pin", exact=True).click()
    expect(panel.get_by_role("alert")).to_contain_text("This is no verifier key.")
    key.fill(site.vkey(ledger))
    panel.get_by_role("button", name="Pin", exact=True).click()
    expect_locks(log, PROVEN, *PEOPLE)
    other = look(site, visitor, ledger, vkey=None)
    expect_locks(other, PROVEN, *PEOPLE)


@pytest.mark.parametrize("vkey", ["another", "none"])
def test_under_a_key_that_did_not_sign_nothing_is_proven(site: Site, visitor: Visitor, ledger: str, vkey: str) -> None:
    pinned = site.vkey(ledger, SigningKey.generate()) if vkey == "another" else "example.com+00000000+nonsense"
    log = look(site, visitor, ledger, vkey=pinned)
    expect_locks(log, UNCHECKED, *PEOPLE)
    expect(log.root.get_by_role("button", name=re.compile("^NOT PROVEN"))).to_be_visible()


def test_what_is_newer_than_the_signature_waits_for_the_next(site: Site, visitor: Visitor, ledger: str) -> None:
    site.log(ledger, actor={"type": "user", "id": "usr_f", "name": "Fay"})
    log = look(site, visitor, ledger)
    expect_locks(log, WAITING, "Fay")
    expect_locks(log, PROVEN, *PEOPLE)
    site.sign(ledger)
    expect(log.lock(of(log, "Fay"))).to_have_accessible_name(PROVEN)


# --- the database


def test_an_entry_that_was_altered_is_exposed(site: Site, visitor: Visitor, ledger: str) -> None:
    """By whoever may do everything in PostgreSQL; in the row and in the panel, in words. The others stay proven."""
    alter(
        site, ledger, 2,
        "UPDATE indelible.events SET entry = replace(convert_from(entry, 'UTF8'), 'usr_Ben', 'usr_Bob')::bytea"
        f" WHERE {ROW}",
    )  # fmt: skip
    log = look(site, visitor, ledger)
    expect_locks(log, ALTERED, "Entry 2 was altered after it was recorded")
    expect(of(log, "Entry 2")).to_contain_text("Altered after it was logged")
    expect_locks(log, PROVEN, "Ada", "Cleo", "Dora", "Emil")
    expect(log.root.get_by_role("button", name="ALTERED: 1 of 6 events checked")).to_be_visible()
    panel = log.prove(of(log, "Entry 2"))
    expect(panel.get_by_role("status").first).to_contain_text("Do not rely on this")
    expect(panel.get_by_text("Does not hold:").first).to_be_attached()


def test_an_entry_that_was_replaced_with_its_hash_is_exposed(site: Site, visitor: Visitor, ledger: str) -> None:
    """Then it fits itself, and is not what the signed root has."""
    alter(
        site, ledger, 3,
        "UPDATE indelible.events SET entry = replace(convert_from(entry, 'UTF8'), 'usr_Cleo', 'usr_Cora')::bytea"
        f" WHERE {ROW}",
        f"UPDATE indelible.events SET leaf_hash = sha256('\\x00'::bytea || entry) WHERE {ROW}",
    )  # fmt: skip
    visitor.expects("status of 500")
    log = look(site, visitor, ledger)
    expect_locks(log, ALTERED, "Cleo")


@pytest.mark.parametrize("group", ["actor", "changes", "context", "metadata", "targets"])
def test_a_disclosure_that_was_altered_or_removed_is_exposed(
    site: Site, visitor: Visitor, ledger: str, group: str
) -> None:
    """Nothing of it is shown; and that it is gone without a record of an erasure is no excuse."""
    forged = base64.urlsafe_b64encode(json.dumps(["A" * 22, group, {"name": "Nobody"}]).encode()).decode().rstrip("=")
    set_ = f"UPDATE indelible.event_personal SET {group} = %(forged)s WHERE {ROW}"
    alter(site, ledger, 2, set_, forged=forged)
    alter(site, ledger, 4, set_, forged=None)
    log = look(site, visitor, ledger)
    expect(log.root.get_by_role("button", name="ALTERED: 2 of 6 events checked")).to_be_visible()
    expect(log.root.get_by_role("button", name=ALTERED)).to_have_count(2)
    expect(log.root.get_by_role("button", name=PROVEN)).to_have_count(4)
    expect(log.feed).not_to_contain_text("Nobody")


def test_an_entry_that_was_removed_is_exposed(site: Site, visitor: Visitor, ledger: str) -> None:
    """None of those that are left is believed any more."""
    visitor.expects("status of 500")
    alter(
        site, ledger, 3,
        f"DELETE FROM indelible.event_personal WHERE {ROW}", f"DELETE FROM indelible.events WHERE {ROW}",
    )  # fmt: skip
    log = look(site, visitor, ledger, query="")
    expect(log.feed).not_to_contain_text("Cleo")
    expect(log.root.get_by_role("button", name="ALTERED: the service says that its log was altered")).to_be_visible()
    expect_locks(log, ALTERED, "Ada", "Ben", "Dora", "Emil")


# --- the answers

Lie = Callable[[dict[str, Any]], object]


def other_digit(time: str) -> str:
    """The smallest lie about it."""
    return f"{time[:-2]}{(int(time[-2]) + 1) % 10}Z"


LIES: dict[str, Lie] = {
    "outcome": lambda event: event.update(outcome="success"),
    "action": lambda event: event.update(action="user.joined"),
    "time": lambda event: event.update(occurred_at=other_digit(event["occurred_at"])),
    "time of recording": lambda event: event.update(recorded_at=other_digit(event["recorded_at"])),
    "number": lambda event: event.update(seq=event["seq"] + 1),
    "leaf hash": lambda event: event.update(leaf_hash=event["leaf_hash"][:-4] + "AAAA"),
    "actor's id": lambda event: event["actor"].update(id="usr_1"),
    "actor's name": lambda event: event["actor"].update(name="Cleo, surely"),
    "impersonator": lambda event: event["actor"].update(impersonator={"id": "sup_1", "name": "Someone"}),
    "target": lambda event: event["targets"][0].update(name="Somebody else"),
    "one more target": lambda event: event["targets"].append({"type": "user", "id": "x"}),
    "new value": lambda event: event["changes"]["role"].update(to="member"),
    "address": lambda event: event["context"].update(ip_address="198.51.100.1"),
    "no metadata": lambda event: event.pop("metadata"),
    "erased, it says": lambda event: (
        event.pop("changes"),
        event["disclosures"].clear(),
        event.update(erased={"changes": 4}),
    ),
    "parts left out": lambda event: event["disclosures"].pop(),
    "another entry": lambda event: event.update(entry=event["entry"].replace("denied", "success"), outcome="success"),
    "another entry and its hash": lambda event: (
        event.update(entry=event["entry"].replace("denied", "failure"), outcome="failure"),
        event.update(
            leaf_hash=base64.urlsafe_b64encode(hashlib.sha256(b"\0" + event["entry"].encode()).digest())
            .decode()
            .rstrip("=")
        ),
    ),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_service_that_lies_is_exposed(site: Site, visitor: Visitor, ledger: str, lie: Lie) -> None:
    """About one event, in whatever field; those beside it are believed all the same."""

    def answer(route: Route) -> None:
        response = route.fetch()
        body = response.json()
        for event in body["data"]:
            if event["actor"].get("name") == "Cleo":
                lie(event)
        route.fulfill(response=response, json=body)

    visitor.context.route(re.compile(r"/api/audit-log\?"), answer)
    log = look(site, visitor, ledger)
    expect(log.root.get_by_role("button", name=re.compile(r"^ALTERED: \d of 6"))).to_be_visible()
    expect(log.root.get_by_role("button", name=ALTERED)).not_to_have_count(0)
    expect_locks(log, PROVEN, "Ada", "Emil")


def test_a_history_that_was_rewritten_is_exposed_though_it_is_signed(site: Site, visitor: Visitor, ledger: str) -> None:
    """By the very key that is pinned: this browser remembers what it saw, and keeps both statements."""
    expect_locks(look(site, visitor, ledger), PROVEN, *PEOPLE)
    forged = Checkpoint(origin_of(site.database, ledger), 3, leaves_of(site.database, ledger)[0])
    note = sign_checkpoint(forged, [site.key])

    def answer(route: Route) -> None:
        response = route.fetch()
        body = {**response.json(), "checkpoint": note, "size": 3}
        route.fulfill(response=response, json=body)

    visitor.context.route(re.compile(r"/api/audit-log/proofs\?"), answer)
    log = look(site, visitor, ledger)
    expect(log.root.get_by_role("button", name="ALTERED: entries were removed from the log")).to_be_visible()
    expect_locks(log, ALTERED, *PEOPLE)
    panel = log.prove(of(log, "Ada"))
    expect(panel).to_contain_text("An honest log only ever grows.")
    with log.page.expect_download() as saved:
        panel.get_by_role("button", name="Save both statements").click()
    assert note in saved.value.path().read_text()
