"""The evidence of one event: verified by whoever has a key, and with nothing in it that its reader is not shown."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from indelible.ledger.evidence_command import open_evidence
from indelible.ledger.evidence_verifier import verify
from indelible.ledger.report import Report
from indelible.ledger.signing import SigningKey
from tests.conftest import Service
from tests.server.conftest import Reader, an_event, problem
from tests.server.test_erased import erase_actor
from tests.server.test_event import FIELDS
from tests.server.test_members import PARTS
from tests.server.test_members import log as log_with_everything
from tests.server.test_page_proofs import superuser
from tests.signed import origin_of, sign

KEY = SigningKey.generate()
URL = "/api/audit-log"
VERIFIER = Path(__file__).parents[2] / "docs" / "verify.py"


def log(api: httpx.Client, tenant: str, **fields: object) -> str:
    answer = api.post(URL, json=an_event(tenant, **FIELDS, **fields))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def evidence(client: httpx.Client, tenant: str, event_id: str) -> bytes:
    answer = client.get(f"{URL}/{event_id}/evidence", params={"tenant_id": tenant})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="{event_id}.evidence.zip"'
    return answer.content


def verified(service: Service, tenant: str, data: bytes, directory: Path, *, accept_withheld: bool = False) -> Report:
    path = directory / "evidence.zip"
    path.write_bytes(data)
    with open_evidence(path) as file:
        return verify(file, [KEY.verifier(origin_of(service.database, tenant))], accept_withheld=accept_withheld)


def shown(data: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as folder:
        return folder.read("evidence.jsonl").decode()


@pytest.mark.parametrize("number", [0, 40, 299])
def test_it_is_proven_by_the_file_that_anybody_has(
    service: Service, api: httpx.Client, tenant: str, tmp_path: Path, number: int
) -> None:
    ids = api.post(f"{URL}/batch", json=[an_event(tenant, **FIELDS) for _ in range(300)]).json()["data"]
    sign(service.database, tenant, KEY)
    data = evidence(api, tenant, ids[number]["id"])
    assert len(data) < 64 * 1024
    path = tmp_path / "evidence.zip"
    path.write_bytes(data)
    key = str(KEY.verifier(origin_of(service.database, tenant)))
    done = subprocess.run(
        [sys.executable, "-I", str(VERIFIER), str(path), "--key", key], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PROVEN" in done.stdout
    report = verified(service, tenant, data, tmp_path)
    assert (report.start, report.stop) == (number + 1, number + 2)
    assert (report.counts.shown, report.counts.disclosed, report.counts.withheld) == (1, 5, 0)


def test_the_ledgers_own_first_entry_is_proven_as_well(
    service: Service, api: httpx.Client, tenant: str, tmp_path: Path
) -> None:
    log(api, tenant)
    sign(service.database, tenant, KEY)
    first = api.get(URL, params={"tenant_id": tenant, "action": "ledger.created"}).json()["data"][0]["id"]
    report = verified(service, tenant, evidence(api, tenant, first), tmp_path)
    assert (report.verdict, report.tenant_id) == ("proven", tenant)


def test_what_was_erased_is_proven_to_have_been(
    service: Service, api: httpx.Client, tenant: str, tmp_path: Path
) -> None:
    event_id = log(api, tenant)
    log(api, tenant)
    erase_actor(service, tenant, "usr_7")
    sign(service.database, tenant, KEY)
    data = evidence(api, tenant, event_id)
    report = verified(service, tenant, data, tmp_path)
    assert (report.verdict, report.counts.erased, report.counts.withheld) == ("proven", 2, 0)
    assert "Sarah" not in shown(data)


@pytest.mark.parametrize("signed", [0, 2], ids=["nothing", "without the erasure"])
def test_what_is_not_signed_yet_is_409(service: Service, api: httpx.Client, tenant: str, signed: int) -> None:
    """Also where it is the record of an erasure."""
    event_id = log(api, tenant)
    if signed:
        sign(service.database, tenant, KEY, signed)
        erase_actor(service, tenant, "usr_7")
    problem(api.get(f"{URL}/{event_id}/evidence", params={"tenant_id": tenant}), 409, "not_yet_signed")


def test_of_another_tenants_event_there_is_none(service: Service, api: httpx.Client, tenant: str) -> None:
    event_id = log(api, tenant)
    log(api, f"{tenant}-2")
    for each in (tenant, f"{tenant}-2"):
        sign(service.database, each, KEY)
    for name in (f"{tenant}-2", f"{tenant}-none"):
        problem(api.get(f"{URL}/{event_id}/evidence", params={"tenant_id": name}), 404, "no_such_event")
    problem(api.get(f"{URL}/x/evidence", params={"tenant_id": tenant}), 422, "invalid_parameter")


@pytest.mark.parametrize("sees", [(), ("changes",), ("request_id",), PARTS], ids="+".join)
def test_a_members_has_nothing_that_is_hidden_from_them(
    service: Service, api: httpx.Client, tenant: str, tmp_path: Path, reader: Reader, sees: tuple[str, ...]
) -> None:
    own, foreign = log_with_everything(api, tenant), log_with_everything(api, tenant, targets=[])
    sign(service.database, tenant, KEY)
    with reader(sees=sees) as alex:
        data = evidence(alex, tenant, own)
        alone = alex.get(f"{URL}/{own}").json()
        problem(alex.get(f"{URL}/{foreign}/evidence"), 404, "no_such_event")
    text = shown(data)
    entry_line = text.splitlines()[1]
    assert all(f'"{disclosure}"' in entry_line for disclosure in alone["disclosures"])
    assert entry_line.split('"disclosures":')[1].count('"') == 2 * len(alone["disclosures"])
    report = verified(service, tenant, data, tmp_path)
    hidden = 5 - len(alone["disclosures"])
    assert (report.verdict, report.counts.withheld) == ("not proven" if hidden else "proven", hidden)
    assert verified(service, tenant, data, tmp_path, accept_withheld=True).verdict == "proven"


def test_who_does_not_see_the_whole_ledger_gets_no_record_of_an_erasure(
    service: Service, api: httpx.Client, tenant: str, tmp_path: Path, reader: Reader
) -> None:
    """It names what was erased of others as well, and why. What was erased counts as withheld."""
    event_id = log_with_everything(api, tenant)
    erase_actor(service, tenant, "usr_7")
    sign(service.database, tenant, KEY)
    chosen = {"action": ["user.role_changed"]}
    with reader(sees=PARTS) as alex, reader("admin", "usr_1", PARTS, filter=chosen) as filtered:
        for client in (alex, filtered):
            data = evidence(client, tenant, event_id)
            assert '{"erasure":' not in shown(data)
            assert verified(service, tenant, data, tmp_path).verdict == "not proven"
            report = verified(service, tenant, data, tmp_path, accept_withheld=True)
            assert (report.verdict, report.counts.withheld) == ("proven", 2)
    assert '{"erasure":' in shown(evidence(api, tenant, event_id))


def test_a_member_who_sees_the_record_of_an_erasure_gets_its_evidence(
    service: Service, api: httpx.Client, tenant: str, tmp_path: Path, reader: Reader
) -> None:
    log(api, tenant)
    erase_actor(service, tenant, "usr_7")
    sign(service.database, tenant, KEY)
    with reader(id_="usr_7") as sarah:
        (record,) = sarah.get(URL, params={"action": "ledger.erasure"}).json()["data"]
        data = evidence(sarah, tenant, record["id"])
    assert verified(service, tenant, data, tmp_path, accept_withheld=True).verdict == "proven"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE indelible.events SET entry = replace(encode(entry, 'escape'), 'joined', 'jailed')::bytea WHERE {}",
        "UPDATE indelible.events SET entry = '{{}}' WHERE {}",
        "UPDATE indelible.events SET entry = replace(encode(entry, 'escape'), 'joined', 'jailed')::bytea, "
        "leaf_hash = sha256('\\x00'::bytea || replace(encode(entry, 'escape'), 'joined', 'jailed')::bytea) WHERE {}",
        "UPDATE indelible.event_personal SET metadata = replace(metadata, '4512', '4513') WHERE {}",
        "UPDATE indelible.event_personal SET metadata = NULL, erased = '{{\"metadata\": 3}}' WHERE {}",
    ],
    ids=["entry", "no entry", "entry and hash", "disclosure", "said to be erased"],
)
def test_of_what_was_altered_there_is_no_evidence(
    service: Service, api: httpx.Client, tenant: str, statement: str
) -> None:
    event_id = log(api, tenant)
    for _ in range(4):
        log(api, tenant)
    sign(service.database, tenant, KEY)
    superuser(service, statement.format("tenant_id = %(tenant)s AND seq = 1"), tenant=tenant)
    body = problem(api.get(f"{URL}/{event_id}/evidence", params={"tenant_id": tenant}), 500, "ledger_altered")
    assert "indelible verify" in body["detail"]


def test_it_is_on_record_with_the_event(service: Service, api: httpx.Client, tenant: str, reader: Reader) -> None:
    event_id = log(api, tenant)
    sign(service.database, tenant, KEY)
    with reader("admin", "usr_1") as dana:
        for client in (dana, dana, api):
            evidence(client, tenant, event_id)
    page = api.get(URL, params={"tenant_id": tenant, "action": "audit_log.proof_downloaded"}).json()["data"]
    assert [(e["metadata"]["kind"], [t["id"] for t in e["targets"]]) for e in page] == [
        ("evidence", []),
        ("evidence", [event_id]),
    ]
    assert page[1]["sentence"].endswith("downloaded evidence of an event of the audit log")
    assert page[0]["sentence"].endswith("downloaded evidence of the audit log")
