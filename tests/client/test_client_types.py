"""What type checkers make of the client, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import indelible

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def test_mypy_knows_right_calls_from_wrong_ones() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "mypy", str(HERE / "typed_use.py")], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_public_name_is_there_and_declared_for_type_checkers() -> None:
    source = Path(indelible.__file__).read_text()
    for name in indelible.__all__:
        assert getattr(indelible, name) is not None
        if name != "__version__":
            assert f"import {name} as {name}\n" in source
    assert set(indelible.__all__) <= set(dir(indelible))


def test_importing_the_package_loads_neither_http_nor_models() -> None:
    """The import of a program that never logs stays free, and `AuditLog` itself waits with httpx until it is made."""
    check = (
        "import sys, indelible; assert not {'msgspec', 'httpx', 'typing'} & set(sys.modules), 'package';"
        "from indelible import AuditLog, AsyncAuditLog; assert not {'httpx', 'asyncio'} & set(sys.modules), 'client';"
        "AuditLog('http://h', key='k'); assert 'httpx' in sys.modules"
    )
    # Isolated and without site: an editable install's own hooks import typing before us.
    path = f"import sys; sys.path[:0] = {[p for p in sys.path if p]!r}; "
    subprocess.run([sys.executable, "-I", "-S", "-c", path + check], check=True)
