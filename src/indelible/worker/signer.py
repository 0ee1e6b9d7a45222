"""The signer: signs each ledger as it grows, and refuses one that no longer holds what was signed of it before."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple
from weakref import WeakValueDictionary

import psycopg
import structlog

from indelible.archive import Archive, ArchiveError, Differs
from indelible.ledger import note
from indelible.ledger.checkpoint import Checkpoint
from indelible.ledger.signing import SigningKey, sign_checkpoint
from indelible.store import checkpoints
from indelible.store.append import Rules
from indelible.store.checkpoints import Ledger, Signed
from indelible.store.errors import StoreError, StoreUnavailable
from indelible.store.session import Connection, Database, first_line
from indelible.worker import archived, refusal
from indelible.worker.entries import Entries
from indelible.worker.inspection import Opened, inspect, key_id, open_signed, require_name
from indelible.worker.listener import listen
from indelible.worker.memory import Memory
from indelible.worker.publisher import Pending, Publisher
from indelible.worker.refusal import Refused
from indelible.worker.refusals import Refusals
from indelible.worker.requests import Requests

__all__ = ["Refused", "Signer"]

_log = structlog.get_logger()

_SWEEP = 60.0
"""Seconds after which all ledgers are looked at, also those that did not grow."""

_RETRY = 5.0
"""Seconds, at most, after which what failed is tried again."""

_LARGE = 100_000
"""New entries from which on a ledger is read beside the others, which must not wait for it."""

_ATTEMPTS = 5
_LAST_CHANCE = 10.0
"""Seconds to publish what is left when the signer stops."""


class _Outcome(NamedTuple):
    signed: Signed
    is_new: bool


class Signer:
    """Signs the ledgers of `database` with `keys`, and publishes what it signed to `archive`.

    `keys` has the current key first, and after it, while a rotation lasts, those before it: all of them sign. A ledger
    is signed only if it holds all that is known to have been signed of it: by its last checkpoint, by the archive, and
    by what this process has seen itself. What the archive knows is read before anything is signed, and again whenever
    PostgreSQL was away. `rules` are those by which the signer's own entries are appended.
    """

    def __init__(
        self,
        database: Database,
        rules: Rules,
        keys: Sequence[SigningKey],
        archive: Archive | None = None,
        *,
        interval: timedelta = timedelta(seconds=5),
        archive_interval: timedelta = timedelta(seconds=60),
    ) -> None:
        """Raises `ValueError` where there is no key."""
        if not keys:
            raise ValueError("a signer takes at least one key")
        self._database = database
        self._entries = Entries(database, rules, keys[0])
        self._keys = tuple(keys)
        self._archive = archive
        self._publisher = Publisher(archive, archive_interval, self._differs) if archive is not None else None
        self._interval = interval.total_seconds()

        self._memory = Memory()
        self._refusals = Refusals(database, self._entries)
        self._published: dict[str, int] = {}  # by origin, the largest size that is in the archive, or on its way
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

        self._preparing = asyncio.Lock()
        self._is_prepared = False
        self._connections = 0  # how many the listener has had
        self._next_sweep = 0.0
        self._tasks: asyncio.TaskGroup | None = None
        self._large: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self._requests = Requests()

    # --- for those who run it

    async def run(self, stop: asyncio.Event) -> None:
        """Signs until `stop` is set, whatever happens to PostgreSQL and the archive meanwhile."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                loops = [self._listen(), self._sign_what_grows(), self._sign_what_is_asked_for()]
                if self._publisher is not None:
                    loops.append(self._publisher.run())
                running = [tasks.create_task(each) for each in loops]
                await stop.wait()
                for task in [*running, *([self._large] if self._large else [])]:
                    task.cancel()
        finally:
            self._tasks = None
            self._connected.clear()
            self._is_prepared = False
        try:
            async with asyncio.timeout(_LAST_CHANCE):
                await self.publish()
        except (ArchiveError, TimeoutError) as error:
            _log.warning("not all checkpoints are published; the next start publishes them", error=first_line(error))

    async def sign(self, tenant: str) -> Signed:
        """The checkpoint of the tenant's ledger as it is now; made, where it is not there yet.

        Raises `Refused`, `StoreUnavailable`, `ArchiveError` or `psycopg.Error`.
        """
        await self._prepare()
        return (await self._sign(tenant)).signed

    async def sign_changed(self) -> int:
        """Signs each ledger that is to be signed, those first that grew least; returns how many.

        Raises `StoreUnavailable`, `ArchiveError` or `psycopg.Error`; then not all were signed.
        """
        await self._prepare()
        if asyncio.get_running_loop().time() >= self._next_sweep:
            waiting = await self._sweep()
            self._next_sweep = asyncio.get_running_loop().time() + max(_SWEEP, self._interval)
        else:
            async with self._database.transaction("signer") as connection:
                waiting = [
                    (each.tenant, each.entries)
                    for each in await checkpoints.grown(connection)
                    # What another signer signed is remembered here, too.
                    if each.tenant not in self._refusals
                    and (each.entries != 0 or not self._memory.knows(each.tenant, each.signed))
                ]
        signed = 0
        for tenant, entries in waiting:
            if self._tasks is not None and entries > _LARGE:
                if self._large is None or self._large.done():
                    self._large = self._tasks.create_task(self._sign_large(tenant))
            else:
                signed += await self._signed_newly(tenant)
        return signed

    async def publish(self) -> None:
        """Publishes what waits for it, now. Raises `ArchiveError`."""
        if self._publisher is not None:
            await self._publisher.flush()

    # --- the loops

    async def _listen(self) -> None:
        await listen(self._database, request=self._requests.add, connected=self._on_connected, lost=self._on_lost)

    def _on_connected(self) -> None:
        self._is_prepared = False
        self._connections += 1
        self._connected.set()

    def _on_lost(self) -> None:
        self._is_prepared = False
        self._connected.clear()

    async def _sign_what_grows(self) -> None:
        trouble = ""
        while True:
            await self._connected.wait()
            try:
                await self.sign_changed()
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not end signing for good
                if first_line(error) != trouble:
                    trouble = first_line(error)
                    _log.error("nothing is signed", error=trouble, kind=type(error).__name__)
                await asyncio.sleep(min(self._interval, _RETRY))
            else:
                if trouble:
                    _log.info("ledgers are signed again")
                trouble = ""
                await asyncio.sleep(self._interval)

    async def _sign_what_is_asked_for(self) -> None:
        while True:
            tenant = await self._requests.next()
            try:
                await self._prepare()
                await self._signed_newly(tenant)
            except Exception:  # noqa: BLE001 - which the other loop tells of
                self._requests.add(tenant)
                await asyncio.sleep(1)

    async def _sign_large(self, tenant: str) -> None:
        with suppress(StoreError):  # which the next round tells of
            await self._signed_newly(tenant)

    async def _signed_newly(self, tenant: str) -> bool:
        """Signs the ledger, whatever may be wrong with it. Raises what is wrong with PostgreSQL for all."""
        try:
            return (await self._sign(tenant)).is_new
        except (Refused, StoreUnavailable) as error:
            # One ledger that somebody holds locked is not signed this time; the others are.
            if isinstance(error, Refused) or isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
                return False
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end signing for everybody
            _log.error("a ledger cannot be signed", tenant=tenant, error=first_line(error), kind=type(error).__name__)
            return False

    # --- before anything is signed

    async def _prepare(self) -> None:
        """Sees to it that what the archive knows was read since PostgreSQL was there last."""
        async with self._preparing:
            if self._is_prepared:
                return
            connections = self._connections
            if self._tasks is not None and not self._connected.is_set():
                raise StoreUnavailable("PostgreSQL is away")
            async with self._database.transaction("signer") as connection:
                await checkpoints.save_public_keys(connection, [key.public_key for key in self._keys])
            about = await self._learn_owners()
            if self._archive is not None:
                found = await archived.read(self._archive, about, self._keys)
                self._memory.learn_archived(found)
                self._published = dict(found.filed)
            if connections != self._connections:
                raise StoreUnavailable("PostgreSQL was away meanwhile")
            self._next_sweep = 0.0
            self._is_prepared = True

    async def _learn_owners(self) -> dict[str, int]:
        """Whose the ledgers are; returns, by origin, how far each was signed."""
        found: dict[str, Signed | None] = {}
        about = {}
        async with self._database.transaction("signer", snapshot=True) as connection:
            for tenant in await checkpoints.vanished(connection):
                found[tenant] = await checkpoints.last(connection, tenant)
            async for ledger, last in checkpoints.every_ledger(connection):
                about[ledger.origin] = last.size if last else 0
                found[ledger.tenant] = last
        self._memory.learn_owners([(tenant, last) for tenant, last in found.items() if last is not None])
        return about

    async def _sweep(self) -> list[tuple[str, int]]:
        """The tenants whose ledgers are to be signed, or refused, and by how many entries they grew; least first."""
        waiting: dict[str, int] = {}
        origins, tenants = set(), set()
        async with self._database.transaction("signer", snapshot=True) as connection:
            listed = await checkpoints.refused(connection)
            troubled = self._refusals.learn(listed)
            waiting.update(dict.fromkeys(await checkpoints.vanished(connection), 0))
            async for ledger, last in checkpoints.every_ledger(connection):
                origins.add(ledger.origin)
                tenants.add(ledger.tenant)
                if ledger.tenant in troubled or last is None or not self._memory.settles(ledger, last, self._keys):
                    waiting[ledger.tenant] = ledger.size - (last.size if last else 0)
                else:
                    self._offer(ledger, last)
        waiting.update(dict.fromkeys((self._memory.tenants() | troubled) - tenants, 0))
        missing = {}
        for origin, mark in self._memory.archived_beside(origins).items():
            what = f"the archive has a checkpoint of {mark.size:,} entries of {origin}"
            missing[origin] = refusal.gone(what, mark.where, origin)
        await self._refusals.replace_missing(missing, listed)
        return sorted(waiting.items(), key=lambda each: each[1])

    # --- one ledger

    async def _sign(self, tenant: str) -> _Outcome:
        lock = self._locks.setdefault(tenant, asyncio.Lock())
        async with lock:
            try:
                outcome = await self._sign_as_it_is(tenant)
            except Refused as refused:
                if refused.kind != "unknown":
                    await self._refusals.refuse(tenant, refused)
                raise
            await self._refusals.end(tenant)
            return outcome

    async def _sign_as_it_is(self, tenant: str) -> _Outcome:
        announcements = 0
        for _ in range(_ATTEMPTS):
            try:
                async with self._database.transaction("signer", tenant, snapshot=True) as connection:
                    ledger = await checkpoints.ledger(connection, tenant)
                    last = await checkpoints.last(connection, tenant)
                    if ledger is None:
                        raise self._without_ledger(tenant, last)
                    try:
                        found, root = await self._inspect(connection, ledger, last)
                        outcome = None
                        if not self._is_to_be_announced(ledger, found, announcements):
                            outcome = await self._store(connection, ledger, last, root)
                            self._require_current_key(found, outcome)
                    except Refused as refused:
                        refused.origin, refused.entries = ledger.origin, ledger.size
                        raise
            except psycopg.errors.UniqueViolation:
                continue  # another signer was quicker
            if outcome is not None:
                self._memory.accept(ledger, outcome.signed, root)
                self._offer(ledger, outcome.signed)
                return outcome
            assert found is not None
            await self._announce(ledger, found, again=announcements > 0)
            announcements += 1
        raise StoreUnavailable("other signers were quicker each time")

    async def _inspect(
        self, connection: Connection, ledger: Ledger, last: Signed | None
    ) -> tuple[Opened | None, bytes]:
        """The last checkpoint, and the root of the ledger as it is, which was proven to hold all that is known of it.

        Raises `Refused`.
        """
        seen, marks = self._memory.require(ledger, last.size if last else 0)
        await require_name(connection, ledger, last.size if last else 0)
        found = open_signed(ledger, last, self._keys) if last else None
        return found, await inspect(connection, ledger, found.checkpoint if found else None, seen, marks)

    async def _store(self, connection: Connection, ledger: Ledger, last: Signed | None, root: bytes) -> _Outcome:
        """Signs the ledger as it was inspected, unless that was done."""
        previous = last.size if last else 0
        if last is not None and previous == ledger.size:
            return _Outcome(last, is_new=False)
        try:
            text = sign_checkpoint(Checkpoint(ledger.origin, ledger.size, root), self._keys)
        except (note.BadNote, note.BadKey):
            raise Refused("rewritten", f"the ledger is called {ledger.origin!r}, which no ledger is") from None
        if not self._is_prepared:
            raise StoreUnavailable("PostgreSQL was away meanwhile")
        signed = await checkpoints.insert(connection, ledger.tenant, previous, ledger.size, text)
        self._memory.commits(ledger.origin, ledger.size, root)
        return _Outcome(signed, is_new=True)

    def _without_ledger(self, tenant: str, last: Signed | None) -> Refused:
        seen = self._memory.seen_of(tenant)
        if last is not None:
            origin = seen.ledger.origin if seen else last.note.partition("\n")[0][:300]
            return refusal.gone(f"its last checkpoint says {last.size:,} entries", origin=origin)
        if seen is not None:
            return refusal.gone(f"this signer saw {seen.ledger.size:,} entries of it", origin=seen.ledger.origin)
        return refusal.no_ledger(tenant)

    def _is_to_be_announced(self, ledger: Ledger, found: Opened | None, announcements: int) -> bool:
        """Whether the current key has not signed the ledger yet.

        It may have been announced all the same, and then a signer without it went on. That is no reason to announce it
        again, unless the ledger did not grow: nothing else could be signed with it.
        """
        if found is None or self._keys[0].public_key in found.keys:
            return False
        return announcements == 0 or (announcements == 1 and ledger.size == found.checkpoint.size)

    def _require_current_key(self, found: Opened | None, outcome: _Outcome) -> None:
        """Refuses a ledger that the current key did not sign, though it was announced. Raises `Refused`."""
        if found is not None and not outcome.is_new and self._keys[0].public_key not in found.keys:
            what = "the ledger lacks the entry that announces the current key, though PostgreSQL took it"
            raise Refused("rewritten", what, size=outcome.signed.size)

    async def _announce(self, ledger: Ledger, found: Opened, *, again: bool) -> None:
        """Records the new key in the ledger, so that the old one, which signs as well, vouches for it."""
        before = next(key.public_key for key in self._keys if key.public_key in found.keys)
        await self._entries.announce(
            ledger.tenant,
            self._keys[0].verifier(ledger.origin),
            key_id(ledger.origin, before),
            str(found.checkpoint.size) if again else "",
        )

    # --- the archive

    def _offer(self, ledger: Ledger, signed: Signed) -> None:
        if self._publisher is not None and self._published.get(ledger.origin, 0) < signed.size:
            self._published[ledger.origin] = signed.size
            self._publisher.offer(Pending(ledger.tenant, ledger.origin, signed.size, signed.note))

    async def _differs(self, pending: Pending, differs: Differs) -> None:
        """The archive has another checkpoint of the size that was published: two histories were signed."""
        what = f"the archive has another checkpoint of {pending.size:,} entries than the database"
        refused = Refused("archive_differs", what, str(differs), pending.size, pending.origin)
        self._memory.bar(pending.origin, refused)
        with suppress(StoreError, psycopg.Error):  # it is refused all the same, and listed then
            await self._refusals.refuse(pending.tenant, refused)
