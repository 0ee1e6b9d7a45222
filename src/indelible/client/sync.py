"""The client for code that blocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar, Unpack, overload

from indelible.client.answers import Answer, NoAnswer, Receipt
from indelible.client.batch import BatchResult, blocks
from indelible.client.config import Config
from indelible.client.core import Core, Pause, Reply, Request, Steps
from indelible.client.errors import ConfigurationError
from indelible.client.events import EventFields
from indelible.event import Event

if TYPE_CHECKING:
    import httpx

__all__ = ["AuditLog"]

_T = TypeVar("_T")


class AuditLog:
    """The audit log of your product. One for the whole process: it is thread-safe and keeps connections open.

    `url`, `key`   of the service; else from INDELIBLE_URL and INDELIBLE_KEY.
    `timeout`      seconds that one try may wait for the network.
    `retries`      tries after the first; none of them can double an event.
    `deadline`     seconds after which no further try is begun.
    `http_client`  an `httpx.Client` of your own, for proxies or certificates; closing it stays with you.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        timeout: float = 10.0,
        retries: int = 4,
        deadline: float = 30.0,
        http_client: httpx.Client | None = None,
    ) -> None:
        # Imported here and not when the module is: it takes most of the import time.
        import httpx

        self._core = Core(Config.of(url, key, timeout, retries, deadline))
        self._owns_http = http_client is None
        self._http = http_client or httpx.Client()
        self._no_answer = httpx.RequestError
        self._sleep: Callable[[float], None] = time.sleep

    @overload
    def log(self, event: Event, /) -> Receipt: ...
    @overload
    def log(self, action: str, /, **fields: Unpack[EventFields]) -> Receipt: ...
    def log(self, event: Event | str, /, **fields: object) -> Receipt:
        """Logs one event: durable and in the ledger when this returns.

        Takes what `new_event` takes, or an event that it made. Raises `InvalidEventError` before any network
        if the event is none; else what the service or the network has to say, as an `IndelibleError`.
        """
        return self._run(self._core.log(event, fields))

    def log_many(self, events: Iterable[Event]) -> BatchResult:
        """Logs any number of events, up to 1000 a request.

        Refusals are final and single: they are in the result, and `raise_for_refused` raises them. What keeps
        a request as a whole from passing (the key, an outage) is raised, and `error.result` has all that was
        settled before, with the undelivered events among its `refused`; the rest of `events` is not consumed.
        """
        result = BatchResult()
        for block in blocks(events):
            self._run(self._core.log_block(block, result))
        return result

    def close(self) -> None:
        """Closes the connections."""
        if self._owns_http:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"AuditLog({self._core.config.url!r})"

    def _run(self, steps: Steps[_T]) -> _T:
        reply: Reply = None
        while True:
            try:
                step = steps.send(reply)
            except StopIteration as done:
                value: _T = done.value
                return value
            reply = None
            if isinstance(step, Pause):
                self._sleep(step.seconds)
            else:
                reply = self._send(step)

    def _send(self, request: Request) -> Answer | NoAnswer:
        if self._http.is_closed:
            raise ConfigurationError("this AuditLog is closed; make one for the whole life of the process")
        try:
            answer = self._http.post(
                request.url,
                content=request.body,
                headers={**request.headers, "Authorization": self._core.config.key.bearer()},
                timeout=request.timeout,
                follow_redirects=False,
            )
        except self._no_answer as error:
            return NoAnswer(f"{type(error).__name__}: {error}")
        return Answer(answer.status_code, answer.headers, answer.content)
