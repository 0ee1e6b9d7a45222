"""The client without its I/O: generators that say what to send and how long to wait.

A driver runs one of them with `send`: it carries out each step and hands back what came of it. So both
clients share every decision, and differ only in how they touch the network and the clock.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping, Sized
from typing import NamedTuple, TypeVar, cast
from uuid import UUID

from indelible import __version__
from indelible.client.answers import Answer, NoAnswer, Receipt, read_batch, read_receipt, refusal_in
from indelible.client.attempts import TRANSIENT, Attempts, retry_after
from indelible.client.batch import BatchResult, Numbered, Refused, by_size, pack
from indelible.client.config import Config
from indelible.client.errors import IndelibleError, InvalidEventError, UnavailableError
from indelible.client.events import EventFields, Prepared, new_event, prepare
from indelible.event import Event

__all__ = ["Core", "Pause", "Reply", "Request", "Steps"]

_T = TypeVar("_T")


class Request(NamedTuple):
    """A POST; the driver adds the key. `timeout` is in seconds, for each wait on the network."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    timeout: float


class Pause(NamedTuple):
    """Seconds to wait."""

    seconds: float


Reply = Answer | NoAnswer | None
"""What comes back: an answer or none to a request, None to a pause."""

Steps = Generator[Request | Pause, Reply, _T]

_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, application/problem+json",
    "User-Agent": f"indelible-python/{__version__}",
}


class Core:
    """What to do to log one event, or a block of them."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.clock = time.monotonic

    def log(self, event: Event | str, fields: Mapping[str, object]) -> Steps[Receipt]:
        """Delivers one event, given ready or as `new_event` takes it."""
        return self._log(self._prepare(event, fields))

    def log_block(self, block: Iterable[Event], result: BatchResult) -> Steps[None]:
        """Delivers a block, noting in `result` what became of each event.

        Raises where no request can be expected to pass: the rest of the block is then noted as refused with it.
        """
        waiting: dict[int, Numbered] = {}
        for position, event in enumerate(block, start=len(result)):
            try:
                waiting[position] = Numbered(position, self._prepare(event, {}))
            except InvalidEventError as error:
                error.event = event
                result.settle(position, Refused(position, event, error))
        try:
            for run in by_size(list(waiting.values())):
                yield from self._deliver(run, waiting, result)
        except IndelibleError as error:
            for position, (_, prepared) in waiting.items():
                result.settle(position, Refused(position, prepared.event, error))
            error.result = result
            raise

    def _prepare(self, event: Event | str, fields: Mapping[str, object]) -> Prepared:
        if isinstance(event, str):
            event = new_event(event, **cast("EventFields", fields))
        elif fields:
            raise TypeError(f"an Event is complete; it takes no {', '.join(fields)}")
        elif not isinstance(event, Event):
            raise TypeError(f"an Event is needed, such as new_event(...) makes; got {type(event).__name__}")
        return prepare(event)

    def _log(self, prepared: Prepared) -> Steps[Receipt]:
        attempts = Attempts(self.config, self.clock)
        try:
            answer = yield from self._ask(attempts, "", prepared.body, _HEADERS, f"event {prepared.event.id}")
            outcome = read_receipt(answer, _id(prepared))
            if isinstance(outcome, IndelibleError):
                raise self._discreet(outcome)
        except IndelibleError as error:
            error.event = prepared.event
            raise
        return outcome

    def _deliver(self, run: list[Numbered], waiting: dict[int, Numbered], result: BatchResult) -> Steps[None]:
        """Sends a run until each of its events is settled, again only those that the service could not take yet."""
        attempts = Attempts(self.config, self.clock)
        while run:
            body, zipped = pack(run)
            headers = {**_HEADERS, "Content-Encoding": "gzip"} if zipped else _HEADERS
            answer = yield from self._ask(attempts, "/batch", body, headers, _count(run))
            outcomes = read_batch(answer, [_id(item.prepared) for item in run])
            if isinstance(outcomes, IndelibleError):
                raise self._discreet(outcomes)
            again: list[Numbered] = []
            for item, outcome in zip(run, outcomes, strict=True):
                if isinstance(outcome, UnavailableError):
                    again.append(item)
                    cause = self._discreet(outcome)
                else:
                    settled = self._refused(item, outcome) if isinstance(outcome, IndelibleError) else outcome
                    result.settle(item.position, settled)
                    del waiting[item.position]
            run = again
            if run:
                yield from self._wait(attempts, cause, retry_after(answer.headers), _count(run))

    def _ask(
        self, attempts: Attempts, path: str, body: bytes, headers: Mapping[str, str], subject: str
    ) -> Steps[Answer]:
        """Tries until there is an answer that another try would not change."""
        url = f"{self.config.url}/api/audit-log{path}"
        while True:
            reply = yield Request(url, body, headers, attempts.begin())
            if isinstance(reply, Answer):
                if reply.status not in TRANSIENT:
                    return reply
                yield from self._wait(attempts, self._discreet(refusal_in(reply)), retry_after(reply.headers), subject)
            else:
                reason = reply.reason if reply else "no answer"
                yield from self._wait(attempts, UnavailableError(reason), None, subject)

    def _wait(self, attempts: Attempts, cause: IndelibleError, asked: float | None, subject: str) -> Steps[None]:
        """A pause before the next try, or `UnavailableError` when there is to be none."""
        pause = attempts.pause(asked)
        if pause is None:
            tries = "1 try" if attempts.made == 1 else f"{attempts.made} tries"
            wish = "" if asked is None else f"; it asks to come back in {asked:.0f} s"
            raise UnavailableError(
                f"{subject} not delivered to {self.config.url} in {tries} and {attempts.elapsed():.1f} s: "
                f"{cause}{wish}. Logging again with the same id is safe: use error.event or error.result",
                code=cause.code,
                status=cause.status,
            )
        yield Pause(pause)

    def _refused(self, item: Numbered, error: IndelibleError) -> Refused:
        error.event = item.prepared.event
        return Refused(item.position, item.prepared.event, self._discreet(error))

    def _discreet(self, error: IndelibleError) -> IndelibleError:
        error.args = (self.config.key.hide_in(str(error)),)
        return error


def _id(prepared: Prepared) -> UUID:
    assert prepared.event.id is not None, "prepare() gives each event an id"
    return prepared.event.id


def _count(run: Sized) -> str:
    return "1 event" if len(run) == 1 else f"{len(run):,} events"
