"""All that Quayside does with Indelible: it logs events, and lets people read them in its own pages."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, Unpack

import httpx

from indelible import AuditLog, Event, Receipt, UnavailableError, new_event
from indelible.client.events import EventFields

__all__ = ["Audit", "Token", "Viewer", "Watching"]


class Watching(TypedDict, total=False):
    """Who looks at the log, and how much of it: what `POST /api/viewer-tokens` takes."""

    tenant_id: str
    actor: dict[str, Any]
    role: str
    can_export: bool
    staff: bool
    reason: str


class Token(NamedTuple):
    token: str
    expires_at: str


class Viewer(NamedTuple):
    """What a page needs to show the log: the script, the hash that it must have, and the ledger's keys, one a line."""

    src: str
    integrity: str
    vkeys: str


class Audit:
    """One for the whole process. Its methods block, for some seconds at most."""

    def __init__(self, url: str, key: str, vkey_file: Path) -> None:
        self.url = url
        # Somebody waits for the page: rather tell them soon that it was not logged than hold them up for 30 seconds.
        self._log = AuditLog(url, key=key, timeout=3, retries=2, deadline=5)
        self._http = httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=5)
        self._vkey_file = vkey_file
        self._viewers: dict[str, Viewer] = {}
        self._late: list[Event] = []
        self._one_at_a_time = threading.Lock()

    def log(self, action: str, **fields: Unpack[EventFields]) -> Receipt:
        """Raises an `IndelibleError` where it was not logged; what could not be delivered is sent with a later one."""
        event = new_event(action, **fields)
        try:
            receipt = self._log.log(event)
        except UnavailableError:
            # Kept in memory here. Keep them where they survive a restart: in a table that is written together with
            # what was done. An event has its id and time from the beginning, so sending it twice makes one entry.
            self._late.append(event)
            raise
        self._send_late()
        return receipt

    def _send_late(self) -> None:
        with self._one_at_a_time:
            late, self._late = self._late, []
            try:
                self._log.log_many(late)
            except UnavailableError:
                self._late += late

    def token(self, watching: Watching) -> Token:
        """For the browser of one person, for a quarter of an hour. Raises `httpx.HTTPError`."""
        answer = self._http.post("/api/viewer-tokens", json=watching)
        answer.raise_for_status()
        return Token(answer.json()["token"], answer.json()["expires_at"])

    def end_tokens(self, tenant: str, person: str) -> None:
        """Of whoever may see less than before. Where this fails, they end within a quarter of an hour."""
        with contextlib.suppress(httpx.HTTPError):
            self._http.post("/api/viewer-tokens/revoke", json={"tenant_id": tenant, "actor_id": person})

    def viewer(self, tenant: str) -> Viewer:
        """What the page embeds; asked for once. Raises `httpx.HTTPError`."""
        if tenant not in self._viewers:
            script = self._http.get("/viewer/script.json")
            script.raise_for_status()
            src, integrity = script.json()["src"], script.json()["integrity"]
            self._viewers[tenant] = Viewer(f"{self.url}{src}", integrity, self._vkeys(tenant))
        return self._viewers[tenant]

    def _vkeys(self, tenant: str) -> str:
        # So that the demo needs nothing by hand. In production it comes from your configuration, out of band: from
        # `indelible keys vkeys`, run where the signing key is. A key from whom it is to check proves nothing.
        if not self._vkey_file.exists():
            answer = self._http.get("/api/audit-log/vkeys", params={"tenant_id": tenant})
            answer.raise_for_status()
            self._vkey_file.write_text(answer.text)
        return self._vkey_file.read_text()
