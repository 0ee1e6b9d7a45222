"""What comes while somebody looks: new events, and the end of their token."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, expect

from indelible.cli.demo import TENANT
from tests.viewer.conftest import Visitor
from tests.viewer.hosting import Site, as_json
from tests.viewer.log import Log

LIVE = "Live"


def top_of(one: Locator) -> float:
    box = one.bounding_box()
    assert box
    return box["y"]


@pytest.fixture
def log(site: Site, visitor: Visitor, tenant: str) -> Log:
    """A log of few events, which is followed."""
    for number in range(3):
        site.log(tenant, actor={"type": "user", "id": f"usr_{number}", "name": f"Nora {number}"})
    site.sign(tenant)
    log = visitor.open(site.page(site.element(tenant)))
    expect(log.state(LIVE)).to_be_visible()
    return log


def test_an_event_appears_without_a_reload_and_is_announced(log: Log, site: Site, tenant: str) -> None:
    log.page.evaluate("window.stays = true")
    site.log(tenant, actor={"type": "user", "id": "usr_9", "name": "Newcomer"})
    expect(log.rows().filter(has_text="Newcomer")).to_be_visible()
    expect(log.told.filter(has_text=re.compile(r"^\d+ new events?$"))).to_be_attached()
    assert log.page.evaluate("window.stays")


def test_only_what_was_asked_for_appears(log: Log, site: Site, tenant: str) -> None:
    log.search("nora")
    expect(log.rows()).to_have_count(3)
    expect(log.state(LIVE)).to_be_visible()
    site.log(tenant, actor={"type": "user", "id": "usr_8", "name": "Somebody Else"})
    site.log(tenant, actor={"type": "user", "id": "usr_9", "name": "Nora 9"})
    expect(log.rows()).to_have_count(4)
    expect(log.rows().first).to_contain_text("Nora 9")


def test_a_search_that_names_a_time_is_followed_and_one_whose_time_is_over_is_not(
    log: Log, site: Site, tenant: str
) -> None:
    """Nothing is asked that would be refused: the console is the host's. What is from before the time stays away."""
    streams: list[str] = []
    log.page.on("request", lambda asked: streams.append(asked.url) if "/live?" in asked.url else None)
    log.search("nora until:yesterday")
    expect(log.state("Paused: the time range has an end")).to_be_visible()
    log.search("nora on:2026-11-05")
    expect(log.state("Paused: the time range has an end")).to_be_visible()
    assert streams == []
    log.search("nora since:1h")
    expect(log.rows()).to_have_count(3)
    expect(log.state(LIVE)).to_be_visible()
    earlier = datetime.now(UTC) - timedelta(hours=2)
    site.log(tenant, actor={"type": "user", "id": "usr_8", "name": "Nora of before"}, occurred_at=earlier.isoformat())
    site.log(tenant, actor={"type": "user", "id": "usr_9", "name": "Nora 9"})
    expect(log.rows()).to_have_count(4)
    expect(log.rows().first).to_contain_text("Nora 9")
    assert len(streams) == 1


def test_a_question_is_answered_and_what_was_looked_for_is_told(log: Log) -> None:
    """Where nothing answers it, each part of it may be left out."""
    log.search("what did Nora 2 do?")
    expect(log.rows()).to_have_count(1)
    read = log.root.get_by_text("Searched for: Nora 2", exact=True)
    expect(read).to_be_visible()
    log.search("who is Nora 7?")
    expect(log.root.get_by_role("heading", name="No events found")).to_be_visible()
    expect(log.root.get_by_role("group", name="Search again without").get_by_role("button")).to_have_text(["Nora", "7"])
    log.root.get_by_role("button", name="Search again without 7", exact=True).click()
    expect(log.rows()).to_have_count(3)
    expect(log.box).to_have_value("Nora")
    expect(log.root.get_by_text("Searched for")).to_have_count(0)


def test_an_event_that_is_dated_back_appears_in_its_place(log: Log, site: Site, tenant: str) -> None:
    """The list is in the order of when things happened, not of when they were told."""
    log.search("nora")
    expect(log.rows()).to_have_count(3)
    expect(log.state(LIVE)).to_be_visible()
    oldest = log.rows().last.get_by_role("time").get_attribute("datetime")
    assert oldest
    earlier = datetime.fromisoformat(oldest) - timedelta(minutes=1)
    site.log(tenant, actor={"type": "user", "id": "usr_9", "name": "Nora of before"}, occurred_at=earlier.isoformat())
    expect(log.rows()).to_have_count(4)
    expect(log.rows().last).to_contain_text("Nora of before")


def test_what_is_read_does_not_move_when_events_arrive(site: Site, visitor: Visitor) -> None:
    """To the pixel; how many came stands above the list, and leads there."""
    log = visitor.open(site.page(site.element(TENANT)))
    expect(log.state(LIVE)).to_be_visible()
    log.rows().first.hover()
    for _ in range(6):
        log.page.mouse.wheel(0, 700)
        log.page.wait_for_timeout(100)
    read = log.rows().nth(log.rows().count() // 2)
    id_ = read.get_attribute("data-key")
    read = log.feed.locator(f"article[data-key='{id_}']")
    log.page.wait_for_timeout(500)
    before = top_of(read)
    for _ in range(3):
        site.log(TENANT, action="user.signed_out")
    pill = log.root.get_by_role("button", name=re.compile(r"^\d+ new events?$"))
    expect(pill).to_be_visible()
    assert top_of(read) == pytest.approx(before, abs=1)
    site.log(TENANT, action="user.signed_out")
    log.page.wait_for_timeout(600)
    assert top_of(read) == pytest.approx(before, abs=1)
    pill.click()
    expect(log.feed.get_by_text("Tomas Varga signed out").first).to_be_visible()
    expect(log.rows().first.get_by_role("button").first).to_be_focused()


def test_an_open_event_stays_where_it_is_when_others_arrive(log: Log, site: Site, tenant: str) -> None:
    for number in range(20):
        site.log(tenant, actor={"type": "user", "id": "usr_2", "name": f"Nora 2{number}"})
    log.search("nora")
    expect(log.state("23 events").first).to_be_visible()
    row = log.rows().first
    row.get_by_role("button").first.click()
    id_ = row.get_attribute("data-key")
    row = log.feed.locator(f"article[data-key='{id_}']")
    expect(row.get_by_label("Event details", exact=True).first).to_be_visible()
    log.page.wait_for_timeout(500)
    before = top_of(row)
    site.log(tenant, actor={"type": "user", "id": "usr_9", "name": "Nora 9"})
    expect(log.root.get_by_role("button", name="1 new event")).to_be_visible()
    assert top_of(row) == pytest.approx(before, abs=1)


# --- the token


def test_a_token_is_renewed_by_the_event_before_it_ends(site: Site, visitor: Visitor, tenant: str) -> None:
    """Nobody notices: nothing was refused, and what is logged after the first one's end still comes."""
    site.log(tenant)
    site.sign(tenant)
    url = as_json(f"/token?tenant={tenant}")
    script = (
        "<script>addEventListener('audit-log-token-needed', async ({target}) => {"
        f" target.token = await (await fetch({url})).text() }})</script>"
    )
    log = visitor.open(site.page(site.element(tenant, asks={"expires_in": 8}) + script))
    expect(log.rows().first).to_be_visible()
    log.page.wait_for_timeout(9000)
    assert [asked["tenant"] for asked in site.host.tokens if asked["tenant"] == tenant] == [tenant]
    log.search("action:document.shared")
    expect(log.rows()).to_have_count(1)
    expect(log.state(LIVE)).to_be_visible()
    site.log(tenant)
    expect(log.rows()).to_have_count(2)


@pytest.mark.parametrize("first", [None, "x.y.z"])
def test_a_token_comes_from_the_function_of_the_host(
    site: Site, visitor: Visitor, tenant: str, first: str | None
) -> None:
    """Where there is none at first, and where the first one is refused; asked for once, however many wait for it."""
    visitor.expects("status of 401")
    site.log(tenant)
    site.sign(tenant)
    url = as_json(f"/token?tenant={tenant}")
    script = (
        f"<script>document.querySelector('audit-log').renewToken = async () => (await fetch({url})).text()</script>"
    )
    log = visitor.open(site.page(site.element(tenant, token=first) + script))
    log.search("action:document.shared")
    expect(log.rows()).to_have_count(1)
    assert len([asked for asked in site.host.tokens if asked["tenant"] == tenant]) == 1


def test_where_nobody_renews_the_session_has_ended_until_there_is_a_token(
    site: Site, visitor: Visitor, tenant: str
) -> None:
    """It says so, keeps what was read, and goes on as soon as the host sets another."""
    visitor.expects("status of 401")
    site.log(tenant)
    site.sign(tenant)
    log = visitor.open(site.page(site.element(tenant, asks={"expires_in": 2})), clock=True)
    expect(log.rows().first).to_be_visible()
    said = log.root.locator("audit-log-problem").get_by_text("Your session has ended", exact=True)
    log.page.wait_for_timeout(2000)
    log.root.get_by_role("button", name="Add filter").click()
    log.page.keyboard.press("Escape")
    log.search("action:document.*")
    for _ in range(30):
        log.page.clock.fast_forward(1000)
        log.page.wait_for_timeout(50)
        if said.first.is_visible():
            break
    expect(said.first).to_be_visible()
    log.page.evaluate("(token) => { document.querySelector('audit-log').token = token }", site.token(tenant))
    expect(said).to_have_count(0)
    expect(log.rows()).to_have_count(1)
    site.log(tenant)
    expect(log.rows()).to_have_count(2)
