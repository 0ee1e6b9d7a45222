"""Who looks, and what they may: members, those who take a file along, and those who use no mouse."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from indelible.cli.demo import TENANT
from tests.viewer.conftest import Visitor
from tests.viewer.hosting import TOMAS, Site
from tests.viewer.log import Log

SUSPENDED = "Marcus Adeyemi suspended Tomas Varga: signed in from an address that is not his"


# --- members


@pytest.fixture
def member(site: Site, visitor: Visitor, tenant: str) -> Log:
    """Tomas, a member, who is shown changes alone besides who did what to whom."""
    context = {"ip_address": "203.0.113.7", "session_id": "s-1", "user_agent": "Lynx"}
    site.log(
        tenant, context=context, metadata={"note": "secret"}, targets=[{"type": "document", "id": "d", "name": "Plan"}]
    )
    site.log(tenant, actor={"type": "user", "id": "usr_9", "name": "Somebody Else"})
    settings = {"member_access": True, "member_sees": ["changes"]}
    site.api.patch(f"/api/tenants/{tenant}", json={"settings": settings}).raise_for_status()
    site.sign(tenant)
    asks = {"role": "member", "actor": TOMAS, "can_export": False}
    log = visitor.open(site.page(site.element(tenant, vkey=site.vkey(tenant), asks=asks)))
    expect(log.rows().first).to_be_visible()
    return log


def test_members_see_their_own_events_alone(member: Log) -> None:
    member.search("action:document.shared")
    expect(member.rows()).to_have_count(1)
    expect(member.feed).not_to_contain_text("Somebody Else")
    member.search("else")
    expect(member.root.get_by_role("heading", name="No events found")).to_be_visible()


def test_what_members_are_not_shown_is_said_and_not_proven(member: Log) -> None:
    """Neither in the details nor by the lock does it look as if there were nothing."""
    member.search("action:document.shared")
    expect(member.rows()).to_have_count(1)
    row = member.rows().first
    expect(member.lock(row)).to_have_accessible_name(
        "Proven, but for what you are not shown; not checkable by you: "
        "context (address, browser, session, request), details"
    )
    row.get_by_role("button").first.click()
    details = row.get_by_label("Event details", exact=True).first
    expect(details.get_by_label("Where", exact=True).get_by_text("Not shown to you").first).to_be_visible()
    for secret in ("203.0.113.7", "Lynx", "secret"):
        expect(details).not_to_contain_text(secret)
    panel = member.prove(row)
    expect(panel).to_contain_text("Not shown to you, and so not checkable by you: 2 parts of what was sealed.")


def test_members_are_offered_nothing_that_is_not_theirs(member: Log) -> None:
    expect(member.menu()).to_have_text(["Proof and evidence…", "Keyboard shortcuts"])
    member.page.keyboard.press("Escape")
    member.root.get_by_role("button", name="Saved views").click()
    member.root.get_by_role("button", name="Save this view").click()
    expect(member.root.get_by_role("textbox", name="Name")).to_be_visible()
    expect(member.root.get_by_role("checkbox", name="For everybody")).to_have_count(0)


def test_where_members_may_not_read_it_says_so(site: Site, visitor: Visitor, member: Log, tenant: str) -> None:
    """Also with a token that is out already."""
    visitor.expects("status of 403")
    site.api.patch(f"/api/tenants/{tenant}", json={"settings": {"member_access": False}}).raise_for_status()
    log = visitor.open(member.page.url)
    expect(log.root.get_by_role("heading", name="No access")).to_be_visible()
    expect(log.root.get_by_text("Only administrators may read this audit log.")).to_be_visible()


# --- files


def take(log: Log, kind: str, into: Path) -> Path:
    panel = log.panel("Export")
    panel.get_by_role("radio", name=kind).check()
    with log.page.expect_download() as saved:
        panel.get_by_role("button", name="Export", exact=True).click()
    expect(panel.get_by_role("status")).to_contain_text(f"saved as {saved.value.suggested_filename}")
    path = into / saved.value.suggested_filename
    saved.value.save_as(path)
    return path


def test_json_lines_are_what_the_api_says(site: Site, visitor: Visitor, tmp_path: Path) -> None:
    """All pages of some thousand events, each as the API gives it, in its order."""
    log = visitor.open(site.page(site.element(TENANT)))
    log.search("category:data since:60d")
    expect(log.rows().first).to_be_visible()
    path = take(log, "JSON Lines", tmp_path)
    expected = site.find(TENANT, category="data", since="60d")
    assert len(expected) > 1000
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {name: value for name, value in event.items() if name not in {"entry", "disclosures"}} for event in expected
    ]
    assert path.name.startswith("audit-log-northwind-20")
    assert path.suffix == ".jsonl"


def test_csv_is_what_the_api_says(site: Site, visitor: Visitor, tmp_path: Path) -> None:
    """As a spreadsheet reads it: a row for each event, every value in its column."""
    log = visitor.open(site.page(site.element(TENANT)))
    log.search("target:usr_03 since:20d -action:audit_log.*")
    expected = site.find(TENANT, target_id="usr_03", since="20d", q="-action:audit_log.*")
    log.expect_sentences(*(event["sentence"] for event in expected))
    path = take(log, "CSV", tmp_path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["sentence"] for row in rows] == [event["sentence"] for event in expected]
    for row, event in zip(rows, expected, strict=True):
        assert {name: row[name] for name in ("id", "action", "occurred_at", "recorded_at", "leaf_hash", "outcome")} == {
            name: event[name] for name in ("id", "action", "occurred_at", "recorded_at", "leaf_hash", "outcome")
        }
        assert row["seq"] == str(event["seq"])
        assert row["actor_name"] == event["actor"]["name"]
        assert row["impersonator_reason"] == event["actor"].get("impersonator", {}).get("reason", "")
        assert row["ip_address"] == event.get("context", {}).get("ip_address", "")
        for group in ("targets", "changes", "metadata"):
            given: Any = json.loads(row[group]) if row[group] else None
            assert given == (event.get(group) or None)


def test_who_may_not_export_is_not_offered_it(site: Site, visitor: Visitor) -> None:
    log = visitor.open(site.page(site.element(TENANT, asks={"can_export": False})))
    expect(log.rows().first).to_be_visible()
    expect(log.menu()).to_have_text(["Proof and evidence…", "Keyboard shortcuts"])


# --- keys


def test_everything_by_keyboard(site: Site, visitor: Visitor) -> None:
    """From Tab to Tab: nobody loses their place, and the focus can always be seen to be somewhere."""
    log = visitor.open(site.page(site.element(TENANT)))
    keyboard = log.page.keyboard
    expect(log.rows().first).to_be_visible()
    for _ in range(80):
        keyboard.press("Tab")
        if log.rows().locator(".row-open:focus").count():
            break
    openers = log.rows().locator(".row-open")
    expect(openers.first).to_be_focused()
    keyboard.press("/")
    expect(log.box).to_be_focused()
    keyboard.type("target:usr_03 -action:audit_log.*")
    keyboard.press("Enter")
    expect(log.sentence(SUSPENDED)).to_be_visible()
    expect(log.box).to_be_focused()
    for _ in range(80):
        keyboard.press("Tab")
        if log.rows().locator(".row-open:focus").count():
            break
    expect(openers.first).to_be_focused()
    keyboard.press("j")
    keyboard.press("j")
    expect(openers.nth(2)).to_be_focused()
    keyboard.press("k")
    expect(openers.nth(1)).to_be_focused()
    keyboard.press("Enter")
    expect(openers.nth(1)).to_have_attribute("aria-expanded", "true")
    expect(openers.nth(1)).to_be_focused()
    keyboard.press("Tab")
    expect(openers.nth(1)).not_to_be_focused()
    keyboard.press("Escape")
    expect(openers.nth(1)).to_have_attribute("aria-expanded", "false")
    expect(openers.nth(1)).to_be_focused()
    keyboard.press("End")
    expect(openers.last).to_be_focused()
    keyboard.press("Home")
    expect(openers.first).to_be_focused()


def test_a_panel_gives_the_focus_back(site: Site, visitor: Visitor) -> None:
    log = visitor.open(site.page(site.element(TENANT)))
    more = log.root.get_by_role("button", name="More", exact=True)
    more.focus()
    log.page.keyboard.press("Enter")
    items = log.root.get_by_role("menuitem")
    expect(items).to_have_text([re.compile(name) for name in ("Export", "Proof", "Keyboard")])
    log.page.keyboard.press("Home")
    expect(items.first).to_be_focused()
    log.page.keyboard.press("ArrowDown")
    log.page.keyboard.press("Enter")
    panel = log.root.get_by_role("dialog", name="Proof and evidence")
    expect(panel).to_be_visible()
    expect(panel.locator(":focus")).to_have_count(1)
    log.page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(more).to_be_focused()


def test_the_histogram_by_keyboard(site: Site, visitor: Visitor) -> None:
    log = visitor.open(site.page(site.element(TENANT, query="ip=192.0.2.66")))
    bars = log.root.get_by_role("slider", name="Events over time")
    expect(bars).to_have_attribute("aria-valuetext", re.compile(r"\d+ events?$"))
    bars.focus()
    log.page.keyboard.press("Home")
    first = bars.get_attribute("aria-valuetext")
    log.page.keyboard.press("Shift+ArrowRight")
    log.page.keyboard.press("Shift+ArrowRight")
    assert bars.get_attribute("aria-valuetext") != first
    log.page.keyboard.press("Enter")
    expect(log.root.get_by_role("button", name="Reset time")).to_be_visible()
