"""Every string of an event is somebody else's: it is shown as it is written, and does nothing, wherever it stands."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import expect

from tests.viewer.conftest import Visitor
from tests.viewer.hosting import Site
from tests.viewer.log import Log

EVIL = "evil.example"


def evil(place: str) -> str:
    """Markup that would tell where it was taken for markup."""
    return (
        f"{place}<img src=//{EVIL}/{place} onerror=hacked('{place}')><script>hacked('{place}')</script>"
        f"\"'><svg onload=hacked('{place}')><a href=\"javascript:hacked('{place}')\">x</a></style><iframe srcdoc=x>"
    )


# As names of fields, which are shorter.
KEY = "<img src=x onerror=hacked('key')>"
FORMULAS = ('=HYPERLINK("//evil.example")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1", "a;=1", "＝1+1")

EVENT = {
    "action": "user.role_changed",
    "actor": {
        "type": "user",
        "id": "javascript:hacked('id')",
        "name": evil("name"),
        "email": evil("email"),
        "impersonator": {
            "id": evil("by-id"),
            "name": evil("by-name"),
            "email": evil("by-mail"),
            "reason": evil("reason"),
        },
    },
    "targets": [
        {"type": "user", "id": evil("target-id"), "name": evil("target-name")},
        {"type": "document", "id": "../../evil?x=#", "name": "\u202eevil\u202c {{constructor}} ${alert(1)} <!--lit-->"},
    ],
    "changes": {
        "role": {"from": evil("from"), "to": evil("to")},
        "a_long_text": {
            "from": f"{evil('before')} same words {evil('x')}",
            "to": f"{evil('after')} same words {evil('x')}",
        },
        KEY: {"from": {KEY: evil("deep")}, "to": [evil("list")]},
    },
    "context": {
        "ip_address": "<b>1.2.3.4</b>",
        "user_agent": evil("agent"),
        "session_id": evil("session")[:200],
        "request_id": evil("request")[:200],
    },
    "metadata": {
        "note": evil("note"),
        KEY: {KEY: [evil("nested"), {KEY: evil("deeper")}]},
        "url": "javascript:hacked('url')",
    },
}

# What may not be made of any of it: elements that no part of the viewer has.
FOREIGN = "script, iframe, a[href^='javascript' i], [onerror], [onload], object, embed, b, [srcdoc]"


@pytest.fixture
def victim(site: Site, visitor: Visitor, tenant: str) -> Iterator[Log]:
    """The log of a tenant whose every word is hostile; whatever was run, asked for or made is found at the end."""
    site.log(tenant, **EVENT)
    site.log(
        tenant,
        action=f"evil.{KEY}"[:100],
        actor={"type": "api_key", "id": KEY, "name": evil("key-name")},
        targets=[{"type": "x.<img/src=x>"}],
    )
    for number, formula in enumerate(FORMULAS):
        site.log(tenant, actor={"type": "user", "id": f"usr_{number}", "name": formula}, metadata={"note": formula})
    site.sign(tenant)
    visitor.context.add_init_script("window.hacks = []; window.hacked = (place) => hacks.push(place)")
    log = visitor.open(site.page(site.element(tenant, vkey=site.vkey(tenant), url_state="")))
    expect(log.rows().first).to_be_visible()
    yield log
    for page in visitor.context.pages:
        assert page.evaluate("window.hacks") == []
        assert Log(page).root.locator(FOREIGN).count() == 0
    assert {urlsplit(url).netloc for url in visitor.asked} <= {
        urlsplit(a).netloc for a in (site.address, site.host.address)
    } | {""}


def test_an_event_is_shown_as_it_is_written(victim: Log) -> None:
    """In the row, the details, the raw JSON and the proof; to the letter."""
    row = victim.rows().filter(has_text=evil("name")).first
    row.get_by_role("button").first.click()
    details = row.get_by_label("Event details", exact=True).first
    for fold in ("Raw JSON", "Around this time"):
        details.get_by_text(fold, exact=True).click()
    for place in ("name", "email", "by-name", "reason", "target-name", "from", "to", "agent", "note", "nested"):
        expect(details).to_contain_text(evil(place))
    for place in ("deep", "list"):
        expect(details).to_contain_text(json.dumps(evil(place)))
    expect(details.locator("img")).to_have_count(0)
    expect(victim.prove(row)).to_contain_text(f"by-name<img src=//{EVIL}/by-name")


def test_what_is_chosen_from_is_shown_as_it_is_written(victim: Log) -> None:
    """Facets, filters, suggestions, chips, and what was not found."""
    expect(victim.facets.get_by_text(evil("name"))).to_be_visible()
    victim.facets.get_by_role("checkbox", name=evil("name")).check()
    expect(victim.filters).to_contain_text(evil("name"))
    victim.root.get_by_role("button", name="Add filter", exact=True).click()
    victim.root.get_by_role("option", name="Target", exact=True).click()
    expect(victim.root.get_by_role("option", name=evil("target-name"))).to_be_visible()
    victim.page.keyboard.press("Escape")
    victim.page.keyboard.press("Escape")
    victim.box.click()
    victim.box.press_sequentially("actor:name<")
    expect(victim.root.get_by_role("listbox", name="Suggestions")).to_contain_text(evil("name"))
    victim.box.press("Escape")
    victim.search(f'"{evil("nothing").replace(chr(34), "")}"')
    expect(victim.root.get_by_role("heading", name="No events found")).to_be_visible()


def test_values_in_the_details_filter_by_what_is_written(victim: Log) -> None:
    row = victim.rows().filter(has_text=evil("name")).first
    row.get_by_role("button").first.click()
    who = row.get_by_label("Acting as", exact=True)
    who.get_by_role("button", name="Only javascript:hacked('id')").click()
    expect(victim.filters).to_contain_text(evil("name"))
    expect(victim.rows()).to_have_count(1)


def test_names_of_saved_views_are_shown_as_they_are_written(victim: Log, site: Site, tenant: str) -> None:
    name = evil("view")[:100]
    body = {"name": name, "query": "outcome=success", "shared": True}
    site.api.post("/api/audit-log/views", params={"tenant_id": tenant}, json=body).raise_for_status()
    victim.root.get_by_role("button", name="Saved views").click()
    victim.root.get_by_role("button", name=name, exact=True).click()
    expect(victim.root.get_by_role("button", name=f"Saved views: {name}")).to_be_visible()


@pytest.mark.parametrize(
    "name", ["q", "action", "actor_id", "changes.<img src=x>.to", "-target_type", "since", "event", "outcome"]
)
def test_an_address_that_somebody_made_runs_nothing(victim: Log, visitor: Visitor, name: str) -> None:
    visitor.expects("status of 4(04|22)", "CORS", "net::ERR_FAILED")
    victim.page.goto(f"{victim.page.url.partition('?')[0]}?{quote(name)}={quote(evil('q'))}")
    expect(victim.root.get_by_role("combobox", name="Search the audit log")).to_be_visible()
    victim.page.wait_for_timeout(500)


def test_a_picture_is_asked_for_where_the_host_says_and_nowhere_else(
    victim: Log, visitor: Visitor, site: Site, tenant: str
) -> None:
    """An id is a part of the path, whatever it says."""
    expect(victim.rows().first).to_be_visible()
    visitor.expects("status of 404 .*/people/")
    site.log(tenant, actor={"type": "user", "id": f"../../{EVIL}/?#", "name": "Up"})
    log = visitor.open(
        site.page(site.element(tenant, avatar_url=f"{site.host.address}/people/{{id}}.png"), path="/pictures")
    )
    expect(log.rows().first).to_be_visible()
    log.page.wait_for_timeout(500)
    pictures = [url for url in visitor.asked if "/people/" in url]
    assert f"{site.host.address}/people/{quote(f'../../{EVIL}/?#', safe='')}.png" in pictures
    assert all(re.fullmatch(r"/people/[^/]+\.png", urlsplit(url).path) for url in pictures)


def test_a_spreadsheet_runs_nothing_of_the_file(victim: Log) -> None:
    """What begins like a formula is text in each cell, as a spreadsheet of any country cuts them."""
    panel = victim.panel("Export")
    with victim.page.expect_download() as saved:
        panel.get_by_role("button", name="Export", exact=True).click()
    text = saved.value.path().read_bytes().decode("utf-8-sig")
    for delimiter in ",;\t":
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            for cell in row:
                assert not re.match(r"\s*[=+@＝＋－＠]|\s*-(?!\d+$)", cell), cell
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    names = {row["actor_name"] for row in rows}
    assert {evil("name"), '\'=HYPERLINK("//evil.example")'} <= names
