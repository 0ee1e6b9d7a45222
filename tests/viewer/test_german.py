"""The viewer in German: what the service tells is German too, and changes with the language."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.viewer.conftest import Visitor
from tests.viewer.hosting import MARCUS, Site

GERMAN = "Sarah Chen hat die Rolle von Alex Roman von Mitglied auf Admin geändert"
ENGLISH = "Sarah Chen changed Alex Roman from Member to Admin"


def test_a_german_reader_reads_no_english(site: Site, visitor: Visitor, tenant: str) -> None:
    """Rows, details, facets, filters and suggestions; then English, as soon as the page says so."""
    site.log(
        tenant,
        action="user.role_changed",
        actor={"type": "user", "id": "usr_7", "name": "Sarah Chen"},
        targets=[{"type": "user", "id": "usr_9", "name": "Alex Roman"}],
        changes={"role": {"from": "member", "to": "admin"}},
    )
    site.sign(tenant)
    log = visitor.open(site.page(site.element(tenant, asks={"actor": MARCUS}, locale="de-CH")))
    root = log.root
    feed = root.get_by_role("feed")
    row = feed.get_by_role("article", name=GERMAN)
    expect(row).to_be_visible()
    expect(row.locator("strong")).to_have_text(["Sarah Chen", "Alex Roman"])

    row.get_by_role("button").first.click()
    expect(row.get_by_text(re.compile("^Rolle geändert"))).to_be_visible()
    expect(row.get_by_text("user.role_changed", exact=True)).to_be_visible()
    row.get_by_role("button").first.click()

    facet = root.get_by_role("checkbox", name=re.compile("^Rolle geändert"))
    expect(facet).to_be_visible()
    facet.check()
    chip = root.get_by_role("list", name="Filter").get_by_role("listitem").first
    expect(chip).to_contain_text("Rolle geändert")
    expect(feed.get_by_role("article")).to_have_count(1)

    box = root.get_by_role("combobox").first
    box.fill("Roll")
    expect(root.get_by_role("option", name=re.compile("Rolle geändert")).first).to_be_visible()
    box.fill("geändert")
    box.press("Enter")
    expect(row).to_be_visible()

    log.page.locator("audit-log").evaluate("log => log.setAttribute('locale', 'en')")
    expect(log.sentence(ENGLISH)).to_be_visible()
    expect(log.facets.get_by_role("checkbox", name=re.compile("^User role changed"))).to_be_visible()
