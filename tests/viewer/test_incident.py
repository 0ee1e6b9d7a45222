"""Who did this? The incident of docs/guide-demo.md, found as people do: by typing, by choosing, by clicking."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from playwright.sync_api import expect

from indelible.cli.demo import TENANT
from tests.viewer.conftest import Visitor
from tests.viewer.hosting import Site
from tests.viewer.log import Log

STRANGER = "192.0.2.66"
SUSPENDED = "Marcus Adeyemi suspended Tomas Varga: signed in from an address that is not his"
MFA_RESET = "Support agent Dana Whitlock (as Tomas Varga) reset their MFA (ticket 48213)"
EXPORTED = "API key “backup-sync” exported 48,212 records (customers) to s3://nw-mirror.collector.example"
TO_TOMAS = (
    "Marcus Adeyemi reactivated Tomas Varga",
    "Marcus Adeyemi reset the password of Tomas Varga",
    "Marcus Adeyemi revoked 2 sessions of Tomas Varga: suspicious",
    SUSPENDED,
    "Dana Whitlock stopped impersonating Tomas Varga after 3 minutes 26 seconds (ticket 48213)",
    MFA_RESET,
    "Dana Whitlock started impersonating Tomas Varga for up to 30 minutes (ticket 48213)",
)
FAILED = tuple(
    f"Tomas Varga failed to sign in via password: {why} (attempt {number})"
    for number, why in reversed([*((n, "wrong password") for n in range(1, 5)), (5, "MFA failed"), (6, "MFA failed")])
)


@pytest.fixture
def log(site: Site, visitor: Visitor) -> Log:
    return visitor.open(site.page(site.element(TENANT)))


@pytest.fixture(scope="module")
def night(site: Site) -> datetime:
    """The day on which it happened, in UTC."""
    (reset,) = site.find(TENANT, action="user.mfa_reset", since="20d")
    return datetime.fromisoformat(reset["occurred_at"]).replace(hour=0, minute=0, second=0, microsecond=0)


def at(night: datetime, clock: str) -> str:
    return f"{night:%Y-%m-%d}T{clock}:00Z"


def test_by_the_search_box(log: Log, night: datetime) -> None:
    """Each question of the guide, typed; each answer is the guide's."""
    log.search("action:user.suspended since:20d")
    log.expect_sentences(SUSPENDED)
    log.search("target:usr_03 since:20d -action:audit_log.*")
    log.expect_sentences(*TO_TOMAS)
    log.search(f"actor:usr_03 outcome:failure since:{at(night, '20:00')} until:{at(night, '21:32')}")
    log.expect_sentences(*FAILED)
    log.search("actor:key_7 since:20d")
    log.expect_sentences(EXPORTED)


def test_by_what_stands_beside_the_list(log: Log, site: Site) -> None:
    """Counts lead there without a word typed: a day, who, with which outcome."""
    log.range.click()
    log.root.get_by_role("button", name="Last 30 days").click()
    log.facet("Failure").check()
    log.expect_filters("Outcome is Failure")
    found = site.find(TENANT, outcome="failure", since="30d")
    expect(log.root.get_by_text(f"{len(found):,} events", exact=True).first).to_be_visible()
    log.facet("Tomas Varga").check()
    log.expect_filters("Actor is Tomas Varga", "Outcome is Failure")
    by_tomas = [event["sentence"] for event in found if event["actor"].get("id") == "usr_03"]
    assert set(FAILED) <= set(by_tomas)
    log.expect_sentences(*by_tomas)
    log.facet("Failure").uncheck()
    log.expect_filters("Actor is Tomas Varga")
    expect(
        log.root.get_by_text(f"{len(site.find(TENANT, actor_id='usr_03', since='30d')):,} events").first
    ).to_be_visible()


def test_a_value_is_left_out_beside_the_list(log: Log, site: Site) -> None:
    log.search(f"ip:{STRANGER} since:20d")
    everything = [event["sentence"] for event in site.find(TENANT, ip=STRANGER, since="20d")]
    log.expect_sentences(*everything)
    log.facets.get_by_role("button", name="Leave out Failure").click()
    log.expect_filters("Outcome is not Failure")
    log.expect_sentences(*(sentence for sentence in everything if sentence not in FAILED))


def test_by_the_filter_button(log: Log) -> None:
    """Every filter can be had without its syntax, several values of it at once."""
    log.filter("Action", "User suspended", "User reactivated")
    log.expect_filters("Action is User reactivated or User suspended")
    log.expect_sentences(TO_TOMAS[0], SUSPENDED)
    log.root.get_by_role("button", name="Remove the filter Action is User reactivated").click()
    log.expect_sentences(SUSPENDED)
    expect(log.told.filter(has_text=re.compile("1 event|Filter removed")).first).to_be_attached()


def test_by_clicks_from_one_event_to_the_next(log: Log, site: Site, night: datetime) -> None:
    """From what Marcus remembers to what the stranger took, through nothing but values that are shown."""
    log.search("action:user.suspended since:20d")
    log.open(SUSPENDED).get_by_role("button", name="Same target").click()
    expect(log.sentence(TO_TOMAS[0])).to_be_visible()

    details = log.open(MFA_RESET)
    expect(details.get_by_text("Dana Whitlock of support acted as Tomas Varga.")).to_be_visible()
    expect(details.get_by_text("ticket 48213").first).to_be_visible()
    expect(log.row(MFA_RESET).locator(".row-avatar")).to_have_text("DW")
    expect(details.get_by_label("Done by support", exact=True)).to_contain_text("Dana Whitlock")
    browser = details.get_by_text("Chrome 141 on Windows", exact=True)
    expect(browser).to_have_attribute("title", re.compile(r"^Mozilla/5\.0 \(Windows NT .* Chrome/141"))
    details.get_by_label("Acting as", exact=True).get_by_role("button", name="Only usr_03").click()
    log.range.click()
    log.root.get_by_label("From", exact=True).fill(f"{night:%Y-%m-%d} 20:00")
    log.root.get_by_label("To", exact=True).fill(f"{night:%Y-%m-%d} 21:00")
    log.root.get_by_role("button", name="Apply").click()
    log.root.get_by_role("button", name="Remove the filter Target is Tomas Varga").click()
    log.expect_filters("Actor is Tomas Varga")
    log.expect_sentences(*FAILED)

    where = log.open(FAILED[0]).get_by_label("Where", exact=True)
    where.get_by_role("button", name=f"Only {STRANGER}").click()
    log.root.get_by_role("button", name="Reset time").click()
    log.expect_filters("Actor is Tomas Varga", f"IP address is {STRANGER}")
    strange = [event["sentence"] for event in site.find(TENANT, ip=STRANGER, actor_id="usr_03")]
    assert "Tomas Varga created API key “backup-sync” with the scopes admin:all and data:all" in strange
    expect(log.rows().locator(".row-open").first).to_have_text(strange[0])
    expect(log.root.get_by_text(f"{len(strange)} events", exact=True).first).to_be_visible()


def test_what_was_changed_is_compared(log: Log, site: Site) -> None:
    """Before and after stand beside each other, said in words for whoever cannot see the colours."""
    log.search(f"action:workspace.settings_changed ip:{STRANGER}")
    (changed,) = site.find(TENANT, action="workspace.settings_changed", ip=STRANGER)
    ((field, change),) = changed["changes"].items()
    details = log.open(changed["sentence"])
    changes = details.get_by_label("Changes", exact=True)
    words = field.replace("_", " ").replace(".", " ").strip()
    expect(changes.get_by_role("term")).to_contain_text(words, ignore_case=True)
    before, after = changes.get_by_role("definition").all()
    assert change == {"from": True, "to": False}
    # The words of the sentence; what the API calls it is there as well.
    assert changed["sentence"].endswith("from on to off")
    expect(before).to_contain_text(re.compile(r"Before:\s*on"))
    expect(after).to_contain_text(re.compile(r"After:\s*off"))
    expect(before.get_by_role("deletion")).to_have_text("on")
    expect(after.get_by_role("insertion")).to_have_text("off")
    expect(after.get_by_text("off", exact=True)).to_have_attribute("title", "false")
    after.get_by_role("button", name="Only off").click()
    expect(log.filters.get_by_role("listitem")).to_contain_text("off")
    assert "changes.mfa_required.to=false" in log.root.evaluate("(element) => element.query")


@pytest.mark.parametrize(
    ("typed", "label"), [("3d", "Last 3 days"), ("yesterday", "Since"), ("last 2 weeks", "Last 2 weeks")]
)
def test_a_range_is_typed(log: Log, site: Site, typed: str, label: str) -> None:
    """As somebody would say it; what it is understood as stands below the field before it is applied."""
    (newest,) = site.find(TENANT, since="4d", action="user.signed_out")[:1]
    log.filter("Action", "User signed out")
    log.range.click()
    field = log.root.get_by_label("From", exact=True)
    field.fill(typed)
    expect(log.root.get_by_text(re.compile(r"^from \w{3}, "))).to_be_visible()
    field.press("Enter")
    expect(log.range).to_contain_text(label)
    expect(log.range).to_be_focused()
    since = {"last 2 weeks": "2w"}.get(typed, typed)
    found = site.find(TENANT, action="user.signed_out", since=since)
    total = f"{len(found):,} {'event' if len(found) == 1 else 'events'}" if found else "No events"
    expect(log.root.get_by_text(total, exact=True).first).to_be_visible()
    assert typed == "yesterday" or newest in found or len(found) == 0


def test_a_range_that_is_no_time_says_what_one_is(log: Log) -> None:
    log.range.click()
    field = log.root.get_by_label("From", exact=True)
    field.fill("soonish")
    field.press("Enter")
    expect(log.root.get_by_text("Not a time. Type for example")).to_be_visible()
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")


def test_a_drag_over_the_histogram_zooms_in(log: Log, site: Site) -> None:
    """What is dragged over is what is then shown, and the number beside it is the API's."""
    log.search(f"ip:{STRANGER}")
    bars = log.root.get_by_role("slider", name="Events over time")
    expect(log.rows().first).to_be_visible()
    count = int(bars.get_attribute("aria-valuemax") or "0") + 1
    assert count > 5
    box = bars.bounding_box()
    assert box
    mouse, middle = log.page.mouse, box["y"] + box["height"] / 2
    mouse.move(box["x"] + box["width"] * 0.5 / count, middle)
    mouse.down()
    mouse.move(box["x"] + box["width"] * (count / 2), middle, steps=5)
    mouse.move(box["x"] + box["width"] * 2.5 / count, middle, steps=5)
    mouse.up()
    expect(log.root.get_by_role("button", name="Reset time")).to_be_visible()
    shown = log.range.inner_text()
    assert "Any time" not in shown
    log.root.get_by_role("button", name="Reset time").click()
    expect(log.range).to_contain_text("Any time")
    everything = site.find(TENANT, ip=STRANGER)
    expect(log.root.get_by_text(f"{len(everything)} events", exact=True).first).to_be_visible()


@pytest.mark.parametrize("width", [1280, 640, 360])
def test_below_the_bars_stands_when_they_were(log: Log, width: int) -> None:
    """As many times as there is room for, none of which is cut off or lies over another."""
    log.page.set_viewport_size({"width": width, "height": 740})
    ticks = log.root.locator(".histogram-tick")
    expect(ticks.nth(1)).to_be_visible()
    log.page.wait_for_timeout(100)  # two frames: what is laid out by script follows
    boxes = [tick.bounding_box() for tick in ticks.all()]
    assert len(boxes) >= (10 if width == 1280 else 2)
    ends = [box["x"] + box["width"] for box in boxes if box]
    starts = [box["x"] for box in boxes if box]
    assert all(end < start for end, start in zip(ends, [*starts[1:], width], strict=True)), boxes


def test_what_nobody_found_says_what_was_asked(log: Log) -> None:
    log.search("action:user.suspended outcome:denied")
    expect(log.root.get_by_role("heading", name="No events found")).to_be_visible()
    log.root.get_by_role("button", name="Clear filters").click()
    expect(log.rows().first).to_be_visible()
    expect(log.box).to_have_value("")


def test_a_search_that_cannot_be_read_says_where_and_why(log: Log, visitor: Visitor) -> None:
    visitor.expects("status of 422")
    log.facet("Failure").check()
    log.search("outcom:denied")
    said = log.root.get_by_role("alert").first
    expect(said).to_contain_text("This search cannot be read:")
    expect(said).to_contain_text("outcome")
    expect(log.box).to_have_attribute("aria-invalid", "true")
    expect(log.facets).to_be_hidden()
    log.root.locator("audit-log-list").get_by_role("button", name="Clear the search").click()
    log.expect_filters("Outcome is Failure")
    expect(log.rows().first).to_be_visible()
