"""What stands in the page's address, and what is kept: a place can be sent, gone back to, and found by its name."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from playwright.sync_api import expect

from indelible.cli.demo import TENANT
from tests.viewer.conftest import Visitor
from tests.viewer.hosting import Site
from tests.viewer.log import Log

SUSPENDED = "Marcus Adeyemi suspended Tomas Varga: signed in from an address that is not his"


def asked(log: Log) -> dict[str, list[str]]:
    return parse_qs(urlsplit(log.page.url).query)


@pytest.fixture
def log(site: Site, visitor: Visitor) -> Log:
    return visitor.open(site.page(site.element(TENANT, url_state="")) + "?of=the+host%27s")


def test_a_place_is_in_the_address_and_survives_a_reload(log: Log) -> None:
    """Query and open event; what is the host's stays as it is."""
    log.filter("Action", "User suspended")
    log.open(SUSPENDED)
    place = asked(log)
    assert (place["of"], place["action"]) == (["the host's"], ["user.suspended"])
    assert "of=the+host%27s" in log.page.url
    log.page.reload()
    log.expect_filters("Action is User suspended")
    expect(log.sentence(SUSPENDED)).to_have_attribute("aria-expanded", "true")
    assert asked(log) == place


def test_the_back_button_goes_back_one_question_at_a_time(log: Log) -> None:
    log.facet("Failure").check()
    log.expect_filters("Outcome is Failure")
    log.search("actor:usr_03 action:user.sign_in_failed")
    expect(log.rows().first).to_contain_text("Tomas Varga failed to sign in")
    log.rows().first.get_by_role("button").first.click()
    assert asked(log)["event"]
    log.page.go_back()
    expect(log.box).to_have_value("")
    log.expect_filters("Outcome is Failure")
    assert "q" not in asked(log)
    assert "event" not in asked(log)
    log.page.go_back()
    expect(log.filters).to_be_hidden()
    log.page.go_forward()
    log.expect_filters("Outcome is Failure")


def test_a_link_to_one_event_shows_it_wherever_it_stands(site: Site, visitor: Visitor) -> None:
    """Also one of weeks ago, which is none of the first rows; and says so where there is none."""
    (event,) = site.find(TENANT, action="user.suspended", since="20d")
    address = site.page(site.element(TENANT, url_state="log."))
    log = visitor.open(f"{address}?log.event={event['id']}")
    linked = log.root.get_by_role("region", name="Linked event")
    expect(linked.get_by_role("button", name=SUSPENDED, exact=True)).to_be_visible()
    linked.get_by_role("button", name="Close the linked event").click()
    expect(linked).to_be_hidden()
    assert "event" not in log.page.url
    visitor.expects("status of 404")
    log = visitor.open(f"{address}?log.event=0192f0c4-0000-7000-8000-000000000000")
    expect(log.root.get_by_role("region", name="Linked event")).to_contain_text("There is no such event")


@pytest.mark.parametrize(
    "junk", ["q=%FF%00&event=%3Cimg%3E", "since=never&outcome=&severity=none", "event=../../x&q=%22"]
)
def test_an_address_that_nobody_wrote_shows_what_is_wrong_with_it(site: Site, visitor: Visitor, junk: str) -> None:
    visitor.expects("status of 4(22|04|00)", "CORS", "net::ERR_FAILED")
    log = visitor.open(f"{site.page(site.element(TENANT, url_state=''))}?{junk}")
    # Of what is wrong, not the chips' own, which leaves the words and the time.
    log.root.locator("audit-log-list").get_by_role("button", name=re.compile("^Clear")).click()
    expect(log.rows().first).to_be_visible()


def test_two_logs_on_a_page_have_nothing_to_do_with_each_other(site: Site, visitor: Visitor, tenant: str) -> None:
    """Other tenants, other tokens, other places in the address; and no id or label twice."""
    site.log(tenant, actor={"type": "user", "id": "usr_x", "name": "Xenia"})
    site.sign(tenant)
    ours = site.element(TENANT, url_state="a.", vkey=site.vkey(TENANT))
    theirs = site.element(tenant, url_state="b.", vkey=site.vkey(tenant))
    first = visitor.open(site.page(f"<main>{ours}{theirs}</main>"))
    second = Log(first.page, 1)
    first.filter("Action", "User suspended")
    first.expect_sentences(SUSPENDED)
    second.search("xenia -action:audit_log.*")
    expect(second.rows()).to_have_count(1)
    expect(second.feed).to_contain_text("Xenia")
    expect(second.filters).to_be_hidden()
    expect(first.box).to_have_value("")
    assert dict(parse_qsl(urlsplit(first.page.url).query)) == {
        "a.action": "user.suspended",
        "b.q": "xenia -action:audit_log.*",
    }
    expect(first.lock(first.rows().first)).to_have_accessible_name("Proven: this is what was sealed")
    expect(second.lock(second.rows().first)).to_have_accessible_name("Proven: this is what was sealed")
    tenants = {request for request in visitor.asked if "tenant_id" in request}
    assert tenants == set()

    first.page.keyboard.press("Escape")
    second.box.focus()
    first.page.keyboard.press("Enter")
    first.page.reload()
    first.expect_filters("Action is User suspended")
    expect(second.box).to_have_value("xenia -action:audit_log.*")
    repeated = first.page.evaluate(
        """() => [...document.querySelectorAll('audit-log')].map(({shadowRoot}) => {
             const ids = [...shadowRoot.querySelectorAll('[id]')].map(({id}) => id)
             const named = [...shadowRoot.querySelectorAll('*')].flatMap((one) =>
               ['aria-labelledby', 'aria-describedby', 'aria-controls', 'aria-activedescendant', 'for']
                 .flatMap((name) => one.getAttribute(name)?.split(' ') ?? []))
             return {
               twice: ids.filter((id, at) => ids.indexOf(id) !== at),
               nowhere: named.filter((id) => id && !shadowRoot.getElementById(id)),
             }
           })"""
    )
    assert repeated == [{"twice": [], "nowhere": []}] * 2


def test_a_view_is_saved_chosen_renamed_and_deleted(site: Site, visitor: Visitor, tenant: str) -> None:
    """One's own stays one's own; a shared one is there for the next who looks."""
    site.log(tenant, action="user.suspended")
    site.sign(tenant)
    log = visitor.open(site.page(site.element(tenant)))
    expect(log.rows().first).to_be_visible()
    log.filter("Outcome", "Success")
    saved = log.root.get_by_role("dialog", name="Saved views")
    log.root.get_by_role("button", name="Saved views").click()
    saved.get_by_role("button", name="Save this view").click()
    name = saved.get_by_role("textbox", name="Name")
    expect(name).to_be_focused()
    name.fill("Went well")
    saved.get_by_role("checkbox", name="For everybody who reads this log").check()
    saved.get_by_role("button", name="Save", exact=True).click()
    expect(log.root.get_by_role("button", name="Saved views: Went well")).to_be_visible()
    expect(log.told.filter(has_text="Saved: Went well")).to_be_attached()
    (view,) = site.api.get("/api/audit-log/views", params={"tenant_id": tenant}).json()["data"]
    assert (view["name"], view["query"], view["shared"]) == ("Went well", "outcome=success", True)

    colleague = visitor.open(site.page(site.element(tenant, asks={"actor": {"id": "usr_77"}})))
    colleague.root.get_by_role("button", name="Saved views").click()
    shared = colleague.root.get_by_role("dialog", name="Saved views")
    shared.get_by_role("button", name="Went well", exact=True).click()
    colleague.expect_filters("Outcome is Success")
    expect(shared).to_be_hidden()

    saved.get_by_role("button", name="Rename “Went well”").click()
    name.fill("All fine")
    name.press("Enter")
    expect(log.root.get_by_role("button", name="Saved views: All fine")).to_be_visible()
    saved.get_by_role("button", name="Delete “All fine”").click()
    expect(saved).to_contain_text("Delete “All fine” for everybody?")
    saved.get_by_role("button", name="Delete", exact=True).click()
    expect(saved).to_contain_text("No views are saved yet.")
    assert site.api.get("/api/audit-log/views", params={"tenant_id": tenant}).json()["data"] == []
