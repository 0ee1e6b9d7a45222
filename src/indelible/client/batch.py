"""Many events at once: how they are divided into requests, and what became of each."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from indelible.client.answers import Receipt
from indelible.client.errors import BatchRefusedError, IndelibleError
from indelible.client.events import Prepared
from indelible.event import Event

__all__ = ["BatchResult", "Numbered", "Refused", "blocks", "by_size", "pack"]

MAX_EVENTS = 1000
"""The service's limit for one request."""

MAX_BYTES = 1 << 20
"""What one request holds at most, before compression: 1 MiB keeps both sides' memory small."""

WORTH_COMPRESSING = 4096
"""Bytes; below, the time costs more than the network saves."""


class Refused(NamedTuple):
    """An event that was not taken: its place among those given (from 0), the event, and why."""

    position: int
    event: Event
    error: IndelibleError


class Numbered(NamedTuple):
    """A prepared event and its place among those given."""

    position: int
    prepared: Prepared


class BatchResult:
    """What became of the events given to `log_many`."""

    def __init__(self) -> None:
        self._settled: dict[int, Receipt | Refused] = {}

    @property
    def receipts(self) -> list[Receipt]:
        """Of the events that are in the ledger, in the order given."""
        return [outcome for _, outcome in sorted(self._settled.items()) if isinstance(outcome, Receipt)]

    @property
    def refused(self) -> list[Refused]:
        """The others, in the order given."""
        return [outcome for _, outcome in sorted(self._settled.items()) if isinstance(outcome, Refused)]

    def raise_for_refused(self) -> None:
        """Raises `BatchRefusedError` if any event was refused."""
        if refused := self.refused:
            first = refused[0]
            error = BatchRefusedError(
                f"{len(refused):,} of {len(self):,} events were refused; "
                f"the first, at position {first.position}: {first.error}",
                event=first.event,
            )
            error.result = self
            raise error from first.error

    def settle(self, position: int, outcome: Receipt | Refused) -> None:
        """Notes what became of the event at `position`."""
        self._settled[position] = outcome

    def __len__(self) -> int:
        return len(self._settled)

    def __repr__(self) -> str:
        return f"BatchResult({len(self.receipts)} receipts, {len(self.refused)} refused)"


def blocks(events: Iterable[Event]) -> Iterator[list[Event]]:
    """The events by the thousand; never more than that is taken from an iterable ahead of its delivery."""
    iterator = iter(events)
    while block := list(islice(iterator, MAX_EVENTS)):
        yield block


def by_size(items: Iterable[Numbered]) -> Iterator[list[Numbered]]:
    """The items in runs of at most `MAX_BYTES`."""
    run: list[Numbered] = []
    size = 0
    for item in items:
        length = len(item.prepared.body) + 1
        if run and size + length > MAX_BYTES:
            yield run
            run, size = [], 0
        run.append(item)
        size += length
    if run:
        yield run


def pack(items: Iterable[Numbered]) -> tuple[bytes, bool]:
    """The body of the request, and whether it is gzip."""
    body = b"[" + b",".join(item.prepared.body for item in items) + b"]"
    if len(body) < WORTH_COMPRESSING:
        return body, False
    # Level 1 halves the time of level 6 and loses a tenth of its gain on such texts.
    return gzip.compress(body, compresslevel=1, mtime=0), True
