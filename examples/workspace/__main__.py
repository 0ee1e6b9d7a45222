"""Serves Quayside: INDELIBLE_URL=… INDELIBLE_KEY=… python -m examples.workspace"""

from __future__ import annotations

import asyncio
import signal

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from examples.workspace.app import Config, create

__all__ = ["serve"]


async def serve(config: Config) -> None:
    """On 127.0.0.1, until SIGINT or SIGTERM. One process: the data is in its memory."""
    server = Server(
        create(config),
        address="127.0.0.1",
        port=config.port,
        interface=Interfaces.ASGI,
        websockets=False,
        log_level=LogLevels.error,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, server.stop)
    await server.serve()


if __name__ == "__main__":
    asyncio.run(serve(Config.from_env()))
