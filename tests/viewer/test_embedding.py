"""In other people's pages: stylesheets that spare nothing, policies that allow nothing, and a page of our own."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import expect

from indelible.cli.demo import TENANT
from tests.viewer.conftest import Visitor
from tests.viewer.hosting import Site
from tests.viewer.log import Log

SUSPENDED = "Marcus Adeyemi suspended Tomas Varga: signed in from an address that is not his"
PROVEN = "Proven: this is what was sealed"
UNPINNED = "Consistent, but nobody pinned the key"

HOSTILE = """<style>
* { font: italic 900 41px/3 fantasy !important; letter-spacing: 1em !important; text-transform: uppercase !important;
    color: yellow !important; background: yellow !important; text-indent: 9em !important; word-spacing: 2em !important;
    text-align: right !important; white-space: pre !important; cursor: none !important; direction: rtl !important;
    user-select: none !important; list-style: square !important; word-break: break-all !important;
    quotes: none !important; border-collapse: collapse !important; text-shadow: 9px 9px red !important;
    visibility: hidden; pointer-events: none; }
body > * { margin: 1em !important; padding: 1em !important; border: 9px dashed red !important;
    box-sizing: content-box !important; overflow: visible !important; }
audit-log *, audit-log::before, audit-log::after { display: none !important; content: "x"; }
button, input, dialog, article, section, header, svg, ul, li { display: none !important; opacity: 0 !important;
    float: right !important; position: static !important; transform: scale(9) !important; }
html { font-size: 9px !important; }
</style>"""


def test_a_hostile_stylesheet_reaches_nothing_inside(site: Site, visitor: Visitor) -> None:
    """Whatever a host's `*` says, events can be read, opened and asked for."""
    body = f"<div>{site.element(TENANT, vkey=site.vkey(TENANT))}</div>"
    log = visitor.open(site.page(body, head=HOSTILE))
    log.search("action:user.suspended")
    opener = log.sentence(SUSPENDED)
    expect(opener).to_be_visible()
    for name, value in {
        "letter-spacing": "normal", "text-transform": "none", "word-spacing": "0px", "text-indent": "0px",
        "font-style": "normal", "visibility": "visible", "pointer-events": "auto", "white-space": "normal",
        "text-align": "start", "float": "none", "opacity": "1", "user-select": "text",
    }.items():  # fmt: skip
        expect(opener).to_have_css(name, value)
    assert opener.evaluate("(one) => getComputedStyle(one).color") != "rgb(255, 255, 0)"
    details = log.open(SUSPENDED)
    expect(details.get_by_label("Who", exact=True)).to_be_visible()
    details.get_by_role("button", name="Same target").click()
    log.expect_filters("Target is Tomas Varga")


POLICY = (
    "default-src 'none'; script-src {service}; connect-src {service}; style-src 'none'; base-uri 'none';"
    " form-action 'none'; require-trusted-types-for 'script'; trusted-types lit-html"
)


def test_it_works_under_the_strictest_policy(site: Site, visitor: Visitor) -> None:
    """Nothing is refused by it: every part of the viewer is opened once, and each violation would fail the test."""
    policy = POLICY.format(service=site.address)
    page = site.page(
        site.element(TENANT, vkey=site.vkey(TENANT), url_state="", asks={"can_manage_keys": True}),
        content_security_policy=policy,
    )
    log = visitor.open(page)
    log.search("action:user.suspended")
    expect(log.lock(log.row(SUSPENDED))).to_have_accessible_name(PROVEN)
    details = log.open(SUSPENDED)
    details.get_by_text("Raw JSON", exact=True).click()
    details.get_by_text("Around this time", exact=True).click()
    log.root.get_by_role("button", name="What can I type?").click()
    log.page.keyboard.press("Escape")
    log.filter("Outcome", "Success")
    log.range.click()
    log.page.keyboard.press("Escape")
    log.root.get_by_role("button", name="Saved views").click()
    log.page.keyboard.press("Escape")
    log.root.get_by_role("slider", name="Events over time").hover()
    for name in ("Export", "API keys", "Proof and evidence"):
        panel = log.panel(name)
        expect(panel).to_be_visible()
        panel.get_by_role("button", name="Close").click()
    with log.page.expect_download() as saved:
        log.panel("Export").get_by_role("button", name="Export", exact=True).click()
    assert saved.value.suggested_filename.startswith("audit-log-northwind-")


def test_a_script_that_is_not_the_pinned_one_is_not_run(site: Site, visitor: Visitor) -> None:
    visitor.expects("integrity", "Failed to find a valid digest")
    body = site.element(TENANT)
    address = site.page(body)
    html, headers = site.host.pages["/"]
    site.host.pages["/"] = (re.sub("sha384-.{8}", "sha384-AAAAAAAA", html), headers)
    log = visitor.open(address)
    log.page.wait_for_timeout(300)
    assert not log.page.evaluate("!!customElements.get('audit-log')")


def test_the_page_of_another_origin_gets_nothing(site: Site, visitor: Visitor) -> None:
    """`localhost` is none of the origins that the service was told of."""
    visitor.expects("CORS", "Failed to load resource")
    address = site.page(site.element(TENANT)).replace("127.0.0.1", "localhost")
    log = visitor.open(address)
    expect(log.root.get_by_role("heading", name="No connection")).to_be_visible()


def nobody_renews(log: Log) -> None:
    """The viewer waits for a while for another token; this while is let pass."""
    ended = log.root.get_by_role("heading", name="Your session has ended")
    for _ in range(30):
        log.page.clock.fast_forward(1000)
        log.page.wait_for_timeout(50)
        if ended.is_visible():
            return
    expect(ended).to_be_visible()


# --- the page of our own


def test_the_hosted_page_takes_the_token_out_of_the_address(site: Site, visitor: Visitor) -> None:
    """It is in no address that the browser keeps, and in none that it asks for; a reload keeps the session."""
    token = site.token(TENANT)
    log = visitor.open(f"{site.address}/viewer#token={token}")
    log.search("action:user.suspended")
    expect(log.lock(log.row(SUSPENDED))).to_have_accessible_name(UNPINNED)
    assert log.page.url == f"{site.address}/viewer?q=action%3Auser.suspended"
    log.page.reload()
    expect(log.lock(log.row(SUSPENDED))).to_have_accessible_name(UNPINNED)
    log.page.go_back()
    assert "token" not in log.page.evaluate("JSON.stringify([location.href, history.state])")
    assert not [url for url in visitor.asked if token in urlsplit(url).query + urlsplit(url).path]


def test_the_hosted_page_is_not_told_by_a_link_which_key_proves_the_log(site: Site, visitor: Visitor) -> None:
    """Anybody can make one. It also takes what another link has when it is open already."""
    visitor.expects("status of 401")
    token = site.token(TENANT)
    log = visitor.open(f"{site.address}/viewer#token={token}&vkey={quote(site.vkey(TENANT))}")
    log.search("action:user.suspended")
    expect(log.lock(log.row(SUSPENDED))).to_have_accessible_name(UNPINNED)
    log.page.evaluate("location.hash = 'token=x'")
    log.page.wait_for_function("location.hash === ''")
    assert log.page.evaluate("Object.entries(sessionStorage)") == [["token", "x"]]


def test_the_hosted_page_without_a_token_says_where_to_go(site: Site, visitor: Visitor) -> None:
    page = visitor.open(f"{site.address}/viewer").page
    expect(page.get_by_role("link", name="Open it from there.")).to_have_attribute("href", f"{site.host.address}/again")
    expect(page.locator("audit-log")).to_have_count(0)


def test_the_hosted_page_leads_back_when_the_token_has_ended(site: Site, visitor: Visitor) -> None:
    visitor.expects("status of 401")
    log = visitor.open(f"{site.address}/viewer#token=e30.{'e' * 40}.x", clock=True)
    nobody_renews(log)
    link = log.root.get_by_role("link", name="Sign in again")
    expect(link).to_have_attribute("href", f"{site.host.address}/again")


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,<script>alert(1)</script>"])
def test_a_sign_in_link_is_only_ever_an_address(site: Site, visitor: Visitor, link: str) -> None:
    """It is the host's own attribute; that a host fills it from its own query must open nothing."""
    visitor.expects("status of 401")
    log = visitor.open(site.page(site.element(TENANT, token="x.y.z", sign_in=link)), clock=True)
    nobody_renews(log)
    expect(log.root.get_by_role("link", name="Sign in again")).to_have_count(0)


# As in Safari, where a button that is pressed does not take the focus: what is around it does.
SAFARI = """<script>addEventListener('mousedown', (event) => {
  if (!event.composedPath().some(({ localName }) => localName === 'button')) return;
  event.preventDefault();
  document.querySelector('main').focus();
}, true);</script>"""


@pytest.mark.parametrize("head", ["", SAFARI], ids=["as it is", "as in Safari"])
def test_what_is_open_stays_so_where_the_page_takes_the_focus(site: Site, visitor: Visitor, head: str) -> None:
    """Pages that move the focus to their content have it in something like <main tabindex="-1">."""
    log = visitor.open(site.page(f'<main tabindex="-1">{site.element(TENANT)}</main>', head=head))
    expect(log.rows().first).to_be_visible()
    log.range.click()
    popup = log.root.get_by_role("dialog", name="Time range")
    popup.get_by_role("heading").click()
    expect(popup).to_be_visible()
    popup.get_by_role("button", name="Last 30 days").click()
    expect(log.range).to_contain_text("Last 30 days")
    items = log.menu()
    expect(items.first).to_be_visible()
    log.root.get_by_role("button", name="More", exact=True).click()
    expect(items).to_have_count(0)
    log.menu().filter(has_text="Proof and evidence").click()
    expect(log.root.get_by_role("dialog", name="Proof and evidence")).to_be_visible()


@pytest.mark.parametrize(
    ("color", "scheme"),
    [
        ("rgb(230, 230, 240)", "dark"),
        ("#222", "light"),
        ("oklch(0.95 0.01 260)", "dark"),
        ("oklch(0.3 0.02 260)", "light"),
        ("lab(90 2 3)", "dark"),
        ("color(display-p3 0.9 0.9 0.9)", "dark"),
        ("color-mix(in srgb, black 90%, white)", "light"),
    ],
)
def test_light_text_around_it_means_a_dark_page(site: Site, visitor: Visitor, color: str, scheme: str) -> None:
    """However the colour is written: browsers keep the space that it was given in."""
    log = visitor.open(site.page(site.element(TENANT), head=f"<style>body {{ color: {color} }}</style>"))
    expect(log.root).to_have_css("color-scheme", scheme)
