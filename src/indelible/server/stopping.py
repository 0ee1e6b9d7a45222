"""When a server process is told to stop: heard at once, and not only once every request was answered."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["when_stopping"]

_Handler = Callable[[int, FrameType | None], Any]


@contextmanager
def when_stopping(do: Callable[[], None]) -> Iterator[None]:
    """Has `do` called in the event loop on SIGTERM and SIGINT, beside whatever else they cause.

    The server (granian) waits for requests that run, and tells the application afterwards; of those that wait for
    something to happen none would end. Event loops hear of signals by `signal.set_wakeup_fd`, and leave to Python a
    handler that does nothing: ours takes its place, and calls it. Nothing happens outside of the main thread.
    """
    loop = asyncio.get_running_loop()
    before: dict[signal.Signals, Any] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(do)
        if callable(then := before.get(signal.Signals(number))):
            then(number, frame)

    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            # Where nobody handles it the process is to end by it, as ever.
            if callable(signal.getsignal(number)):
                before[number] = signal.signal(number, handle)
                signal.siginterrupt(number, False)
    except ValueError:
        pass  # not the main thread, which alone hears signals
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
