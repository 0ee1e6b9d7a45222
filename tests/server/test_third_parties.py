"""What the service and its signer give out is accepted by verifiers that others wrote, as it comes over the wire."""

from __future__ import annotations

import secrets
from base64 import b64decode, urlsafe_b64decode
from typing import Any

import aics_tlog
import httpx
import metamorphic_log  # type: ignore[import-untyped]
import pytest
import tlog_scales.signing
import tlog_scales.tlog

from indelible.catalog import Catalog
from indelible.ledger.signing import SigningKey
from indelible.store.append import Rules, open_ledger
from indelible.store.session import Database as Connections
from indelible.worker.signer import Signer
from tests.conftest import Service
from tests.server.conftest import an_event
from tests.signed import leaves_of, origin_of

pytestmark = pytest.mark.anyio

URL = "/api/audit-log"
SIZES = [*range(1, 40), *range(40, 600, 13), 600]


class Verifiers:
    """Each of the three, with the one key that is trusted. Raises where one of them does not accept."""

    def __init__(self, vkey: str) -> None:
        self.vkey = vkey

    def checkpoint(self, signed: str) -> tuple[int, bytes]:
        theirs = metamorphic_log.checkpoint_verify(signed, [self.vkey])
        result = aics_tlog.verify_checkpoint(aics_tlog.parse_note(signed), aics_tlog.parse_vkey(self.vkey))
        assert result.ok, result.error
        found = tlog_scales.tlog.Checkpoint.from_text(signed)
        found.verify(tlog_scales.signing.Vkey.from_string(self.vkey))
        assert (theirs.size, theirs.root) == (result.size, result.root) == (found.size, found.root_hash)
        return theirs.size, theirs.root

    def inclusion(self, proof: str, leaf: bytes) -> int:
        """The file is taken apart here, by its lines alone."""
        head, _, signed = proof.partition("\n\n")
        kind, index_line, *lines = head.split("\n")
        assert kind == "c2sp.org/tlog-proof@v1"
        index = int(index_line.removeprefix("index "))
        hashes = [b64decode(line, validate=True) for line in lines]
        size, root = self.checkpoint(signed)
        metamorphic_log.checkpoint_verify_inclusion(signed, [self.vkey], index, leaf, hashes)
        assert aics_tlog.verify_inclusion(leaf, index, size, hashes, root)
        tlog_scales.tlog.InclusionProof(index, size, hashes).check(leaf, root)
        return index

    def consistency(self, before: str, after: str, answer: dict[str, Any]) -> None:
        hashes = [urlsafe_b64decode(text + "=") for text in answer["proof"]]
        (old, old_root), (new, root) = self.checkpoint(before), self.checkpoint(after)
        assert (answer["from"], answer["to"]) == (old, new)
        metamorphic_log.checkpoint_verify_consistency(before, after, [self.vkey], hashes)
        assert aics_tlog.verify_consistency(old, new, old_root, root, hashes)
        tlog_scales.tlog.ConsistencyProof(old, new, hashes).check(old_root, root)


async def test_a_ledger_from_1_to_600_entries(service: Service, catalog: Catalog) -> None:
    tenant = f"t-{secrets.token_hex(6)}"
    key = SigningKey.generate()
    async with Connections.open(service.database.url, size=6) as connections:
        async with connections.transaction("writer") as connection:
            assert await open_ledger(connection, tenant, Rules(catalog))
        verifiers = Verifiers(str(key.verifier(origin_of(service.database, tenant))))
        signer = Signer(connections, Rules(catalog), [key])
        logged: list[dict[str, Any]] = []
        notes: dict[int, str] = {}
        with service.client() as api:
            for size in SIZES:
                # The first download of each kind is an entry as well.
                if more := size - len(leaves_of(service.database, tenant)):
                    logged += api.post(f"{URL}/batch", json=[an_event(tenant) for _ in range(more)]).json()["data"]
                await signer.sign(tenant)
                notes[size] = _get(api, f"{URL}/checkpoint", tenant).text
                assert verifiers.checkpoint(notes[size])[0] == size
                leaves = leaves_of(service.database, tenant)
                for number in {0, len(logged) // 2, len(logged) - 1} & set(range(len(logged))):
                    proof = _get(api, f"{URL}/{logged[number]['id']}/proof", tenant).text
                    seq = logged[number]["seq"]
                    assert verifiers.inclusion(proof, leaves[seq]) == seq
            for old in SIZES[::9]:
                for new in (old, SIZES[-5], 600):
                    if old <= new:
                        answer = _get(api, f"{URL}/consistency", tenant, **{"from": old, "to": new})
                        verifiers.consistency(notes[old], notes[new], answer.json())


def _get(api: httpx.Client, address: str, tenant: str, **parameters: int) -> httpx.Response:
    answer = api.get(address, params={"tenant_id": tenant, **parameters})
    assert answer.status_code == 200, answer.text
    return answer
