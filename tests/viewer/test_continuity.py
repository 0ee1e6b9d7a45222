"""Whether the list leaves anything out: the browser tells who keeps an event back, and accuses no honest service."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Route, expect

from tests.viewer.conftest import Visitor
from tests.viewer.hosting import Site
from tests.viewer.log import Log

LIST = re.compile(r"/api/audit-log\?")
ENTRIES = re.compile(r"/api/audit-log/proofs\?.*entries=true")
LIVE = re.compile(r"/api/audit-log/live\?")
QUIET = "-action=audit_log.viewed&-action=audit_log.searched&-action=audit_log.token_issued"
"""What the button "Hide log views" asks for."""
PEOPLE = ("Ada", "Ben", "Cleo", "Dora", "Emil")
NOTHING = "Nothing was left out of the list."
UNKNOWN = "NOT CHECKED whether anything was left out of the list."
PART = "A part of the log is shown: nothing is said of whether anything was left out."


@pytest.fixture
def ledger(site: Site, tenant: str) -> str:
    """Five events, signed; their entries are 1 to 5, a minute apart."""
    began = datetime.now(UTC) - timedelta(hours=1)
    for minute, name in enumerate(PEOPLE):
        at = began + timedelta(minutes=minute)
        actor = {"type": "user", "id": f"usr_{name}", "name": name}
        site.log(tenant, actor=actor, occurred_at=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"))
    site.sign(tenant)
    return tenant


@pytest.fixture(autouse=True)
def ended(visitor: Visitor) -> Iterator[None]:
    """What is on its way at the end of a test is answered by nobody any more."""
    yield
    visitor.context.unroute_all(behavior="ignoreErrors")


def look(
    site: Site, visitor: Visitor, tenant: str, query: str = QUIET, asks: Mapping[str, object] | None = None
) -> Log:
    return visitor.open(site.page(site.element(tenant, asks=asks, vkey=site.vkey(tenant), query=query)))


def panel(log: Log) -> Locator:
    return log.panel("Proof and evidence").get_by_role("region", name="The whole log")


def summary(log: Log) -> Locator:
    return log.root.get_by_role("button", name=re.compile("^(Proven up to|ALTERED|NOT PROVEN|Not checked)"))


def expect_told(log: Log, *numbers: int) -> None:
    """In the status line of the newest, and in the panel of each: what it was and who did it."""
    expect(summary(log)).to_have_text(f"ALTERED: an event was left out of the list, number {max(numbers)}")
    whole = panel(log)
    told = whole.get_by_role("listitem").filter(has_text="Left out of the list")
    expect(told).to_have_count(len(numbers))
    for number in numbers:
        expect(told.filter(has_text=f"number {number},")).to_contain_text("document.shared by usr_")
    expect(whole).to_contain_text("were looked at.")
    expect(whole).not_to_contain_text(NOTHING)


def withheld(names: Iterable[str]) -> Callable[[Route], None]:
    """A proxy that gives all but the events of these people."""

    def answer(route: Route) -> None:
        response = route.fetch()
        body = response.json()
        body["data"] = [event for event in body["data"] if event["actor"].get("name") not in names]
        route.fulfill(response=response, json=body)

    return answer


def each_proof(lie: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Callable[[Route], None]:
    """A proxy that gives other proofs of what a list lacks, or none."""

    def answer(route: Route) -> None:
        response = route.fetch()
        body = response.json()
        body["proofs"] = [told for each in body["proofs"] if (told := lie(each)) is not None]
        route.fulfill(response=response, json=body)

    return answer


def asked_for(visitor: Visitor) -> list[set[int]]:
    """The numbers that entries were asked for, request by request."""
    addresses = [address for address in visitor.asked if ENTRIES.search(address)]
    return [set(map(int, parse_qs(urlsplit(address).query)["seq"])) for address in addresses]


# --- what is kept back


@pytest.mark.parametrize(
    ("names", "numbers"),
    [(["Cleo"], [3]), (["Emil"], [5]), (["Ada"], [1]), (["Ben", "Dora"], [2, 4])],
    ids=["between", "the newest", "the oldest", "several"],
)
@pytest.mark.parametrize("query", ["", QUIET, "since=7d"], ids=["all", "without log views", "of seven days"])
def test_what_is_kept_back_is_told(
    site: Site, visitor: Visitor, ledger: str, query: str, names: list[str], numbers: list[int]
) -> None:
    visitor.context.route(LIST, withheld(names))
    log = look(site, visitor, ledger, query)
    if query == "since=7d" and names == ["Ada"]:
        # Nothing is claimed of what is older than the last row: the span may begin there.
        expect(panel(log)).to_contain_text(NOTHING)
        return
    expect_told(log, *numbers)


def test_that_it_was_kept_back_stays_and_stands_beside_its_neighbours(
    site: Site, visitor: Visitor, ledger: str
) -> None:
    """Whatever is asked for next; and though each row is what was sealed."""
    visitor.context.route(LIST, withheld(["Cleo"]))
    log = look(site, visitor, ledger)
    told = "ALTERED: an event was left out of the list, number 3"
    expect(summary(log)).to_have_text(told)
    for name, is_beside in (("Ben", True), ("Dora", True), ("Ada", False), ("Emil", False)):
        proof = log.prove(log.rows().filter(has_text=name)).get_by_role("region", name="Proof of this event")
        expect(proof.get_by_role("status")).to_contain_text("This is what was recorded on")
        expect(proof.get_by_text("An event beside it was left out of the list: number 3.")).to_have_count(
            int(is_beside)
        )
    log.search("Ada")
    expect(log.rows()).to_have_count(1)
    expect(summary(log)).to_have_text(told)


@pytest.mark.parametrize("status", [403, 404, 422])
def test_where_the_service_refuses_it_is_not_checked(site: Site, visitor: Visitor, ledger: str, status: int) -> None:
    visitor.expects(f"status of {status}")
    problem = {"code": "refused", "detail": "No.", "status": status}
    visitor.context.route(LIST, withheld(["Cleo"]))
    visitor.context.route(ENTRIES, lambda route: route.fulfill(status=status, json=problem))
    log = look(site, visitor, ledger)
    expect(panel(log)).to_contain_text(f"{UNKNOWN} Not checked: the service refused to give proofs")
    expect(panel_text(log)).not_to_contain_text(NOTHING)


@pytest.mark.parametrize("lie", [lambda _: None, lambda each: {**each, "entry": None}], ids=["no proof", "no entry"])
def test_what_the_service_does_not_give_is_not_checked(
    site: Site, visitor: Visitor, ledger: str, lie: Callable[[dict[str, Any]], dict[str, Any] | None]
) -> None:
    visitor.context.route(LIST, withheld(["Cleo"]))
    visitor.context.route(ENTRIES, each_proof(lambda each: lie(each) if each["seq"] == 3 else each))
    log = look(site, visitor, ledger)
    expect(panel(log)).to_contain_text(f"{UNKNOWN} The service did not give 1 entry, such as number 3.")


def rehashed(each: dict[str, Any], entry: str) -> dict[str, Any]:
    """With the last hashes of another tree, which has this entry."""
    digest = hashlib.sha256(b"\0" + entry.encode()).digest()
    return {**each, "entry": entry, "hashes": [base64.urlsafe_b64encode(digest).decode().rstrip("=")]}


FORGED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "another time": lambda each: {**each, "entry": moved(each["entry"])},
    "another time and proof": lambda each: rehashed(each, moved(each["entry"])),
    "another action": lambda each: {
        **each, "entry": each["entry"].replace("document.shared", "audit_log.viewed")
    },
    "no entry at all": lambda each: {**each, "entry": "{}"},
    "a second number": lambda each: {**each, "entry": each["entry"].replace('"seq":3', '"seq":3,"seq":3')},
    "no hashes": lambda each: {**each, "hashes": []},
}  # fmt: skip


def moved(entry: str) -> str:
    """To where it would be no part of the list."""
    fields = json.loads(entry)
    return entry.replace(fields["occurred_at"], "2026-01-01T00:00:00.000Z")


@pytest.mark.parametrize("lie", FORGED.values(), ids=FORGED)
def test_a_forged_excuse_is_altered(
    site: Site, visitor: Visitor, ledger: str, lie: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    visitor.context.route(LIST, withheld(["Cleo"]))
    visitor.context.route(ENTRIES, each_proof(lambda each: lie(each) if each["seq"] == 3 else each))
    log = look(site, visitor, ledger)
    expect(summary(log)).to_have_text("ALTERED: an event was left out of the list, number 3")
    expect(panel(log)).to_contain_text("What the service gives as number 3 is not what was signed.")


def test_the_entry_of_another_number_is_no_excuse(site: Site, visitor: Visitor, ledger: str) -> None:
    """Not even with its own proof."""
    visitor.context.route(LIST, withheld(["Cleo", "Dora"]))
    given: dict[int, dict[str, Any]] = {}

    def answer(route: Route) -> None:
        response = route.fetch()
        body = response.json()
        given.update({each["seq"]: each for each in body["proofs"]})
        if {3, 4} <= given.keys():
            body["proofs"] = [{**given[4], "seq": 3}, given[4]]
        route.fulfill(response=response, json=body)

    visitor.context.route(ENTRIES, answer)
    log = look(site, visitor, ledger)
    expect(panel(log)).to_contain_text("What the service gives as number 3 is not what was signed.")


def test_rows_that_are_out_of_order_are_put_in_it(site: Site, visitor: Visitor, ledger: str) -> None:
    """What should not be seen is not hidden at the end either."""

    def answer(route: Route) -> None:
        response = route.fetch()
        body = response.json()
        body["data"].sort(key=lambda event: event["actor"].get("name") == "Cleo")
        route.fulfill(response=response, json=body)

    visitor.context.route(LIST, answer)
    log = look(site, visitor, ledger, "-action=audit_log.*&-action=ledger.*")
    expect(log.rows()).to_have_count(5)
    for row, name in zip(log.rows().all(), reversed(PEOPLE), strict=True):
        expect(row).to_contain_text(name)


# --- what is honest


def test_of_a_whole_list_it_is_said_what_was_looked_at(site: Site, visitor: Visitor, ledger: str) -> None:
    """Without anything being asked for, as no number is lacking."""
    log = look(site, visitor, ledger)
    expect(panel(log)).to_contain_text(f"{NOTHING} It has each number from 0 to 5.")
    expect(summary(log)).to_have_text("Proven up to entry 5")
    assert asked_for(visitor) == []


def test_what_happened_at_other_times_and_what_is_filtered_out_is_proven(
    site: Site, visitor: Visitor, tenant: str
) -> None:
    """Of a thousand events two pages, and among their numbers one of two days ago."""
    now = datetime.now(UTC)

    def event(age: timedelta, name: str = "Ada") -> dict[str, Any]:
        at = (now - age).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"tenant_id": tenant, "action": "document.shared", "occurred_at": at,
                "actor": {"type": "user", "id": f"usr_{name}", "name": name}}  # fmt: skip

    minutes = [timedelta(minutes=n) for n in range(999, 0, -1)]
    events = [event(age) for age in minutes]
    events.insert(980, event(timedelta(days=2), "Late"))
    answer = site.api.post("/api/audit-log/batch", json=events)
    assert answer.status_code == 201, answer.text
    site.sign(tenant)
    # The ledger's own first entry is of now, and stands above them: so that all numbers would be looked at.
    log = look(site, visitor, tenant)
    expect(panel(log)).to_contain_text(
        re.compile(r"It has each number from \d+ to 1,000, .* Numbers below \d+ were not")
    )
    assert 200 < sum(map(len, asked_for(visitor))) <= 600
    visitor.asked.clear()
    log = look(site, visitor, tenant, f"{QUIET}&-action=ledger.*")
    expect(panel(log)).to_contain_text(
        re.compile(
            rf"{NOTHING} It has each number from \d+ to 1,000, but for 1 that happened at another time or is filtered"
        )
    )
    assert asked_for(visitor) == [{981}]
    expect(summary(log)).to_have_text("Proven up to entry 1,000")


def test_what_arrives_meanwhile_raises_no_alarm(site: Site, visitor: Visitor, ledger: str) -> None:
    """Nor what arrives out of order, in the middle of the list."""
    log = look(site, visitor, ledger, "")
    expect(panel(log)).to_contain_text(NOTHING)
    earlier = (datetime.now(UTC) - timedelta(minutes=58, seconds=30)).isoformat(timespec="milliseconds")
    for name, more in (("Fay", {}), ("Gus", {"occurred_at": earlier.replace("+00:00", "Z")}), ("Hal", {})):
        site.log(ledger, actor={"type": "user", "id": f"usr_{name}", "name": name}, **more)
        size = site.sign(ledger).size
        expect(log.rows().filter(has_text=name)).to_have_count(1)
    expect(summary(log)).to_have_text(f"Proven up to entry {size - 1}", timeout=30_000)
    expect(panel_text(log)).to_contain_text(f"{NOTHING} It has each number from 0 to {size - 1}.", timeout=30_000)


def test_what_the_live_stream_did_not_bring_is_put_in_its_place(site: Site, visitor: Visitor, ledger: str) -> None:
    """It was logged after the rows were loaded, so that it is in the list when that is asked for again."""
    visitor.expects("ERR_FAILED")
    visitor.context.route(LIVE, lambda route: route.abort())
    log = look(site, visitor, ledger)
    expect(panel(log)).to_contain_text(NOTHING)
    earlier = (datetime.now(UTC) - timedelta(minutes=58, seconds=30)).isoformat(timespec="milliseconds")
    site.log(ledger, actor={"type": "user", "id": "usr_g", "name": "Gus"}, occurred_at=earlier.replace("+00:00", "Z"))
    site.log(ledger, actor={"type": "user", "id": "usr_f", "name": "Fay"})
    site.sign(ledger)
    log.root.get_by_role("button", name="Check now").click()
    for name in ("Gus", "Fay"):
        expect(log.rows().filter(has_text=name)).to_have_count(1)
    expect(summary(log)).to_have_text(re.compile("Proven up to entry"))
    expect(panel_text(log)).to_contain_text(NOTHING)


def panel_text(log: Log) -> Locator:
    return log.root.get_by_role("region", name="The whole log")


# --- of what nothing is claimed


@pytest.mark.parametrize("query", ["-category=auth", "q=document", "-actor_id=usr_Ada", "action=document.*"])
def test_of_a_part_of_the_log_nothing_is_claimed(site: Site, visitor: Visitor, ledger: str, query: str) -> None:
    visitor.context.route(LIST, withheld(["Cleo"]))
    log = look(site, visitor, ledger, query)
    expect(panel(log)).to_contain_text(PART)
    expect(summary(log)).to_have_text(re.compile("Proven up to entry"))
    assert asked_for(visitor) == []


@pytest.mark.parametrize(
    "asks",
    [{"role": "member", "actor": {"id": "usr_Ada"}}, {"filter": {"actor_id": ["usr_Ada", "usr_Emil"]}}],
    ids=["a member", "a filter"],
)
def test_to_whoever_sees_a_part_nothing_is_claimed(
    site: Site, visitor: Visitor, ledger: str, asks: dict[str, object]
) -> None:
    changed = site.api.patch(f"/api/tenants/{ledger}", json={"settings": {"member_access": True}})
    assert changed.status_code == 200, changed.text
    log = look(site, visitor, ledger, asks=asks)
    expect(log.rows().filter(has_text="Ada")).not_to_have_count(0)
    expect(panel(log)).to_contain_text(PART)
    assert asked_for(visitor) == []
