"""`indelible keys create`, `list`, `revoke`, `rotate`, and `indelible tenants show`, `set`: what an operator does by
hand, on record like what is done over the API.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from indelible.store.epoch import EPOCH_AGE
from indelible.store.key_text import has_right_checksum, is_well_formed, make_key_text
from indelible.store.keys import SCOPES, Key, find_key, save_bootstrap_key
from indelible.store.session import Database as Connections
from tests.cli.conftest import Command, indelible
from tests.conftest import free_port, running_service, wait_until_ready
from tests.faults.running import Command as Process
from tests.faults.running import Dev
from tests.postgres import Database
from tests.store.samples import rows


@pytest.fixture(autouse=True)
def tenant(run: Command) -> str:
    assert run("tenants", "create", "acme").code == 0
    return "acme"


def in_database(database: Database, text: str) -> Key | None:
    async def look() -> Key | None:
        async with Connections.open(database.url, size=1) as opened:
            return await find_key(opened, text)

    return asyncio.run(look())


def recorded(database: Database, tenant: str = "acme") -> list[dict[str, Any]]:
    """The service's own entries about what was done, but for the one that opens the ledger."""
    query = (
        "SELECT action, actor_id, target_id, entry, source FROM indelible.events "
        "WHERE tenant_id = %s AND seq > 0 ORDER BY seq"
    )
    return [
        {"action": action, "actor": actor, "target": target, "source": source, "entry": json.loads(entry)}
        for action, actor, target, entry, source in rows(database, query, tenant)
    ]


def made(run: Command, *options: str) -> tuple[str, str]:
    """The id of a new key, and its text."""
    done = run("keys", "create", "--name", "SIEM", *options, "--json")
    assert done.code == 0, done.err
    (shown,) = done.objects
    return shown["key_id"], shown["key"]


def test_a_key_is_printed_alone_and_once(run: Command, external: Database) -> None:
    done = run("keys", "create", "--name", "SIEM", "--scope", "events:read", "--scope", "export", "--tenant", "acme",
               "--expires", "90d")  # fmt: skip
    assert done.code == 0
    (text,) = done.lines
    assert is_well_formed(text)
    assert has_right_checksum(text)
    assert text.startswith("ind_live_")
    assert text not in done.err
    assert "opens acme for events:read, export and ends on" in done.err
    key = in_database(external, text)
    assert key is not None
    assert (key.name, sorted(key.scopes), key.tenant_id) == ("SIEM", ["events:read", "export"], "acme")
    assert key.expires_at is not None
    assert abs(key.expires_at - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=1)
    assert key.created_by is not None
    assert key.created_by.name == getpass.getuser()
    for shown in (run("keys", "list", "--all"), run("keys", "list", "--json")):
        assert text[9:-6] not in shown.out + shown.err


def test_what_is_done_is_on_record(run: Command, external: Database) -> None:
    key_id, text = made(run, "--scope", "events:read", "--tenant", "acme")
    done = run("keys", "rotate", key_id, "--json")
    (new,) = done.objects
    assert run("keys", "revoke", key_id).code == 0
    found = recorded(external)
    assert [entry["action"] for entry in found] == [
        f"audit_log.key_{done}" for done in ("created", "rotated", "revoked")
    ]
    assert {(entry["actor"], entry["target"], entry["source"]) for entry in found} == {
        (f"os:{getpass.getuser()}", key_id, "admin_panel")
    }
    assert [target["id"] for target in found[1]["entry"]["targets"]] == [key_id, new["key_id"]]
    assert new["replaces"] == key_id
    assert text not in str(rows(external, "SELECT * FROM indelible.event_personal"))


def test_what_concerns_no_one_tenant_is_on_record_with_the_operator(run: Command, external: Database) -> None:
    key_id, _ = made(run, "--scope", "events:write")
    run("keys", "revoke", key_id)
    assert [entry["action"] for entry in recorded(external, "indelible:operator")] == [
        "audit_log.key_created", "audit_log.key_revoked",
    ]  # fmt: skip
    assert recorded(external) == []


def test_a_key_without_scopes_says_so(run: Command) -> None:
    done = run("keys", "create", "--name", "SIEM")
    assert "may do nothing, as it has no scope, and does not expire" in done.err
    assert "make one with --scope" in done.err
    (line,) = run("keys", "list").lines
    assert "no scope  does not expire, never used" in line


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--name", "k", "--scope", "all"], f"--scope 'all' is no scope; there are {', '.join(SCOPES)}"),
        (["--name", ""], "--name must begin with a visible character"),
        (["--name", "a\tb"], "--name must begin with a visible character, and hold no control characters"),
        (["--name", "x" * 129], "--name must have at most 128 characters"),
        (["--name", "k", "--tenant", "nobody"], "there is no tenant 'nobody' yet; `indelible tenants create`"),
        (["--name", "k", "--tenant", "a b"], "--tenant 'a b': an id is 1 to 128 letters, digits or . _ : @ ~ + -"),
        (["--name", "k", "--tenant", "indelible:operator"], "--tenant indelible:operator is the service's own ledger"),
        (
            ["--name", "k", "--expires", "soon"],
            "--expires must be a span of time from now, such as 24h, 90d or 2w, or",
        ),
        (["--name", "k", "--expires", "90"], "or an RFC 3339 time with an offset, such as 2027-11-21T00:00:00Z"),
        (["--name", "k", "--expires", "9999999d"], "--expires is further away than 100 years"),
        (["--name", "k", "--expires", "0d"], "--expires must lie in the future"),
        (["--name", "k", "--expires", "2020-01-01T00:00:00Z"], "--expires must lie in the future"),
        (["--name", "k", "--expires", "2030-01-01T00:00:00"], "--expires must be a span"),
        (["--name", "k", "--expires", "999999w"], "--expires is further away than 100 years"),
    ],
)
def test_a_wrong_option_is_named_and_no_key_made(run: Command, options: list[str], says: str) -> None:
    done = run("keys", "create", *options)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert run("keys", "list", "--all").lines == []


def test_keys_are_listed_with_what_they_do(run: Command) -> None:
    siem, text = made(run, "--scope", "events:read", "--tenant", "acme", "--expires", "2099-01-01T00:00:00Z")
    application, _ = made(run, "--scope", "events:write")
    first, second = run("keys", "list").lines
    assert first.startswith(f"{application}  ind_live_…")
    assert "every tenant" in first
    for told in (siem, f"ind_live_…{text[-4:]}", "acme", "SIEM", "events:read", "ends on 2099-01-01 00:00 UTC"):
        assert told in second
    assert [each["key_id"] for each in run("keys", "list", "--tenant", "acme", "--json").objects] == [siem]
    run("keys", "revoke", siem)
    assert run("keys", "list", "--tenant", "acme").lines == []
    (ended,) = run("keys", "list", "--tenant", "acme", "--all").lines
    assert "revoked on 20" in ended


@pytest.mark.parametrize("name", ["id", "hint", "end", "text"])
def test_a_key_is_revoked_by_whatever_is_known_of_it(run: Command, external: Database, name: str) -> None:
    """In a hurry it is the one that leaked."""
    key_id, text = made(run)
    made(run, "--scope", "export")
    known = {"id": key_id, "hint": f"ind_live_…{text[-4:]}", "end": text[-4:], "text": text}
    started = time.monotonic()
    done = run("keys", "revoke", known[name])
    assert time.monotonic() - started > EPOCH_AGE, "then every process knows"
    assert (done.code, done.out) == (0, f"SIEM (ind_live_…{text[-4:]}) is revoked.\n")
    key = in_database(external, text)
    assert key is not None
    assert key.revoked_at is not None
    again = run("keys", "revoke", known[name])
    assert (again.code, again.out) == (0, f"SIEM (ind_live_…{text[-4:]}) was revoked before.\n")
    assert len(run("keys", "list").lines) == 1


@pytest.mark.parametrize(
    "key",
    [
        "631fe4f3-36fd-48f6-a401-e66a184b4d5c",
        "x",
        "",
        "…",
        "zzzz",
        pytest.param(make_key_text("live"), id="another"),
        "ind_live_…zzzz",
    ],
)
def test_a_key_that_is_not_there_is_not_guessed(run: Command, key: str) -> None:
    made(run)
    for command in ("revoke", "rotate"):
        done = run("keys", command, key)
        assert (done.code, done.out) == (2, "")
        assert done.err == "indelible: there is no such key; `indelible keys list --all` shows those there are\n"
    assert len(run("keys", "list").lines) == 1


def test_of_keys_that_look_alike_none_is_taken(run: Command, external: Database) -> None:
    """The bootstrap key of one installation is any text."""

    async def save() -> None:
        async with Connections.open(external.url, size=1) as opened:
            for text in ("first-of-two-with-one-end", "second-of-two-with-one-end"):
                await save_bootstrap_key(opened, text)

    asyncio.run(save())
    done = run("keys", "revoke", "…-end")
    assert (done.code, done.out) == (2, "")
    assert "2 keys look like '…-end': name one by its id" in done.err
    assert done.err.count("bootstrap") == 2


def test_a_rotated_key_and_its_successor_both_work_for_a_while(run: Command, external: Database) -> None:
    key_id, old_text = made(run, "--scope", "events:read", "--tenant", "acme")
    done = run("keys", "rotate", key_id, "--overlap", "2h")
    (text,) = done.lines
    assert done.code == 0
    old, new = in_database(external, old_text), in_database(external, text)
    assert old is not None
    assert new is not None
    assert (new.replaces, new.scopes, new.expires_at) == (old.key_id, old.scopes, None)
    assert old.expires_at is not None
    assert abs(old.expires_at - datetime.now(UTC) - timedelta(hours=2)) < timedelta(minutes=1)
    again = run("keys", "rotate", key_id)
    assert (again.code, again.out) == (2, "")
    assert f"the key {new.key_id} ({new.hint}) replaces it already" in again.err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--overlap", "soon"], "--overlap must be a span of time"),
        (["--overlap", "91d"], "--overlap must be at most 90d"),
        (["--expires", "1"], "--expires must be a span of time"),
    ],
)
def test_a_wrong_option_of_a_rotation_is_named(run: Command, options: list[str], says: str) -> None:
    key_id, _ = made(run)
    done = run("keys", "rotate", key_id, *options)
    assert (done.code, done.out) == (2, "")
    assert says in done.err


def test_the_help_tells_the_two_kinds_of_keys_apart() -> None:
    done = indelible("keys", "--help")
    told = " ".join(done.out.split())
    assert "API keys, by which programs call: create, list, revoke, rotate." in told
    assert "the key that signs checkpoints, with the public keys that verify them: new, vkeys." in told


# --- tenants


def show(run: Command) -> dict[str, Any]:
    (shown,) = run("tenants", "show", "acme", "--json").objects
    return shown


def test_a_tenants_settings_are_shown_and_set_on_record(run: Command, external: Database) -> None:
    assert show(run)["settings"] == {"member_access": False, "member_sees": ["changes", "request_id", "session_id"]}
    assert run("tenants", "show", "acme").lines[1] == "members see nothing"
    done = run("tenants", "set", "acme", "--member-access", "--member-sees", "changes, metadata")
    assert done.out == (
        "acme: members see the events in which they are actor or target, and of them changes, metadata\n"
    )
    assert show(run)["settings"] == {"member_access": True, "member_sees": ["changes", "metadata"]}
    assert run("tenants", "set", "acme", "--member-sees", "none").code == 0
    assert show(run)["settings"] == {"member_access": True, "member_sees": []}
    assert run("tenants", "set", "acme", "--no-member-access").out == "acme: members see nothing\n"
    assert run("tenants", "set", "acme", "--no-member-access").code == 0, "and this changes nothing"
    assert [(entry["action"], entry["source"]) for entry in recorded(external)] == [
        ("audit_log.settings_changed", "admin_panel")
    ] * 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["acme"], "nothing to change"),
        (["nobody", "--member-access"], "there is no tenant 'nobody'"),
        (["acme", "--member-sees", "actor"], "--member-sees 'actor': there are changes, ip_address, metadata"),
        (["acme", "--member-sees", ""], "--member-sees ''"),
        (["acme", "--member-sees", "changes,none"], "--member-sees 'none'"),
    ],
)
def test_a_wrong_setting_is_named(run: Command, external: Database, arguments: list[str], says: str) -> None:
    done = run("tenants", "set", *arguments)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert recorded(external) == []


def test_a_tenant_that_is_not_there_is_not_shown(run: Command) -> None:
    done = run("tenants", "show", "nobody")
    assert (done.code, done.out) == (2, "")
    assert "there is no tenant 'nobody'" in done.err


# --- with a service


def test_what_is_revoked_by_hand_opens_nothing_on_a_running_service(run: Command, external: Database) -> None:
    with running_service(external, INDELIBLE_ENVIRONMENT="live") as address:
        for _ in range(5):
            key_id, text = made(run, "--scope", "events:read", "--tenant", "acme")
            headers = {"authorization": f"Bearer {text}"}
            assert httpx.get(f"{address}/api/audit-log", headers=headers).status_code == 200
            assert run("keys", "revoke", key_id).code == 0
            assert httpx.get(f"{address}/api/audit-log", headers=headers).status_code == 401


def serve(directory: Path, database: Database, key: str, **settings: str) -> tuple[str, Process]:
    port = free_port()
    given = {"INDELIBLE_DATABASE_URL": database.url, "INDELIBLE_PORT": str(port), "INDELIBLE_ADMIN_KEY": key}
    return f"http://127.0.0.1:{port}", Process(directory, "serve", **given, **settings)


def test_an_admin_key_that_was_revoked_opens_nothing_and_the_service_says_so(
    run: Command, external: Database, tmp_path: Path
) -> None:
    """It serves all the same: whoever revokes a key that leaked must not be who stops the log."""
    key = make_key_text("live")
    address, process = serve(tmp_path, external, key)
    with process:
        wait_until_ready(address, process.process)
        headers = {"authorization": f"Bearer {key}"}
        assert httpx.get(f"{address}/api/tenants", headers=headers).status_code == 200
        assert run("keys", "revoke", key).code == 0
        assert httpx.get(f"{address}/api/tenants", headers=headers).status_code == 401
        assert process.stop() == 0
        process.start()
        wait_until_ready(address, process.process)
        assert httpx.get(f"{address}/api/tenants", headers=headers).status_code == 401
        assert f"INDELIBLE_ADMIN_KEY opens nothing: the key ind_live_…{key[-4:]} was revoked on 20" in process.err
        assert key not in process.err


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (make_key_text("test"), "INDELIBLE_ADMIN_KEY begins with ind_test_, and INDELIBLE_ENVIRONMENT here is live"),
        ("ind_live_" + "0" * 46, "INDELIBLE_ADMIN_KEY: the checksum at its end does not fit"),
    ],
    ids=["of another environment", "mistyped"],
)
def test_an_admin_key_that_can_open_nothing_ends_the_service(
    external: Database, tmp_path: Path, key: str, says: str
) -> None:
    _, process = serve(tmp_path, external, key)
    assert process.start().wait() == 2
    assert says in process.err
    assert key not in process.err
    assert "Traceback" not in process.err


def test_an_embedded_database_is_a_test_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{(port := free_port())}"
    here = f"--data-dir={tmp_path / 'data'}"
    with Process(tmp_path, "serve", here, INDELIBLE_PORT=str(port)) as process:
        wait_until_ready(address, process.process)
        assert "this once: ind_test_" in process.out

        def create(**given: str) -> str:
            done = indelible("keys", "create", "--name=k", "--scope=tenants:manage", here, settings=given)
            assert done.code == 0, done.err
            return done.out.strip()

        def use(key: str) -> httpx.Response:
            return httpx.get(f"{address}/api/tenants", headers={"authorization": f"Bearer {key}"})

        key = create()
        assert key.startswith("ind_test_")
        assert use(key).status_code == 200
        live = create(INDELIBLE_ENVIRONMENT="live")
        assert live.startswith("ind_live_")
        assert use(live).status_code == 401
        assert "live" in use(live).json()["detail"]


def test_dev_is_a_test_and_says_when_its_key_has_ended(tmp_path: Path) -> None:
    with Dev(tmp_path).is_started() as dev:
        key = dev.key
        assert key.startswith("ind_test_")
        assert has_right_checksum(key)
        tenants = f"{dev.address}/api/tenants"
        assert httpx.get(tenants, headers={"authorization": f"Bearer {key}"}).status_code == 200
        done = indelible("keys", "revoke", key, f"--data-dir={dev.data_dir}")
        assert done.code == 0, done.err
        assert httpx.get(tenants, headers={"authorization": f"Bearer {key}"}).status_code == 401
        assert dev.stop() == 0
        dev.start()
        assert dev.wait() == 2
        file = dev.data_dir / "admin.key"
        assert f"{file}: the key ind_test_…{key[-4:]} was revoked on 20" in dev.err
        assert f"remove {file}, and a new one is made" in dev.err
        file.unlink()
        dev.start()
        dev.says("Indelible is running")
        assert dev.key != key
        headers = {"authorization": f"Bearer {dev.key}"}
        assert httpx.get(tenants, headers=headers).status_code == 200
        assert dev.stop() == 0
        dev.environment["INDELIBLE_ENVIRONMENT"] = "live"
        dev.start()
        assert dev.wait() == 2
        assert f"{file} begins with ind_test_, and INDELIBLE_ENVIRONMENT here is live" in dev.err
