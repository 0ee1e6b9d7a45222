"""The description of what proves: checkpoints, proofs, and the keys."""

from typing import Any

from indelible.server.evidence import ZIP
from indelible.server.openapi_parts import json_answer, parameter, problems, ref, text_answer
from indelible.server.page_proofs import PageProofs
from indelible.server.parameters import CHECKPOINT_SIZE, CONSISTENCY, EVENT_ID, PROOFS, TENANT
from indelible.server.proving import TEXT, Consistency

__all__ = ["MODELS", "paths"]

MODELS: list[Any] = [Consistency, PageProofs]

_NO_CHECKPOINT = "There is no such ledger, or nothing of it was signed yet"
_NOT_YET_SIGNED = "No checkpoint covers it yet, although one was asked for"


def paths() -> dict[str, Any]:
    return {
        "/api/audit-log/{event_id}/proof": {"get": _proof()},
        "/api/audit-log/{event_id}/evidence": {"get": _evidence()},
        "/api/audit-log/proofs": {"get": _proofs()},
        "/api/audit-log/checkpoint": {"get": _checkpoint()},
        "/api/audit-log/consistency": {"get": _consistency()},
        "/api/audit-log/vkeys": {"get": _vkeys()},
    }


def _proof() -> dict[str, Any]:
    return {
        "operationId": "proof",
        "summary": "The proof that an event is in the ledger, as a file",
        "description": "A tlog-proof (`c2sp.org/tlog-proof@v1`): the entry's number, hashes up to the root, and a "
        "signed checkpoint. What it proves is the SHA-256 of a zero byte and `entry`. Of an event that is newer than "
        "the latest checkpoint a new one is asked for, which takes a moment.",
        "parameters": [parameter(EVENT_ID, "path"), parameter(TENANT)],
        "responses": {
            "200": text_answer("The proof", TEXT),
            **problems(404, 422, 500, told={409: _NOT_YET_SIGNED}),
        },
    }


def _evidence() -> dict[str, Any]:
    return {
        "operationId": "evidence",
        "summary": "The evidence of an event, as a file that verifies without us",
        "description": "A zip, as of `indelible export --evidence`: the event as the caller sees it, and all that "
        "proves it but the key, with `verify.py`, which checks it. Waits for a checkpoint as the proof does.",
        "parameters": [parameter(EVENT_ID, "path"), parameter(TENANT)],
        "responses": {
            "200": {"description": "The file", "content": {ZIP: {"schema": {"type": "string", "format": "binary"}}}},
            **problems(404, 422, 500, told={409: _NOT_YET_SIGNED}),
        },
    }


def _proofs() -> dict[str, Any]:
    return {
        "operationId": "proofs",
        "summary": "The proofs of many events, against one checkpoint",
        "description": "Inclusion proofs (RFC 9162 section 2.1.3) for whoever lists events with `sealed` and verifies "
        "them. Nothing is waited for, unless `size` is given. Of entries that the caller does not see, or that there "
        "are not, nothing is said. An entry whose bytes were altered has a proof, which does not fit them. With "
        "`entries` the entries come along, for whoever looks for what a list leaves out; a member, and a token with a "
        "filter, is refused with 403 `part_of_the_log`.",
        "parameters": [parameter(p) for p in PROOFS],
        "responses": {
            "200": json_answer("The proofs", ref("PageProofs")),
            **problems(422, 500, told={404: _NO_CHECKPOINT, 409: _NOT_YET_SIGNED}),
        },
    }


def _checkpoint() -> dict[str, Any]:
    return {
        "operationId": "checkpoint",
        "summary": "A ledger's latest signed checkpoint",
        "description": "A signed note (C2SP tlog-checkpoint): origin, size and root of the ledger, and who signed it.",
        "parameters": [parameter(TENANT), parameter(CHECKPOINT_SIZE)],
        "responses": {
            "200": text_answer("The note, as it was signed", TEXT),
            **problems(422, 500, told={404: _NO_CHECKPOINT, 409: _NOT_YET_SIGNED}),
        },
    }


def _consistency() -> dict[str, Any]:
    return {
        "operationId": "consistency",
        "summary": "The proof that a ledger only grew between two sizes",
        "description": "A consistency proof (RFC 9162 section 2.1.4). It is verified against the roots of two "
        "checkpoints of these sizes.",
        "parameters": [parameter(p) for p in CONSISTENCY],
        "responses": {
            "200": json_answer("The proof", ref("Consistency")),
            **problems(422, 500, told={404: _NO_CHECKPOINT}),
        },
    }


def _vkeys() -> dict[str, Any]:
    return {
        "operationId": "vkeys",
        "summary": "The public keys that checkpoints were signed with",
        "description": "One verifier key (C2SP signed-note) a line, newest first, under the ledger's origin. Pin "
        "yours once, and elsewhere: a key that comes along with what it is to verify proves nothing.",
        "parameters": [parameter(TENANT)],
        "responses": {
            "200": text_answer("The keys", TEXT),
            **problems(422, told={404: _NO_CHECKPOINT}),
        },
    }
