"""docs/questions.md is true: each question, asked of a live service, has the answer that the page prints."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from indelible.catalog import Catalog
from indelible.cli.history import history
from indelible.event import dump
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.intake import Intake
from indelible.store.session import Database as Connections
from tests.cli.conftest import indelible
from tests.conftest import Service

PAGE = (Path(__file__).parents[2] / "docs" / "questions.md").read_text(encoding="utf-8")
STARTED = datetime(2026, 11, 22, tzinfo=UTC)
"""When the demo was started whose answers the page shows."""
TENANT = "northwind-questioned"
ELSEWHERE = "other-words"

ASKED = re.compile(
    r"^```text\nbox +([^\n]+)\naddress +([^\n]+)\n```\n\n(?:[^`#].*?\n)?```text\n(.+?)```", re.MULTILINE | re.DOTALL
)
*QUESTIONS, LOOKED = ASKED.findall(PAGE)
AND_MORE = re.compile(r"… and ([0-9]+) more\n\Z")
BESIDE = re.search(r"^```text\n(after .+?)```", PAGE, re.MULTILINE | re.DOTALL)
ROWS = re.findall(r"^\| (\w+) \| [^|]+ \| `([^|]+)` \| (`[^|]+`) \|$", PAGE, re.MULTILINE)

TYPED = re.findall(r"^\| `([^|]+)` \| ([^|]+) \| ([0-9]{4}-[^|]+) \| ([0-9]+) \|$", PAGE, re.MULTILINE)


def names(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


async def load(service: Service, events: Sequence[bytes]) -> None:
    catalog = Catalog.load()
    intake = Intake(catalog)
    async with (
        Connections.open(service.database.url, size=2) as opened,
        Appender.open(opened, Rules(catalog)) as appender,
    ):
        for start in range(0, len(events), 500):
            batch = [intake.take(event, now=STARTED, history=True) for event in events[start : start + 500]]
            assert not [answer for answer in await appender.append(batch) if isinstance(answer, Exception)]


@pytest.fixture(scope="module")
def api(service: Service) -> Iterator[httpx.Client]:
    """Speaks to a service that has the demo's history, and an event of each action in the page's table."""
    actor = {"type": "user", "id": "usr_1", "name": "Kim"}
    elsewhere = [
        json.dumps({"tenant_id": f"{ELSEWHERE}-{product.lower()}", "action": action, "actor": actor}).encode()
        for product, action in sorted({(product, action) for product, _, cell in ROWS for action in names(cell)})
    ]
    asyncio.run(load(service, [dump(event) for event in history(STARTED, tenant=TENANT)] + elsewhere))
    with service.client() as client:
        yield client


def found(api: httpx.Client, tenant: str, *parameters: tuple[str, str]) -> list[dict[str, Any]]:
    answer = api.get("/api/audit-log", params=[("tenant_id", tenant), ("limit", "1000"), *parameters])
    assert answer.status_code == 200, answer.text
    assert answer.json()["next_cursor"] is None
    events: list[dict[str, Any]] = answer.json()["data"]
    return events


def without_looks(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The page says that these are left out."""
    return [event for event in events if not event["action"].startswith(("audit_log.", "ledger."))]


def line(event: Mapping[str, Any], *, addressed: bool = False) -> str:
    at = event["occurred_at"][:16].replace("T", " ")
    address = f"{event['context']['ip_address']:<13}  " if addressed else ""
    return f"{at}  {address}{event['sentence']}\n"


@pytest.mark.parametrize(("box", "address", "printed"), QUESTIONS)
def test_box_and_address_have_the_answer_that_is_printed(
    api: httpx.Client, box: str, address: str, printed: str
) -> None:
    """To the letter, in order, and neither of the two finds anything besides."""
    by_box = without_looks(found(api, TENANT, ("q", box)))
    by_address = without_looks(found(api, TENANT, *parse_qsl(address, strict_parsing=True)))
    assert [event["id"] for event in by_box] == [event["id"] for event in by_address]
    shown = AND_MORE.sub("", printed)
    lines = [line(event, addressed="  192.0.2.66 " in shown) for event in by_box]
    more = AND_MORE.search(printed)
    assert shown == "".join(lines[: len(lines) - int(more[1])] if more else lines)


@pytest.mark.parametrize(("typed", "looked_for", "newest", "count"), TYPED)
def test_a_question_that_is_typed_is_answered(
    api: httpx.Client, typed: str, looked_for: str, newest: str, count: str
) -> None:
    """As the page has it; and what it says was looked for finds the same, and is what the answer tells."""
    answer = api.get("/api/audit-log", params={"tenant_id": TENANT, "limit": "1000", "q": typed}).json()
    events = without_looks(answer["data"])
    assert (line(events[0]).replace("  ", " ").strip(), len(events)) == (newest, int(count))
    assert " ".join(answer["understood"]["items"]) == looked_for
    assert events == without_looks(found(api, TENANT, ("q", looked_for)))


@pytest.mark.usefixtures("api")
def test_the_command_finds_the_same(service: Service) -> None:
    box, _, printed = QUESTIONS[0]
    done = indelible(
        "list", "--tenant", TENANT, "--json", box, settings={"INDELIBLE_DATABASE_URL": service.database.url}
    )
    assert done.code == 0, done.err
    lines = [line(event) for event in without_looks(done.objects)]
    assert "".join(lines).startswith(AND_MORE.sub("", printed))


def test_an_event_has_the_neighbours_that_are_printed(api: httpx.Client) -> None:
    (event,) = found(api, TENANT, ("action", "user.mfa_reset"))
    answer = api.get(f"/api/audit-log/{event['id']}/context", params={"tenant_id": TENANT, "limit": 2}).json()
    assert BESIDE is not None
    assert BESIDE[1] == "".join(
        f"{name:<12}  {line(neighbour)}"
        for name in ("after", "before", "same_session")
        for neighbour in answer[name]["data"]
    )


def test_who_asked_is_found(api: httpx.Client) -> None:
    """The page's last question is about those before it."""
    box, address, sentence = LOOKED
    found(api, TENANT, ("q", "sam.keller@"))
    for events in found(api, TENANT, ("q", box)), found(api, TENANT, *parse_qsl(address)):
        assert {event["action"].partition(".")[0] for event in events} == {"audit_log"}
        assert sentence.strip() in {event["sentence"] for event in events}


@pytest.mark.parametrize(("product", "box", "actions"), ROWS)
def test_actions_that_no_catalog_knows_are_found_by_their_words(
    api: httpx.Client, product: str, box: str, actions: str
) -> None:
    """Of all the actions of the product that the page names, those of the row and no others."""
    events = without_looks(found(api, f"{ELSEWHERE}-{product.lower()}", ("q", box)))
    assert {event["action"] for event in events} == names(actions)


def test_everything_that_the_page_asks_is_tried() -> None:
    """The patterns above overlook nothing: an answer that they did not find would be checked by nobody."""
    assert len(QUESTIONS) + 1 == len(re.findall("^address .*[&=].*$", PAGE, re.MULTILINE)) == 18
    assert len(TYPED) == len(re.findall(r"^\| `", PAGE, re.MULTILINE)) - 2 == 20
    assert len(ROWS) == len(re.findall(r"^\| [GOSN]\w+ \|", PAGE, re.MULTILINE)) - 1 == 23
