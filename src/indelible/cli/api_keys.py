"""`indelible keys create`, `list`, `revoke` and `rotate`: the keys by which programs call the API."""

import asyncio
import os
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import UUID, uuid4

import msgspec
import typer

from indelible.cli.database import DataDir, Found, connected, database
from indelible.cli.output import fail, note, say
from indelible.cli.recording import operator, recorded
from indelible.cli.serve import environment_here
from indelible.event import Target, Timestamp, is_tenant_id
from indelible.server.keys import MAX_OVERLAP, KeyInfo, as_long_as, check_name, end_of, granted
from indelible.server.problems import Problem
from indelible.server.spans import span
from indelible.settings import Environment, Settings
from indelible.store import keys as store
from indelible.store.access import OPERATOR
from indelible.store.key_text import is_well_formed
from indelible.store.keys import SCOPES, Key, KeyHasEnded, KeyIsReplaced
from indelible.store.session import Database
from indelible.store.tenants import ledgers

__all__ = ["create", "list_keys", "revoke", "rotate"]

T = TypeVar("T")

_WhichKey = Annotated[
    str,
    typer.Argument(metavar="KEY", help="Its id, or what `indelible keys list` shows of it, such as ind_live_…x7Qa."),
]
_Expires = Annotated[str | None, typer.Option(help="When it ends: 90d from now, or an RFC 3339 time.", metavar="WHEN")]
_AsJson = Annotated[bool, typer.Option("--json", help="A JSON object a key.")]


@dataclass(frozen=True, slots=True)
class _Here:
    settings: Settings
    environment: Environment
    opened: Database


def create(
    name: Annotated[str, typer.Option(help="What it is for.", metavar="NAME")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"What it may do; give it several times. {', '.join(SCOPES)}.", metavar="SCOPE"),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(help="The one tenant whose events it opens; all of them if absent.", metavar="TENANT")
    ] = None,
    expires: _Expires = None,
    as_json: _AsJson = False,
    data_dir: DataDir = Path(".indelible"),
) -> None:
    """Make an API key, by which a program calls the API.

    It is printed on standard output, once: only its hash is kept. That it was made is an entry in the tenant's ledger,
    or in the operator's own for a key of no one tenant.
    """
    now = datetime.now(UTC)
    scopes = _scopes(scope or [])
    _checked("--name", check_name, name)
    expires_at = _end(expires, now)
    if tenant is not None:
        _checked("--tenant", _check_tenant, tenant)

    async def make(here: _Here) -> tuple[Key, str]:
        if tenant is not None and not await ledgers(here.opened, tenant=tenant):
            fail(f"--tenant: there is no tenant {tenant!r} yet; `indelible tenants create` opens its ledger")
        key_id = uuid4()
        # Recorded first, as the service does it: there is no key without an entry.
        await recorded(
            here.opened, here.settings, tenant or OPERATOR, "audit_log.key_created",
            targets=[_target(key_id, name)], metadata=granted(scopes, expires_at),
        )  # fmt: skip
        return await store.create_key(
            here.opened, here.environment, name=name, scopes=scopes, tenant=tenant, created_by=operator(),
            expires_at=expires_at, key_id=key_id,
        )  # fmt: skip

    _show_made(*_run(data_dir, make), as_json=as_json)


def list_keys(
    tenant: Annotated[str | None, typer.Option(help="Only those of this tenant.", metavar="TENANT")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also those that were revoked or have expired.")] = False,
    as_json: _AsJson = False,
    data_dir: DataDir = Path(".indelible"),
) -> None:
    """List the API keys, the newest first."""

    async def look(here: _Here) -> list[Key]:
        return await store.list_keys(here.opened, tenant=tenant, include_ended=every)

    for key in _run(data_dir, look):
        if as_json:
            say(msgspec.json.encode(KeyInfo.of(key)).decode())
        else:
            say(_line(key))


def revoke(key: _WhichKey, data_dir: DataDir = Path(".indelible")) -> None:
    """End an API key. When this returns, it opens nothing any more, on any process of the service."""

    async def end(here: _Here) -> tuple[Key, Key]:
        found = await _found(here.opened, key)
        if found.revoked_at is not None:
            return found, found
        await recorded(
            here.opened, here.settings, found.tenant_id or OPERATOR, "audit_log.key_revoked",
            targets=[_target(found.key_id, found.name)],
        )  # fmt: skip
        return found, await store.revoke_key(here.opened, found.key_id) or found

    before, after = _run(data_dir, end)
    how = "was revoked before" if before.revoked_at else "is revoked"
    say(f"{after.name} ({after.hint or after.key_id}) {how}.")


def rotate(
    key: _WhichKey,
    overlap: Annotated[
        str, typer.Option(help="For how long the old key goes on working: 24h, 7d; 0m ends it at once.", metavar="SPAN")
    ] = "24h",
    expires: _Expires = None,
    as_json: _AsJson = False,
    data_dir: DataDir = Path(".indelible"),
) -> None:
    """Replace an API key by a new one of the same name, scopes and tenant.

    The new key is printed on standard output, once; the old one ends after the overlap. Without --expires the new one
    lasts as long as the old one was made for.
    """
    now = datetime.now(UTC)
    lasting = _checked("--overlap", span, overlap)
    if lasting > MAX_OVERLAP:
        fail(f"--overlap must be at most {MAX_OVERLAP.days}d")
    asked = _end(expires, now)

    async def make(here: _Here) -> tuple[Key, str]:
        old = await _found(here.opened, key)
        earlier = await store.successors(here.opened, old.key_id)
        try:
            store.check_rotation(old, earlier, now)
            expires_at = asked or as_long_as((*earlier, old)[0], now)
            new_id = uuid4()
            await recorded(
                here.opened, here.settings, old.tenant_id or OPERATOR, "audit_log.key_rotated",
                targets=[_target(old.key_id, old.name), _target(new_id, old.name)],
                metadata=granted(old.scopes, expires_at),
            )  # fmt: skip
            return await store.rotate_key(
                here.opened, here.environment, old.key_id, overlap=lasting, created_by=operator(),
                expires_at=expires_at, successor_id=new_id,
            )  # fmt: skip
        except (KeyHasEnded, KeyIsReplaced) as error:
            fail(str(error))

    _show_made(*_run(data_dir, make), as_json=as_json)


def _run(data_dir: Path, work: Callable[[_Here], Coroutine[Any, Any, T]]) -> T:
    settings = Settings.from_env(os.environ)
    with database(settings, data_dir) as found:
        return asyncio.run(_connected(settings, found, work))


async def _connected(settings: Settings, found: Found, work: Callable[[_Here], Coroutine[Any, Any, T]]) -> T:
    async with connected(found.logins, size=2) as opened:
        return await work(_Here(settings, environment_here(settings, found), opened))


async def _found(opened: Database, text: str) -> Key:
    """The key that is meant: by id, by hint or its last characters, or by the key itself, for one that leaked."""
    if is_well_formed(text):
        key = await store.find_key(opened, text)
    else:
        try:
            key = await store.get_key(opened, UUID(text))
        except ValueError:
            key = await _by_hint(opened, text)
    if key is None:
        fail("there is no such key; `indelible keys list --all` shows those there are")
    return key


async def _by_hint(opened: Database, text: str) -> Key | None:
    end = text.rpartition("…")[2]
    found = [
        key
        for key in await store.list_keys(opened, include_ended=True)
        if key.hint is not None and (key.hint == text or ("…" not in text and key.hint.endswith(f"…{end}")))
    ]
    if len(found) > 1:
        note("\n".join(_line(key) for key in found))
        fail(f"{len(found)} keys look like {text!r}: name one by its id")
    return found[0] if found else None


def _scopes(given: list[str]) -> frozenset[str]:
    for scope in given:
        if scope not in SCOPES:
            fail(f"--scope {scope!r} is no scope; there are {', '.join(SCOPES)}")
    return frozenset(given)


def _check_tenant(tenant: str) -> None:
    if not is_tenant_id(tenant):
        raise ValueError(
            f"{tenant!r}: an id is 1 to 128 letters, digits or . _ : @ ~ + -, starting with a letter or digit"
        )
    if tenant == OPERATOR:
        raise ValueError(
            f"{OPERATOR} is the service's own ledger, for which there are no keys; leave --tenant out, and give "
            "--scope events:read and keys:manage"
        )


def _end(expires: str | None, now: datetime) -> datetime | None:
    if expires is None:
        return None
    try:
        moment, lasting = msgspec.convert(expires, Timestamp), None
    except msgspec.ValidationError:
        moment, lasting = None, expires
        if re.fullmatch(r"[0-9]{7,}[mhdw]", expires):
            fail("--expires is further away than 100 years")
        if not re.fullmatch(r"[0-9]+[mhdw]", expires):
            fail(
                "--expires must be a span of time from now, such as 24h, 90d or 2w, or an RFC 3339 time with an "
                "offset, such as 2027-11-21T00:00:00Z"
            )
    return _checked("--expires", lambda _: end_of(moment, lasting, now), expires)


def _checked(option: str, check: Callable[[str], T], text: str) -> T:
    """Ends the command where `check` refuses the option's text."""
    try:
        return check(text)
    except Problem as problem:
        fail(f"{option} {'; '.join(error.detail for error in problem.details.errors)}")
    except ValueError as error:
        fail(f"{option} {error}")


def _target(key_id: UUID, name: str) -> Target:
    return Target(type="api_key", id=str(key_id), name=name)


def _show_made(key: Key, text: str, *, as_json: bool) -> None:
    if as_json:
        say(msgspec.json.encode({**msgspec.to_builtins(KeyInfo.of(key)), "key": text}).decode())
        return
    say(text)
    ends = "does not expire" if key.expires_at is None else f"ends on {_minute(key.expires_at)}"
    note(f"{key.name} ({key.key_id}) {_may(key)} and {ends}.")
    if not key.scopes:
        note("Scopes cannot be added later: revoke it, and make one with --scope, such as --scope events:write.")
    note("This is the only time that the key is shown.")


def _may(key: Key) -> str:
    if not key.scopes:
        return "may do nothing, as it has no scope,"
    return f"opens {key.tenant_id or 'every tenant'} for {', '.join(sorted(key.scopes))}"


def _line(key: Key) -> str:
    if key.revoked_at is not None:
        state = f"revoked on {_minute(key.revoked_at)}"
    elif key.expires_at is not None:
        state = f"{'ends' if key.is_active(datetime.now(UTC)) else 'ended'} on {_minute(key.expires_at)}"
    else:
        state = "does not expire"
    used = f"used {_minute(key.last_used_at)}" if key.last_used_at else "never used"
    opens = key.tenant_id or "every tenant"
    scopes = ",".join(sorted(key.scopes)) or "no scope"
    return f"{key.key_id}  {key.hint or '-':18} {opens:20} {key.name}  {scopes}  {state}, {used}"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
