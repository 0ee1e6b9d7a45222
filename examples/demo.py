"""`make demo`: Indelible with the demo's history, and beside it Quayside, in which a customer sees it.

INDELIBLE_PORT and WORKSPACE_PORT say where (8750 and 8751). A browser is opened where there is a display; BROWSER=none
opens none.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import webbrowser
from dataclasses import replace
from pathlib import Path

import httpx

from examples.workspace.__main__ import serve
from examples.workspace.app import Config
from indelible.server.run import public_address
from indelible.settings import Settings, SettingsError

DATA = Path(".indelible")
PAGE = "/workspace/admin/audit-log"
SCOPES = ("events:write", "events:read", "export", "viewer:issue")
"""What a product needs that logs, and shows people their log."""


async def main() -> int:
    try:
        url = public_address(Settings.from_env(os.environ))
    except SettingsError as error:
        sys.exit(str(error))
    config = Config(url, "", int(os.environ.get("WORKSPACE_PORT") or 8751), DATA / "northwind.vkey")
    must_be_free(config.port)
    # A session of its own: Ctrl-C reaches this process alone. If that is killed, the service ends by itself.
    service = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "indelible", "dev", "--demo", f"--data-dir={DATA}", f"--end-with-parent={os.getpid()}"),
        env={"INDELIBLE_CORS_ORIGINS": ",".join(config.origins), **os.environ},
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert service.stdout is not None
    try:
        # The first that it says is its welcome, when the history is there.
        if await service.stdout.readline():
            product = asyncio.create_task(serve(replace(config, key=product_key(url))))
            await listening(product, config.port)
            welcome(f"{config.origins[0]}{PAGE}")
            ended = asyncio.create_task(pass_on(service.stdout))
            done, _ = await asyncio.wait({product, ended}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        if service.returncode is None:
            service.terminate()
        code = await service.wait()
    return code


def must_be_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            sys.exit(f"cannot listen on 127.0.0.1:{port} ({error.strerror}); set WORKSPACE_PORT to another")


async def listening(product: asyncio.Task[None], port: int) -> None:
    while not product.done():
        with contextlib.suppress(OSError):
            _, connection = await asyncio.open_connection("127.0.0.1", port)
            connection.close()
            return
        await asyncio.sleep(0.05)
    product.result()


def product_key(url: str) -> str:
    """The key that Quayside logs with. It is made at the first start, with what Quayside needs and no more."""
    file = DATA / "quayside.key"
    if not file.exists():
        operator = os.environ.get("INDELIBLE_ADMIN_KEY") or (DATA / "admin.key").read_text().strip()
        with httpx.Client(base_url=url, headers={"authorization": f"Bearer {operator}"}) as service:
            members = {"settings": {"member_access": True}}
            service.patch("/api/tenants/northwind", json=members).raise_for_status()
            made = service.post("/api/keys", json={"name": "Quayside", "scopes": SCOPES})
            made.raise_for_status()
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(made.json()["key"])
    return file.read_text()


def welcome(page: str) -> None:
    sys.stdout.write(
        f"\nQuayside, a product that shows its customers their audit log, is running.\n\n  Open      {page}\n\n"
    )
    sys.stdout.flush()
    has_display = sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    is_away = any(os.environ.get(name) for name in ("CI", "SSH_CONNECTION"))
    if has_display and not is_away and os.environ.get("BROWSER") != "none":
        webbrowser.open(page)


async def pass_on(lines: asyncio.StreamReader) -> None:
    """What the service says, until it ends."""
    while line := await lines.readline():
        sys.stdout.buffer.write(line)
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
