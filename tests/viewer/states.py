"""What the viewer can look like: each state, and how it is come by; for what holds in all of them, and for pictures."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import BrowserContext, Page, Route, expect
from psycopg import IntegrityError

from indelible.cli.demo import TENANT
from tests.viewer.hosting import MARCUS, TOMAS, Site
from tests.viewer.log import Log

__all__ = ["STATES", "State", "opened"]

INCIDENT = "target:usr_03 since:20d -action:audit_log.*"
MFA_RESET = "Support agent Dana Whitlock (as Tomas Varga) reset their MFA (ticket 48213)"
EVENTS = re.compile(r"/api/audit-log\?")
HEAD = """<meta name="viewport" content="width=device-width, initial-scale=1"><style>
html { color-scheme: light dark } body { margin: 0; font-family: Inter, "Liberation Sans", Arial, sans-serif }
audit-log { --audit-log-height: 100dvh }</style>"""


@dataclass(frozen=True)
class State:
    name: str
    words: str
    """What is to be seen, a line of the gallery."""
    show: Callable[[Log], None] | None = None
    """What somebody does for it, once `ready`."""
    route: Callable[[Page], None] | None = None
    """Answers that a service does not give when it is asked to."""
    asks: Mapping[str, object] = field(default_factory=dict)
    """Of the token."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Site], None] | None = None
    """What the tenant has to have for it."""
    ready: Callable[[Log], None] = lambda log: expect(log.rows().first).to_be_visible()
    wrong: tuple[str, ...] = ()
    """What the console may say."""
    is_narrow: bool = False
    """It is there on a phone alone."""


def opened(site: Site, context: BrowserContext, state: State, size: tuple[int, int], theme: str = "light") -> Log:
    """A page of its own, of this size, in this state."""
    if state.prepare is not None:
        state.prepare(site)
    with contextlib.suppress(IntegrityError):  # nothing was logged since
        site.sign(TENANT)
    attributes: dict[str, str | None] = {
        "token": _token(site, state.asks),
        "vkey": site.vkey(TENANT),
        "locale": "en-GB",
        "time_zone": "Europe/Berlin",
        "theme": theme,
        **state.attributes,
    }
    element = site.element(TENANT, asks=None, **attributes)
    refuse = "<script>document.querySelector('audit-log').renewToken = async () => null</script>"
    address = site.page(element + refuse, head=HEAD, path=f"/state/{state.name}")
    page = context.new_page()
    page.set_viewport_size({"width": size[0], "height": size[1]})
    if state.route is not None:
        state.route(page)
    page.goto(address)
    log = Log(page)
    state.ready(log)
    if state.show is not None:
        state.show(log)
    page.mouse.move(0, 0)
    return log


_TOKENS: dict[tuple[str, str], str] = {}


def _token(site: Site, asks: Mapping[str, object]) -> str:
    """One for all states that ask for the same: each that is issued is an event."""
    wanted: dict[str, Any] = {"can_manage_keys": True, **asks}
    key = site.address, json.dumps(wanted)
    if key not in _TOKENS:
        _TOKENS[key] = site.token(TENANT, **wanted)
    return _TOKENS[key]


# What somebody does


def _find(log: Log, text: str) -> None:
    with log.page.expect_response(EVENTS):
        log.search(text)
    expect(log.root.locator(".list-frame.old")).to_have_count(0)


def _click(button: str) -> Callable[[Log], None]:
    return lambda log: log.root.get_by_role("button", name=button, exact=True).click()


def _nothing(log: Log) -> None:
    _find(log, "who suspended Marcus? outcome:denied")
    _heading(log)


def _incident(log: Log) -> None:
    _find(log, INCIDENT)
    log.open(MFA_RESET)
    # On a phone its details are below what is in sight.
    log.row(MFA_RESET).evaluate("""(row) => {
      const {top} = row.getBoundingClientRect();
      if (top > innerHeight * 0.7) row.closest('.list-scroller').scrollTop += top - innerHeight / 3;
    }""")
    _proven(log)


def _first_open(log: Log) -> None:
    log.root.get_by_role("article").first.locator(".row-open").click()


def _changes(log: Log) -> None:
    _find(log, "action:workspace.settings_changed ip:192.0.2.66")
    log.rows().locator(".row-open").first.click()
    expect(log.root.get_by_label("Changes", exact=True).first).to_be_visible()
    _proven(log)


def _everything(log: Log) -> None:
    _find(log, INCIDENT)
    details = log.open(MFA_RESET)
    details.get_by_text("Around this time", exact=True).click()
    expect(details.get_by_text("This event", exact=True)).to_be_attached()
    details.get_by_text("Raw JSON", exact=True).click()
    expect(details.get_by_role("group", name="Raw JSON")).to_be_visible()
    details.locator("details").first.evaluate("(fold) => fold.scrollIntoView({block: 'center'})")
    _proven(log)


def _proven(log: Log) -> None:
    expect(log.root.locator(".lock:is(.proven, .altered)").first).to_be_visible()


def _suggestions(log: Log) -> None:
    log.box.click()
    log.box.press_sequentially("tomas")
    expect(log.root.get_by_role("option", name=re.compile("Tomas Varga")).first).to_be_visible()


def _unreadable(log: Log) -> None:
    _find(log, "outcom:denied")
    expect(log.root.get_by_role("alert").first).to_be_visible()


def _filter_values(log: Log) -> None:
    log.root.get_by_role("button", name="Add filter", exact=True).click()
    dialog = log.root.get_by_role("dialog", name="Add filter")
    dialog.get_by_role("option", name="Actor", exact=True).click()
    expect(dialog.get_by_role("option", name=re.compile("Tomas Varga"))).to_be_visible()


def _chips(log: Log) -> None:
    log.facets.get_by_role("button", name="Leave out Data").click(force=True)
    log.facet("Failure").check()
    expect(log.filters.get_by_role("listitem").first).to_be_visible()
    log.root.get_by_role("button", name="Add filter", exact=True).click()
    dialog = log.root.get_by_role("dialog", name="Add filter")
    dialog.get_by_role("option", name="Outcome", exact=True).click()
    dialog.get_by_role("option", name="Denied").click()
    log.page.keyboard.press("Escape")
    log.expect_filters("Category is not Data", "Outcome is Denied or Failure")
    expect(log.root.locator(".list-frame.old")).to_have_count(0)


def _range(log: Log) -> None:
    log.range.click()
    log.root.get_by_label("From", exact=True).fill("7d")
    log.root.get_by_label("To", exact=True).fill("yesterday 14:00")


def _range_wrong(log: Log) -> None:
    log.range.click()
    log.root.get_by_label("From", exact=True).fill("soonish")
    log.root.get_by_role("button", name="Apply").click()


def _views(log: Log) -> None:
    for name, text in (("Failed sign-ins", "outcome:failure since:7d"), ("Who looked at customers", "customers")):
        log.search(text)
        log.root.get_by_role("button", name=re.compile("^Saved views")).click()
        dialog = log.root.get_by_role("dialog", name="Saved views")
        expect(dialog.get_by_text("Loading …")).to_have_count(0)
        if dialog.get_by_role("button", name=name, exact=True).count() == 0:
            dialog.get_by_role("button", name=re.compile("^Save (this|as a new) view$")).click()
            dialog.get_by_role("textbox", name="Name").fill(name)
            if name.startswith("Failed"):
                dialog.get_by_role("checkbox").check()
            dialog.get_by_role("button", name="Save", exact=True).click()
            expect(dialog.get_by_role("button", name=name, exact=True)).to_be_visible()
        log.page.keyboard.press("Escape")
    log.root.get_by_role("button", name=re.compile("^Saved views")).click()
    expect(log.root.get_by_role("button", name="Who looked at customers", exact=True)).to_be_visible()


def _view_naming(log: Log) -> None:
    log.search("outcome:denied")
    log.root.get_by_role("button", name=re.compile("^Saved views")).click()
    log.root.get_by_role("button", name=re.compile("^Save (this|as a new) view$")).click()


def _proof(log: Log) -> None:
    _find(log, INCIDENT)
    _proven(log)
    log.prove(log.row(MFA_RESET))
    expect(log.root.locator(".proof-verdict.proven").first).to_be_visible()


def _ledger(log: Log) -> None:
    _find(log, INCIDENT)
    _proven(log)
    panel = log.panel("Proof and evidence")
    for fold in panel.locator("details").all():
        fold.locator("summary").click()


def _altered(log: Log) -> None:
    altered = log.root.locator(".lock.altered").first
    expect(altered).to_be_visible()
    altered.click()
    expect(log.root.locator(".proof-verdict.altered").first).to_be_visible()


def _left_out(log: Log) -> None:
    told = log.root.get_by_role("button", name=re.compile("left out of the list"))
    told.click()
    expect(log.root.get_by_role("dialog").get_by_text("Left out of the list").first).to_be_visible()


def _panel(name: str) -> Callable[[Log], None]:
    def show(log: Log) -> None:
        expect(log.panel(name)).to_be_visible()

    return show


def _exporting(until: str) -> Callable[[Log], None]:
    def show(log: Log) -> None:
        panel = log.panel("Export")
        panel.get_by_role("button", name="Export", exact=True).click()
        expect(panel.get_by_text(re.compile(until)).first).to_be_visible()

    return show


def _exported(log: Log) -> None:
    _find(log, INCIDENT)
    with log.page.expect_download():
        _exporting("saved as")(log)


def _new_key(log: Log) -> None:
    panel = log.panel("API keys")
    panel.get_by_text("Make a key", exact=True).click()
    panel.get_by_label("Name").fill("SIEM")
    panel.get_by_role("button", name="Make key").click()
    expect(panel.get_by_role("button", name="I have stored it")).to_be_visible()


def _revoking(log: Log) -> None:
    _new_key(log)
    panel = log.root.get_by_role("dialog", name="API keys")
    panel.get_by_role("button", name="I have stored it").click()
    panel.get_by_role("button", name="Revoke SIEM").first.click()


def _bars(log: Log) -> None:
    bars = log.root.get_by_role("slider", name="Events over time")
    bars.focus()
    for _ in range(9):
        bars.press("ArrowLeft")
    for _ in range(6):
        bars.press("Shift+ArrowLeft")


def _linked(log: Log) -> None:
    _find(log, "action:user.suspended since:20d")
    details = log.open("Marcus Adeyemi suspended Tomas Varga: signed in from an address that is not his")
    details.get_by_text("Around this time", exact=True).click()
    details.locator(".neighbours-event").first.click()
    expect(log.root.get_by_text("Linked event")).to_be_visible()


def _facets(log: Log) -> None:
    log.root.get_by_role("button", name=re.compile("^Overview")).click()
    expect(log.root.get_by_role("dialog", name="Overview")).to_be_visible()
    expect(log.root.locator(".facets-count").first).to_be_visible()


# What a service does not do when it is asked to


def _answer(status: int, code: str, detail: str = "", **headers: str) -> Callable[[Page], None]:
    body = json.dumps({"status": status, "code": code, "detail": detail, "errors": []})
    sent = {"access-control-allow-origin": "*", "access-control-expose-headers": "Retry-After", **headers}

    def route(page: Page) -> None:
        page.route(
            re.compile("/api/"),
            lambda asked: asked.fulfill(
                status=status, body=body, headers=sent, content_type="application/problem+json"
            ),
        )

    return route


def _offline(page: Page) -> None:
    page.route(re.compile("/api/"), lambda asked: asked.abort("internetdisconnected"))


def _unanswered(_: Route) -> None:
    """It waits, for as long as the page is there."""


def _silent(page: Page) -> None:
    page.route(re.compile("/api/"), _unanswered)


def _otherwise(change: Callable[[dict[str, Any]], None], asked: re.Pattern[str] = EVENTS) -> Callable[[Page], None]:
    """Pages of events as the service gives them, but for a change."""

    def answer(route: Route) -> None:
        response = route.fetch()
        page = response.json()
        change(page)
        route.fulfill(response=response, json=page)

    def route(page: Page) -> None:
        page.route(asked, answer)

    return route


def _forged(page: dict[str, Any]) -> None:
    event = next(event for event in page["data"] if event["actor"].get("name"))
    name = event["actor"]["name"]
    event["actor"]["name"] = "Priya Raman"
    event["sentence"] = event["sentence"].replace(name, "Priya Raman")


def _without(page: dict[str, Any]) -> None:
    page["data"] = [event for event in page["data"] if event["sentence"] != "Marcus Adeyemi signed out"]


def _none(page: dict[str, Any]) -> None:
    page |= {"data": [], "next_cursor": None}


def _uncounted(counts: dict[str, Any]) -> None:
    counts |= {"total": {"count": 0, "capped": False}, "facets": {name: [] for name in counts["facets"]}}
    for bucket in counts["histogram"]["counts"]:
        bucket["count"] = 0


def _empty(page: Page) -> None:
    _otherwise(_none)(page)
    _otherwise(_uncounted, re.compile("/api/audit-log/facets"))(page)


def _cut(page: dict[str, Any]) -> None:
    page["data"] = page["data"][:7]
    page["partial"] = True


def _later_pages(end: Callable[[Route], None]) -> Callable[[Page], None]:
    """Of an export the first page alone comes."""

    def answer(asked: Route) -> None:
        end(asked) if "cursor=" in asked.request.url else asked.continue_()

    def route(page: Page) -> None:
        page.route(re.compile(r"/api/audit-log\?.*limit=1000"), answer)

    return route


def _heading(log: Log) -> None:
    expect(log.root.locator(".state .heading")).to_be_visible()


def _for_members(site: Site) -> None:
    site.api.patch(f"/api/tenants/{TENANT}", json={"settings": {"member_access": True}}).raise_for_status()


_MEMBER = {"role": "member", "actor": TOMAS, "can_export": False, "can_manage_keys": False}
_FAILED = r"status of \d+|ERR_"

STATES = (
    State("rows", "What happened, newest first, day by day", _proven),
    State("incident", "An incident: support acted as a customer, and is told from him", _incident),
    State("changes", "What was changed, before and after", _changes),
    State("details", "All of one event: what happened around it, and its JSON", _everything),
    State("linked", "An event that a link leads to, above those that were asked for", _linked),
    State("chips", "Filters: one of several values, and what is left out", _chips),
    State("facets", "Filters on a phone", _facets, is_narrow=True),
    State("bars", "A part of the time is chosen in the histogram, by keys", _bars),
    State("suggestions", "Names and values are suggested while one types", _suggestions),
    State("search-help", "What can be typed", _click("What can I type?")),
    State("search-wrong", "A search that cannot be read: where, and what was meant", _unreadable, wrong=(_FAILED,)),
    State("filter", "What can be filtered by", _click("Add filter")),
    State("filter-values", "The values of one filter, several of which may be chosen", _filter_values),
    State("range", "A time is chosen, or typed and read back", _range),
    State("range-wrong", "A time that is none", _range_wrong),
    State("views", "Saved views, one's own and everybody's", _views),
    State("views-save", "A view is saved", _view_naming),
    State("menu", "What else there is", lambda log: log.menu().first.wait_for()),
    State("shortcuts", "The keyboard", lambda log: log.menu().filter(has_text="Keyboard").click()),
    State("proof", "Proven: what the browser checked of one event", _proof),
    State("proof-log", "Proven: the whole log, and how to verify without us", _ledger),
    State("proof-altered", "Altered: what is displayed is not what was sealed", _altered, _otherwise(_forged)),
    State("proof-left-out", "Left out: the list lacks an event that was signed", _left_out, _otherwise(_without)),
    State("export", "An export", _panel("Export")),
    State("export-running", "It is under way", _exporting("of"), _later_pages(_unanswered)),
    State("export-stopped", "It was interrupted, and can go on", _exporting("Interrupted"),
          _later_pages(lambda asked: asked.abort()), wrong=(_FAILED,)),
    State("export-done", "It is saved", _exported),
    State("keys", "A key was made; it is shown once", _new_key),
    State("keys-revoke", "A key is about to be revoked", _revoking),
    State("empty", "Nothing was logged yet", route=_empty, ready=_heading),
    State("nothing", "A question that nothing answers: what was looked for, and what to leave out", _nothing),
    State("skeleton", "The first rows are on their way", route=_silent,
          ready=lambda log: log.root.locator(".skeleton").first.wait_for()),
    State("partial", "A search that was paused", route=_otherwise(_cut)),
    State("offline", "No connection", route=_offline, ready=_heading, wrong=(_FAILED,)),
    State("error", "A fault of the service", route=_answer(500, "internal_error", "something broke here"),
          ready=_heading, wrong=(_FAILED,)),
    State("ended", "The session has ended", route=_answer(401, "unauthorized", "the token has ended"),
          ready=_heading, attributes={"sign_in": "/again"}, wrong=(_FAILED,)),
    State("forbidden", "No permission", route=_answer(403, "missing_scope", "needs events:read"),
          ready=_heading, wrong=(_FAILED,)),
    State("busy", "Too many requests", route=_answer(429, "rate_limited", "60 a minute", **{"retry-after": "30"}),
          ready=_heading, wrong=(_FAILED,)),
    State("member", "What a member sees: their own events", asks=_MEMBER, prepare=_for_members),
    State("german", "In German", _first_open,
          asks={"actor": MARCUS}, attributes={"locale": "de"},
          ready=lambda log: expect(log.root.get_by_role("article").first).to_be_visible()),
)  # fmt: skip
