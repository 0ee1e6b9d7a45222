"""What a person sees who doesn't know the command yet, or got it wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from indelible import __version__
from indelible.cli.command import app
from tests.cli.conftest import indelible


def commands() -> list[tuple[str, ...]]:
    root = typer.main.get_command(app)
    found: list[tuple[str, ...]] = [()]
    for name, command in getattr(root, "commands", {}).items():
        found.append((name,))
        found += [(name, inner) for inner in getattr(command, "commands", {})]
    return found


def test_there_are_the_documented_commands() -> None:
    assert {command[0] for command in commands() if command} >= {
        "dev", "serve", "migrate", "log", "import", "list", "verify", "tenants", "worker", "checkpoint", "keys",
    }  # fmt: skip


@pytest.mark.parametrize("command", commands(), ids=lambda c: " ".join(c) or "indelible")
def test_every_command_says_what_it_does_and_takes(command: tuple[str, ...]) -> None:
    done = indelible(*command, "--help")
    assert (done.code, done.err) == (0, "")
    usage, _, text = done.out.partition("\n\n")
    assert usage.strip().startswith("Usage:")
    assert len(text.split("\n\n")[0].strip()) > 20, "a sentence comes first"


def test_version() -> None:
    assert indelible("--version").out == f"indelible {__version__}\n"


def test_no_command_at_all_shows_the_help() -> None:
    done = indelible()
    assert "verify" in done.out + done.err


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (["verfy"], {}, "No such command 'verfy'"),
        (["list", "--tenant", "acme"], {}, "there is no database"),
        (["verify", "--data-dir", "/dev/null/x"], {}, "there is no database"),
        (["verify"], {"INDELIBLE_DATABASE_URL": "no url"}, "INDELIBLE_DATABASE_URL: expected a PostgreSQL URL"),
        (["verify"], {"INDELIBLE_DATABSE_URL": "x"}, "did you mean INDELIBLE_DATABASE_URL?"),
        (["log", "a", "--tenant", "a"], {"INDELIBLE_CATALOG": "/nowhere"}, "INDELIBLE_CATALOG: expected a path"),
        (["tenants", "create", "a b"], {}, "TENANT 'a b': 1 to 128 letters"),
        (["tenants", "create", "indelible:operator"], {}, "TENANT indelible:operator is the service's own ledger"),
        (["worker"], {}, "there is no signing key"),
        (["checkpoint"], {}, "Missing option '--tenant'"),
        (["checkpoint", "--tenant", "acme"], {}, "there is no database"),
        (["keys", "vkeys"], {}, "there is no database"),
    ],
)
def test_mistakes_are_explained(tmp_path: Path, arguments: list[str], settings: dict[str, str], said: str) -> None:
    done = indelible(*arguments, cwd=tmp_path, settings=settings)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_a_secret_in_a_setting_is_not_shown() -> None:
    secrets = {
        "INDELIBLE_DATABASE_URL": "postgresql://u:hunter2@[bad",
        "INDELIBLE_ADMIN_KEY": "hunter2",
        "INDELIBLE_SIGNING_KEY": "hunter2",
    }
    done = indelible("verify", settings=secrets)
    assert done.code == 2
    assert "hunter2" not in done.err
