"""`indelible keys`: API keys; the key that signs checkpoints, and the public keys by which customers verify them."""

import asyncio
import os
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from indelible.cli.api_keys import create, list_keys, revoke, rotate
from indelible.cli.database import DataDir, connected, database
from indelible.cli.output import fail, note, say
from indelible.ledger.note import BadKey, Verifier
from indelible.ledger.signing import SigningKey
from indelible.settings import Settings, SettingsError
from indelible.store import checkpoints
from indelible.store.session import Logins
from indelible.store.tenants import Ledger, ledgers

__all__ = ["DEV_KEY", "create_key", "keys", "signing_keys"]

DEV_KEY = "signing.key"
"""Under this name `indelible dev` keeps its key in its data directory."""

_MAX_KEY_BYTES = 65536

keys = typer.Typer(
    name="keys",
    no_args_is_help=True,
    help="Keys of two kinds. API keys, by which programs call: create, list, revoke, rotate. And the key that signs "
    "checkpoints, with the public keys that verify them: new, vkeys.",
)
keys.command()(create)
keys.command("list")(list_keys)
keys.command()(revoke)
keys.command()(rotate)


@keys.command()
def new(
    out: Annotated[
        Path | None, typer.Option(help="Where to write it; on standard output if absent.", metavar="FILE")
    ] = None,
) -> None:
    """Make a key that signs checkpoints: Ed25519, as `openssl genpkey -algorithm ed25519` makes one.

    The file is for its owner alone, and never written over: a key that is lost cannot be made again.
    """
    if out is None:
        key = SigningKey.generate()
        typer.echo(key.pem(), nl=False)
    else:
        try:
            key = create_key(out)
        except FileExistsError:
            fail(f"{out} is there already, and a key that is lost cannot be made again: choose another name")
        except OSError as error:
            fail(f"{out}: {error.strerror}")
    setting = "INDELIBLE_SIGNING_KEY, or its file's path as INDELIBLE_SIGNING_KEY_FILE"
    if out is not None:
        setting = f"INDELIBLE_SIGNING_KEY_FILE={shlex.quote(str(out.absolute()))}"
    note(f"Every vkey of this key ends with +{_end(key)}")
    note(f"Next: set {setting}, for `indelible worker` and for nothing else.")
    note("Then `indelible keys vkeys` has what customers verify with. Keep a copy of the key where nobody logs in.")


@keys.command()
def vkeys(
    tenant: Annotated[
        str | None, typer.Option(help="One tenant's, a vkey a line; all of them if absent.", metavar="TENANT")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a ledger.")] = False,
    data_dir: DataDir = Path(".indelible"),
) -> None:
    """The public keys to give to customers: a customer's own vkey verifies that customer's ledger, and no other.

    While a rotation lasts there are two for each, the new one first. Needs the signing key; without it they come from
    the database, which is not to be relied on for them.
    """
    settings = Settings.from_env(os.environ)
    configured = [key.public_key for key in signing_keys(settings, data_dir, note)]
    with database(settings, data_dir) as found:
        public_keys, known = asyncio.run(_known(found.logins, configured, tenant))
    if tenant is not None and not known:
        fail(f"there is no tenant {tenant!r} yet; `indelible tenants list` names those there are")
    if not public_keys:
        fail("there is no signing key here, and nothing was signed yet; `indelible keys new` makes a key")
    if not configured:
        note("No signing key is set here: these are the keys that the database names. Before you give them to anybody,")
        note("compare them with `indelible keys vkeys` where the key is.")
    if not known:
        note("There is no ledger yet; a tenant's first event opens it.")
    for ledger in known:
        try:
            texts = [str(Verifier.of(ledger.origin, key)) for key in public_keys]
        except BadKey as error:
            fail(str(error))
        if as_json:
            shown = {"tenant_id": ledger.tenant_id, "origin": ledger.origin, "vkeys": texts}
            say(msgspec.json.encode(shown).decode())
            continue
        for text in texts:
            say(text if tenant is not None else f"{ledger.tenant_id:30} {text}")


def create_key(file: Path) -> SigningKey:
    """A new key in a new file that its owner alone may read. Raises `OSError`, where there is one too."""
    key = SigningKey.generate()
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(key.pem())
        opened.flush()
        os.fsync(opened.fileno())
    return key


def signing_keys(settings: Settings, data_dir: Path, warn: Callable[[str], object]) -> tuple[SigningKey, ...]:
    """The key that signs, and after it the one before, while a rotation lasts; none where none is set.

    With an embedded database that of `indelible dev` counts as set. A file that is open to everybody is worth a
    warning. Raises `SettingsError`, which says everything that is wrong with either.
    """
    file, own = settings.signing_key_file, data_dir / DEV_KEY
    if settings.database_url is None and settings.signing_key is None and file is None and own.exists():
        file = own
    found: list[SigningKey] = []
    problems: list[str] = []
    given = (
        ("INDELIBLE_SIGNING_KEY", settings.signing_key, file),
        ("INDELIBLE_OLD_SIGNING_KEY", settings.old_signing_key, settings.old_signing_key_file),
    )
    for name, text, path in given:
        try:
            if text is not None:
                found.append(SigningKey.parse(text))
            elif path is not None:
                key, is_open = _read(path)
                found.append(key)
                if is_open:
                    warn(f"{name}_FILE: every user of this host may read {path}; `chmod 600` ends that")
        except BadKey as error:
            problems.append(f"{name}{'' if path is None else '_FILE'}: {error}")
    if len({key.public_key for key in found}) < len(found):
        problems.append("INDELIBLE_OLD_SIGNING_KEY: expected the key before, found the one that signs now")
    if problems:
        raise SettingsError(tuple(problems))
    return tuple(found)


def _read(file: Path) -> tuple[SigningKey, bool]:
    """The key, and whether everybody may read its file. Raises `BadKey`."""
    try:
        with file.open("rb") as opened:
            data = opened.read(_MAX_KEY_BYTES)
            is_open = bool(os.fstat(opened.fileno()).st_mode & 0o007)
    except OSError as error:
        raise BadKey(f"{file} cannot be read ({error.strerror}); `indelible keys new --out FILE` makes a key") from None
    try:
        return SigningKey.parse(data.decode()), is_open
    except UnicodeDecodeError:
        raise BadKey(f"{file} is not text; write the key in PEM, or its DER in base64") from None
    except BadKey as error:
        raise BadKey(f"{file}: {error}") from None


async def _known(
    logins: Logins, configured: Sequence[bytes], tenant: str | None
) -> tuple[Sequence[bytes], list[Ledger]]:
    async with connected(logins, size=1) as opened:
        return configured or await checkpoints.public_keys(opened), await ledgers(opened, tenant=tenant)


def _end(key: SigningKey) -> str:
    """What the vkeys of all ledgers have in common."""
    return str(key.verifier("any")).split("+", 2)[2]
