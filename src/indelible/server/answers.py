"""Answers that are kept for as long as nothing is added to the ledger they are about."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, NamedTuple

from indelible.store.session import Database
from indelible.store.tenants import size_of
from indelible.store.view import View

__all__ = ["Answer", "Answers"]

_MOST: Final = 256
_MOST_BYTES: Final = 16 * 1024 * 1024


class Answer(NamedTuple):
    body: bytes
    lasting: bool = True
    """Whether it may be kept: not where another try may tell more."""
    events: int = 0
    """How many events it tells of."""
    more: bool = False
    """Whether there are others."""


class Answers:
    """Bodies of answers of one server process. The oldest that nobody asked for again go first."""

    def __init__(self, *, most: int = _MOST, most_bytes: int = _MOST_BYTES) -> None:
        self._kept: OrderedDict[Hashable, Answer] = OrderedDict()
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0

    async def get(
        self, database: Database, view: View, asked: Hashable, answer: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """What was answered to `asked` for this view when the ledger had as many entries as it has now, or `answer`.

        An erasure adds an entry as well, so that nothing outlives it here: the size is read before the events are.
        Raises as `Database.transaction` and `answer` do.
        """
        equal = tuple(sorted((column, tuple(values)) for column, values in view.equal.items()))
        size = await size_of(database, view.tenant)
        name = (view.tenant, view.member, equal, view.parts, size, asked)
        if (kept := self._kept.get(name)) is not None:
            self._kept.move_to_end(name)
            return kept
        made = await answer()
        if made.lasting:
            self._keep(name, made)
        return made

    def _keep(self, name: Hashable, made: Answer) -> None:
        if (former := self._kept.pop(name, None)) is not None:
            self._bytes -= len(former.body)
        self._kept[name] = made
        self._bytes += len(made.body)
        while len(self._kept) > self._most or self._bytes > self._most_bytes:
            self._bytes -= len(self._kept.popitem(last=False)[1].body)
