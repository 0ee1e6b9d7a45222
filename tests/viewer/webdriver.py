"""Browsers other than Chromium, by the WebDriver (w3.org/TR/webdriver2) that they bring along, without a package."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

__all__ = ["FIREFOX", "WEBKIT", "Driver", "firefox", "webkit"]

FIREFOX = (Path("/usr/bin/firefox-esr"),)
WEBKIT = (
    Path("/usr/bin/WebKitWebDriver"),
    Path("/usr/bin/Xvfb"),
    next(Path("/usr/lib").glob("*/webkit*gtk-*/MiniBrowser"), Path("/usr/lib/MiniBrowser")),
)
"""The programs that each takes: of Debian's packages firefox-esr; webkit2gtk-driver and xvfb."""

KEYS = {"Escape": "\ue00c", "Enter": "\ue007", "ArrowDown": "\ue015", "ArrowRight": "\ue014", "Home": "\ue011"}
SIZE = {"x": 0, "y": 0, "width": 1280, "height": 900}
PATIENCE = 30
"""Seconds until what is waited for has to be there."""


class Driver:
    """One window. `ask` takes a command by its name in Marionette, without the prefix, and what it takes."""

    def __init__(self, ask: Callable[[str, dict[str, Any]], Any]) -> None:
        self.ask = ask
        ask("SetWindowRect", SIZE)

    def open(self, address: str) -> None:
        self.ask("Navigate", {"url": address})

    def run(self, script: str, *args: object) -> Any:
        """What the function body returns; in it `root` is the shadow tree of the viewer."""
        root = "const root = document.querySelector('audit-log')?.shadowRoot;"
        return self.ask("ExecuteScript", {"script": f"{root}{script}", "args": list(args)})

    def wait(self, script: str, *args: object) -> Any:
        """What it returns as soon as that is something."""
        deadline = time.monotonic() + PATIENCE
        while not (found := self.run(script, *args)):
            assert time.monotonic() < deadline, f"never: {script} {args}"
            time.sleep(0.05)
        return found

    def find(self, selector: str, name: str = "") -> Any:
        """The first in sight whose label or text begins so."""
        return self.wait(
            "const [selector, name] = arguments;"
            "return [...root.querySelectorAll(selector)].find((one) => one.getClientRects().length > 0"
            " && (one.ariaLabel ?? one.textContent).trim().startsWith(name));",
            selector,
            name,
        )

    def click(self, selector: str, name: str = "") -> None:
        """With the mouse, in its middle, once it stays where it is."""
        place = "const { x, y, width, height } = arguments[0].getBoundingClientRect();"
        before = None
        while True:
            element = self.find(selector, name)
            x, y = self.run(f"{place} return [x + width / 2, y + height / 2].map(Math.floor);", element)
            if (x, y) == before:
                break
            before = (x, y)
            time.sleep(0.1)
        self.drag((x, y), (x, y))

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        moves = [{"type": "pointerMove", "x": x, "y": y, "duration": 50} for x, y in (start, end)]
        acts = [moves[0], {"type": "pointerDown", "button": 0}, moves[1], {"type": "pointerUp", "button": 0}]
        self._act({"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": acts})

    def press(self, *keys: str) -> None:
        """A key by its name, or a text."""
        typed = [one for key in keys for one in ([KEYS[key]] if key in KEYS else key)]
        acts = [{"type": type_, "value": one} for one in typed for type_ in ("keyDown", "keyUp")]
        self._act({"type": "key", "id": "keys", "actions": acts})

    def picture(self) -> bytes:
        return base64.b64decode(self.ask("TakeScreenshot", {"full": False}))

    def _act(self, *actions: dict[str, Any]) -> None:
        self.ask("PerformActions", {"actions": list(actions)})


@contextlib.contextmanager
def firefox(directory: Path) -> Iterator[Driver]:
    """By Marionette, the protocol of its own that geckodriver translates to. `directory` becomes its profile."""
    (directory / "user.js").write_text('user_pref("marionette.port", 0);\nuser_pref("ui.prefersReducedMotion", 1);\n')
    command: list[Path | str] = [*FIREFOX, "--marionette", "--headless", "--no-remote", "--profile", directory]
    with _running(command, {"HOME": str(directory)}):
        port = directory / "MarionetteActivePort"
        _until(lambda: port.exists() and port.read_text().strip())
        address = "127.0.0.1", int(port.read_text())
        with socket.create_connection(address, 60) as connection, connection.makefile("rb") as answers:

            def heard() -> Any:
                length = b""
                while (digit := answers.read(1)) != b":":
                    length += digit
                return json.loads(answers.read(int(length)))

            def ask(name: str, given: dict[str, Any]) -> Any:
                said = json.dumps([0, 1, f"WebDriver:{name}", given]).encode()
                connection.sendall(b"%d:%b" % (len(said), said))
                _, _, wrong, found = heard()
                assert wrong is None, wrong
                return found["value"] if found and set(found) == {"value"} else found

            heard()  # who it is
            ask("NewSession", {})
            yield Driver(ask)


@contextlib.contextmanager
def webkit(directory: Path) -> Iterator[Driver]:
    """WebKitGTK, the engine of Safari without what Apple puts around it, on a screen of its own."""
    paths = {
        "SetWindowRect": "window/rect",
        "Navigate": "url",
        "ExecuteScript": "execute/sync",
        "PerformActions": "actions",
    }
    program, xvfb, browser = WEBKIT
    options = {"binary": str(browser), "args": ["--automation"]}
    asked = {"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": options}}}
    read, write = os.pipe()
    with contextlib.ExitStack() as running:
        screen: list[Path | str] = [xvfb, "-displayfd", str(write), "-screen", "0", "1400x1000x24", "-nolisten", "tcp"]
        running.enter_context(_running(screen, {}, write))
        os.close(write)
        with open(read) as told:
            display = f":{told.readline().strip()}"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        # Where nobody may make namespaces, as in most containers, its sandbox does not start.
        environment = {
            "DISPLAY": display,
            "HOME": str(directory),
            "XDG_RUNTIME_DIR": str(directory),
            "NO_AT_BRIDGE": "1",
            "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",
        }
        running.enter_context(_running([program, f"--port={port}"], environment))
        client = running.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60))

        def ask(name: str, given: dict[str, Any]) -> Any:
            if name == "TakeScreenshot":
                return client.get(f"{session}/screenshot").json()["value"]
            return client.post(f"{session}/{paths[name]}", json=given).raise_for_status().json()["value"]

        def ready() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return client.get("/status").is_success
            return False

        _until(ready)
        session = f"/session/{client.post('/session', json=asked).raise_for_status().json()['value']['sessionId']}"
        yield Driver(ask)
        client.delete(session)


@contextlib.contextmanager
def _running(command: list[Path | str], environment: dict[str, str], *pipes: int) -> Iterator[None]:
    with subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=pipes,
    ) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)


def _until(is_there: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_there():
        assert time.monotonic() < deadline, "the browser did not start"
        time.sleep(0.05)
