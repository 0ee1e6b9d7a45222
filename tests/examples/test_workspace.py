"""The example that people copy: every button logs what it says, and nobody is given more of the log than is theirs."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Service, free_port, running_service
from tests.examples.conftest import AGENT, ROOT, TENANT, VKEY, Quayside, running
from tests.postgres import Database

Newest = Callable[[int], list[dict[str, Any]]]
PAGES = ("", "/members", "/documents", "/api-keys", "/settings", "/admin/audit-log", "/admin/audit-log/try", "/sign-in")


@pytest.mark.parametrize(
    ("path", "form", "sentence"),
    [
        ("members/invite", {"email": "nora.lind@northwind.example", "role": "member"}, "invited Nora Lind as Member"),
        ("members/usr_06/role", {"role": "manager"}, "changed Jakub Zielinski from Member to Manager"),
        ("members/usr_14/remove", {}, "removed Yusuf Demir"),
        (
            "documents/doc_102/share",
            {"email": "tenders@harbour.example"},
            "shared document “Price list” outside the organisation with tenders@harbour.example (view)",
        ),
        ("customers/export", {}, "exported 5 records (customers) as CSV"),
        ("api-keys/create", {"name": "reporting"}, "created API key “reporting” with the scope customers:read"),
        ("api-keys/key_3/revoke", {}, "revoked API key “website-sync”"),
        ("settings/mfa", {}, "changed the workspace settings: MFA required from on to off"),
    ],
)
def test_a_button_logs_what_it_says(
    marcus: httpx.Client, newest: Newest, path: str, form: dict[str, str], sentence: str
) -> None:
    back = f"{marcus.base_url}members"
    answer = marcus.post(f"/{path}", data=form, headers={"referer": back})
    assert (answer.status_code, answer.headers["location"]) == (302, "/workspace/members")
    signed_in, event = newest(2)
    assert event["sentence"] == f"Marcus Adeyemi {sentence}"
    assert event["registered"]
    assert event["actor"]["email"] == "marcus.adeyemi@northwind.example"
    assert event["source"] == "ui"
    assert event["context"] == signed_in["context"]
    assert event["context"]["ip_address"] == "127.0.0.1"
    assert event["context"]["user_agent"] == AGENT
    assert event["context"]["session_id"] not in (marcus.cookies["quayside"], "")
    assert f"{event['action']} is entry {event['seq']:,}" in marcus.get("/members").text


def test_signing_in_and_out_is_logged(quayside: Quayside, newest: Newest) -> None:
    with quayside.visited("usr_02") as browser:
        browser.post("/sign-in-as", data={"person": "usr_09"})
        browser.post("/sign-out")
        said = [(event["actor"]["name"], event["action"]) for event in newest(4)]
        assert browser.post("/customers/export").headers["location"] == "/workspace/sign-in"
    assert said == [
        ("Marcus Adeyemi", "user.signed_in"),
        ("Marcus Adeyemi", "user.signed_out"),
        ("Sofia Lindqvist", "user.signed_in"),
        ("Sofia Lindqvist", "user.signed_out"),
    ]


def test_who_comes_without_a_session_is_marcus(quayside: Quayside, newest: Newest) -> None:
    with quayside.browser() as browser:
        assert httpx.get(quayside.address).headers["location"] == "/workspace"
        assert "Marcus Adeyemi" in browser.get("").text
        assert newest(1)[0]["sentence"].startswith("Marcus Adeyemi signed in")


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("members/invite", {"email": "nobody", "role": "member"}),
        ("members/invite", {"email": "a@b.example", "role": "owner"}),
        ("members/invite", {"role": "member"}),
        ("members/usr_01/remove", {}),
        ("members/usr_02/role", {"role": "member"}),
        ("members/usr_03/role", {"role": "owner"}),
        ("members/usr_99/remove", {}),
        ("documents/usr_02/share", {"email": "a@b.example"}),
        ("api-keys/create", {"name": ""}),
    ],
)
def test_what_cannot_be_done_is_not_logged(
    marcus: httpx.Client, newest: Newest, path: str, form: dict[str, str]
) -> None:
    before = newest(1)
    assert marcus.post(f"/{path}", data=form).status_code in (400, 403, 404)
    assert newest(1) == before


def test_a_member_is_refused_and_that_is_logged(quayside: Quayside, newest: Newest) -> None:
    with quayside.visited("usr_10") as member:
        page = member.get("/members").text
        assert member.post("/members/usr_09/remove").is_redirect
        after = member.get("/members").text
        assert after.count('class="person"') == page.count('class="person"')
        assert "Your role does not permit that. Logged: security.permission_denied" in after
    (event,) = newest(1)
    assert event["sentence"] == "Dev Malhotra was denied the permission “members:remove”"
    assert event["outcome"] == "denied"


def test_breaking_in_is_one_session_of_a_stranger(marcus: httpx.Client, newest: Newest) -> None:
    if "Require MFA" in marcus.get("/admin/audit-log/try").text:
        marcus.post("/settings/mfa")
    marcus.post("/break-in")
    *tried, entered, key, taken, changed = newest(8)
    assert [event["sentence"] for event in tried] == [
        f"Tomas Varga failed to sign in via password: wrong password (attempt {n})" for n in range(1, 5)
    ]
    assert {event["context"]["ip_address"] for event in (*tried, entered, key, taken, changed)} == {"192.0.2.66"}
    assert [event["action"] for event in (entered, key, changed)] == [
        "user.signed_in", "api_key.created", "workspace.settings_changed",
    ]  # fmt: skip
    assert taken["sentence"].startswith("API key “backup-sync” exported 48,212 records (customers)")
    assert changed["changes"] == {"mfa_required": {"from": True, "to": False}}
    assert "backup-sync" in marcus.get("/api-keys").text


def test_support_acts_under_its_own_name(quayside: Quayside, newest: Newest) -> None:
    with quayside.visited("usr_02") as browser:
        browser.post("/support/start", data={"person": "usr_04", "ticket": "48377", "reason": "an invoice is stuck"})
        claims = claims_of(browser.post("/admin/audit-log/token"))
        assert "ticket 48377: an invoice is stuck" in browser.get("").text
        browser.post("/documents/doc_101/share", data={"email": "a@b.example"})
        browser.post("/sign-out")
    started, shared, ended = newest(3)
    assert started["sentence"].startswith("Dana Whitlock started impersonating Helene Dufour for up to 30 minutes")
    assert shared["actor"]["id"] == "usr_04"
    assert shared["actor"]["impersonator"]["id"] == "sup_31"
    assert shared["actor"]["impersonator"]["reason"] == "ticket 48377: an invoice is stuck"
    assert (shared["source"], ended["action"]) == ("admin_panel", "impersonation.ended")
    assert (claims["sub"], claims["staff"], claims["reason"]) == ("sup_31", True, "ticket 48377: an invoice is stuck")


# --- the token


def claims_of(answer: httpx.Response) -> dict[str, Any]:
    body = answer.raise_for_status().json()["token"].split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def test_each_gets_a_token_of_their_own(quayside: Quayside, service: Service) -> None:
    """And a member's opens what concerns that member, whatever else is in the log."""
    with quayside.visited("usr_02") as admin, quayside.visited("usr_10") as member:
        claims = claims_of(admin.post("/admin/audit-log/token"))
        assert (claims["sub"], claims["role"], claims["tenant"]) == ("usr_02", "admin", TENANT)
        assert claims["can_export"]
        answer = member.post("/admin/audit-log/token")
    claims = claims_of(answer)
    assert (claims["sub"], claims["role"]) == ("usr_10", "member")
    assert "can_export" not in claims
    token = {"authorization": f"Bearer {answer.json()['token']}"}
    events = httpx.get(f"{service.address}/api/audit-log", headers=token).raise_for_status().json()["data"]
    assert events
    assert all("usr_10" in json.dumps([event["actor"], event["targets"]]) for event in events)


def test_who_is_removed_is_out_at_once(quayside: Quayside, service: Service, marcus: httpx.Client) -> None:
    with quayside.visited("usr_13") as lena:
        token = {"authorization": f"Bearer {lena.post('/admin/audit-log/token').json()['token']}"}
        assert httpx.get(f"{service.address}/api/audit-log", headers=token).is_success
        marcus.post("/members/usr_13/remove")
        assert httpx.get(f"{service.address}/api/audit-log", headers=token).status_code == 401
        assert lena.post("/customers/export").headers["location"] == "/workspace/sign-in"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"origin": "https://elsewhere.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "https://elsewhere.example", "sec-fetch-site": "same-origin"}, 403),
        ({"host": "elsewhere.example", "origin": "http://elsewhere.example"}, 400),
    ],
)
@pytest.mark.parametrize("path", ["/admin/audit-log/token", "/settings/mfa"])
def test_only_pages_of_ours_may_post(marcus: httpx.Client, path: str, headers: dict[str, str], status: int) -> None:
    answer = marcus.post(path, headers=headers)
    assert answer.status_code == (302 if status == 200 and path == "/settings/mfa" else status)


def test_a_browser_that_says_nothing_of_where_it_comes_from_may_not_post(marcus: httpx.Client) -> None:
    del marcus.headers["origin"]
    assert marcus.post("/admin/audit-log/token").status_code == 403


def test_who_is_signed_out_gets_no_token(quayside: Quayside) -> None:
    with quayside.visited("usr_02") as browser:
        secret = browser.cookies["quayside"]
        browser.post("/sign-out")
        browser.headers["accept"] = "*/*"
        browser.cookies.set("quayside", secret)
        assert browser.post("/admin/audit-log/token").status_code == 401
        browser.cookies.set("quayside", "guessed")
        assert browser.post("/admin/audit-log/token").status_code == 401


# --- the pages


def test_the_page_pins_the_viewer_and_the_ledgers_key(marcus: httpx.Client, service: Service) -> None:
    source = httpx.get(f"{service.address}/viewer/script.json")
    if source.status_code == 404:
        pytest.skip("the viewer is not built")
    page = marcus.get("/admin/audit-log")
    script = httpx.get(f"{service.address}{source.json()['src']}").content
    pinned = f"sha384-{base64.b64encode(hashlib.sha384(script).digest()).decode()}"
    assert f'src="{service.address}{source.json()["src"]}" integrity="{pinned}" crossorigin="anonymous"' in page.text
    assert f'<audit-log api="{service.address}" vkey="{VKEY}\n"' in page.text


@pytest.mark.parametrize("path", PAGES)
def test_no_page_holds_a_secret_or_allows_what_is_not_ours(marcus: httpx.Client, service: Service, path: str) -> None:
    page = marcus.get(path).raise_for_status()
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy.pop("script-src") == policy.pop("connect-src") == f"'self' {service.address}"
    assert policy.pop("default-src") == policy.pop("base-uri") == "'none'"
    assert set(policy.values()) == {"'self'"}
    assert service.key not in page.text
    assert "eyJ" not in page.text
    assert "style=" not in page.text
    assert "onclick" not in page.text


def test_what_people_write_is_text_on_the_page(marcus: httpx.Client) -> None:
    for path in ("/members/invite", "/documents/doc_100/share"):
        marcus.post(path, data={"email": '"><img/src=x>{0}@b.example', "role": "member"})
    marcus.post("/api-keys/create", data={"name": "<script>alert(1)</script>"})
    for path in PAGES:
        assert "<img/src" not in marcus.get(path).text.lower()
        assert "<script>" not in marcus.get(path).text
    assert "&lt;script&gt;alert(1)" in marcus.get("/api-keys").text


def test_the_policy_in_the_page_about_it_is_the_one_that_is_sent(marcus: httpx.Client, service: Service) -> None:
    sent = marcus.get("/settings").headers["content-security-policy"]
    described = (ROOT / "docs" / "example.md").read_text()
    for part in sent.replace(service.address, "https://audit.example.com").split("; "):
        assert f"{part};" in described


def test_the_code_in_the_page_about_it_is_that_of_the_example() -> None:
    page = (ROOT / "docs" / "example.md").read_text()
    source = "".join(file.read_text() for file in sorted((ROOT / "examples" / "workspace").rglob("*.[pj][ys]")))
    shown = re.findall(r"^```(?:python|js)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert len(shown) == 2
    assert all(code in source for code in shown)


# --- without the service


def test_it_lives_without_the_service_and_logs_later(
    database: Database, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was done meanwhile is told to be not logged, and comes into the log with the next that is."""
    port = free_port()
    key = service.key
    with running(tmp_path, f"http://127.0.0.1:{port}", key) as quayside, quayside.visited("usr_02") as browser:
        assert "does not answer" in browser.get("/admin/audit-log").text
        assert browser.post("/documents/doc_102/share", data={"email": "a@b.example"}).is_redirect
        page = browser.get("/documents").text
        assert "Not logged: document.shared_externally" in page
        assert "a@b.example" in page
        assert browser.post("/admin/audit-log/token").status_code == 503

        monkeypatch.setattr("tests.conftest.free_port", lambda: port)
        with running_service(database, INDELIBLE_ADMIN_KEY=key) as address:
            browser.post("/customers/export")
            asked = {"tenant_id": TENANT}
            listed = httpx.get(f"{address}/api/audit-log", params=asked, headers={"authorization": f"Bearer {key}"})
        actions = sorted(event["action"] for event in listed.json()["data"])
        assert actions == ["data.exported", "document.shared_externally", "ledger.created", "user.signed_in"]


@pytest.mark.parametrize(("site", "enters"), [("none", True), ("same-origin", True), ("cross-site", False)])
def test_no_other_site_signs_anybody_in(quayside: Quayside, site: str, enters: bool) -> None:
    """Its page may ask for one of ours, as a picture even: that opens no session, and logs nobody in."""
    answer = httpx.get(f"{quayside.address}/workspace/members", headers={"sec-fetch-site": site})
    assert ("set-cookie" in answer.headers) == enters
