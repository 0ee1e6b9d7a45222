"""The service's settings: every one is an environment variable `INDELIBLE_*`, declared here and nowhere else.

`Settings.from_env` reads them all or raises `SettingsError`, which lists all that is wrong at once. It opens no
file: whoever signs reads that of the key. `python -m indelible.settings` writes docs/settings.md from the same
declarations. Secrets appear neither in an error nor in `repr`.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Final, Literal, Self, get_args, get_type_hints

__all__ = ["PREFIX", "LogFormat", "LogLevel", "Settings", "SettingsError", "document"]

PREFIX: Final = "INDELIBLE_"

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
Environment = Literal["live", "test"]
DatabaseRole = Literal["writer", "reader", "control", "signer", "keeper"]
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_ROTATED = ("SIGNING_KEY", "VIEWER_SECRET")
_OWN_URLS: tuple[DatabaseRole, ...] = get_args(DatabaseRole)

# What the client reads; it may well run beside the service.
_CLIENT = frozenset({"INDELIBLE_URL", "INDELIBLE_KEY"})

# Kubernetes tells every pod about a Service named `indelible`, in variables that look like ours.
_KUBERNETES = re.compile(r"INDELIBLE_(SERVICE_HOST|SERVICE_PORT|PORT_[0-9]|PORT=tcp://)")


class SettingsError(Exception):
    """Settings that are wrong; `problems` has a sentence for each, and so has the message, a line each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class _Wrong(ValueError):
    """A value that is not what the setting expects; the message, if any, says why, and quotes no secret."""


class _Secret(_Wrong):
    """What looks like a secret where none belongs: it is not shown either."""


@dataclass(frozen=True)
class _Kind:
    """What a value must be, in words, and the function that reads it or raises `_Wrong`."""

    expects: str
    parse: Callable[[str], object]


@dataclass(frozen=True)
class _Setting:
    text: str
    kind: _Kind
    default: str | None = None
    secret: bool = False


def _matching(expects: str, pattern: str) -> _Kind:
    def parse(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise _Wrong
        return value

    return _Kind(expects, parse)


def _choice(expects: str, values: Mapping[str, object]) -> _Kind:
    def parse(value: str) -> object:
        if value.lower() not in values:
            raise _Wrong
        return values[value.lower()]

    return _Kind(expects, parse)


def _whole(low: int, high: int) -> _Kind:
    def parse(value: str) -> int:
        # int() would take "1_000" and digits of other scripts too.
        if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
            raise _Wrong
        return int(value)

    return _Kind(f"a whole number, {low} to {high}", parse)


def _seconds(low: float, high: float) -> _Kind:
    def parse(value: str) -> float:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value) or not low <= float(value) <= high:
            raise _Wrong
        return float(value)

    return _Kind(f"a number of seconds, {low:g} to {high:g}", parse)


def _host(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        numeric = value.replace(".", "").isdigit()
        if numeric or not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", value):
            raise _Wrong from None
    return value


def _postgres_url(value: str) -> str:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        conninfo_to_dict(value)
    except ProgrammingError:  # its message quotes what it could not read, which may be the password
        raise _Wrong from None
    return value


def _signing_key(value: str) -> str:
    # Only who signs has need of it, and of what it imports.
    from indelible.ledger.note import BadKey
    from indelible.ledger.signing import SigningKey

    try:
        SigningKey.parse(value)
    except BadKey as error:
        raise _Wrong(str(error)) from None
    return value


def _key_file(value: str) -> Path:
    # Of each Ed25519 key in PKCS#8 the first 16 bytes are the same.
    if "PRIVATE KEY" in value or "\n" in value or value.startswith("MC4CAQAwBQYDK2Vw"):
        raise _Secret("the key itself goes into the setting without _FILE")
    if "\0" in value:
        raise _Wrong
    return Path(value)


def _archive(value: str) -> str:
    if "://" in value and "@" in value:
        raise _Secret("access to a bucket comes from AWS_ACCESS_KEY_ID and the like")
    bucket = re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[!-~]*)?", value)
    if bucket is None and ("://" in value or value.lower().startswith("s3:") or "\0" in value):
        raise _Wrong
    return value


def _existing_path(value: str) -> Path:
    if not os.path.exists(value):  # Path.exists raises for a name that is too long
        raise _Wrong
    return Path(value)


def _viewer_secret(value: str) -> str:
    if len(value) < 32 or not re.fullmatch(r"[!-~]+", value):
        raise _Wrong
    return value


def _secret_file(value: str) -> Path:
    if "\0" in value:
        raise _Wrong
    return Path(value)


def _origins(value: str) -> tuple[str, ...]:
    origins = _items(value)
    for origin in origins:
        # As browsers write it (RFC 6454 section 6.2): in small letters, without a path, and never a pattern.
        match = re.fullmatch(r"(https?)://([a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?", origin)
        if not match:
            raise _Wrong(f"{origin!r} is none")
        if match[4] == {"http": ":80", "https": ":443"}[match[1]]:
            raise _Wrong(f"browsers leave {match[4]} out of {origin!r}")
    return origins


def _web_address(value: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+(/[!-~]*)?", value):
        raise _Wrong
    return value


def _networks(value: str) -> tuple[IPNetwork, ...]:
    try:
        return tuple(map(ipaddress.ip_network, _items(value)))
    except ValueError as error:
        raise _Wrong(str(error)) from None


def _items(value: str) -> tuple[str, ...]:
    return tuple(filter(None, (item.strip() for item in value.split(","))))


def _format_for_output() -> LogFormat:
    return "text" if sys.stderr.isatty() else "json"


_BOOLEAN = _choice("true or false", {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False})
_SIGNING_KEY = _Kind("an Ed25519 private key: PKCS#8 in PEM, or its DER in base64 in one line", _signing_key)
_KEY_FILE = _Kind("the path of a file that holds such a key", _key_file)
_VIEWER_SECRET = _Kind("at least 32 characters of ASCII without white space, made by chance", _viewer_secret)
_SECRET_FILE = _Kind("the path of a file that holds it", _secret_file)
_POSTGRES_URL = _Kind("a PostgreSQL URL such as postgresql://user:password@host:5432/indelible", _postgres_url)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the service runs with. The field `port` is the variable `INDELIBLE_PORT`, and so on."""

    database_url: Annotated[
        str | None,
        _Setting(
            "The PostgreSQL (15 or newer) that keeps the ledgers. Without it the service runs an embedded one.",
            _POSTGRES_URL,
            secret=True,
        ),
    ] = field(default=None, repr=False)
    migration_url: Annotated[
        str | None,
        _Setting(
            "The same database, as the role that migrates it: it creates roles, a schema and tables. The service"
            " itself needs none of these rights.",
            _POSTGRES_URL,
            default="`INDELIBLE_DATABASE_URL`",
            secret=True,
        ),
    ] = field(default=None, repr=False)
    writer_url: Annotated[
        str | None,
        _Setting(
            "The same database, as the role that appends. For each of these that is absent the service logs in by"
            " `INDELIBLE_DATABASE_URL`. See [separate logins](operations.md#separate-logins).",
            _POSTGRES_URL,
            default="`INDELIBLE_DATABASE_URL`",
            secret=True,
        ),
    ] = field(default=None, repr=False)
    reader_url: Annotated[
        str | None,
        _Setting("As the role that reads events.", _POSTGRES_URL, default="`INDELIBLE_DATABASE_URL`", secret=True),
    ] = field(default=None, repr=False)
    control_url: Annotated[
        str | None,
        _Setting(
            "As the role that keeps keys, tenants and settings.",
            _POSTGRES_URL,
            default="`INDELIBLE_DATABASE_URL`",
            secret=True,
        ),
    ] = field(default=None, repr=False)
    signer_url: Annotated[
        str | None,
        _Setting(
            "As the role that signs; `indelible worker` needs it, and a connection to PostgreSQL itself rather than to"
            " a pooler.",
            _POSTGRES_URL,
            default="`INDELIBLE_DATABASE_URL`",
            secret=True,
        ),
    ] = field(default=None, repr=False)
    keeper_url: Annotated[
        str | None,
        _Setting(
            "As the role that erases; `indelible erase` needs it.",
            _POSTGRES_URL,
            default="`INDELIBLE_DATABASE_URL`",
            secret=True,
        ),
    ] = field(default=None, repr=False)
    environment: Annotated[
        Environment,
        _Setting(
            "What kind of installation this is. Its keys begin with `ind_live_` or `ind_test_`, and those of the other"
            " kind are refused.",
            _choice("live or test", {kind: kind for kind in get_args(Environment)}),
        ),
    ] = "live"
    admin_key: Annotated[
        str | None,
        _Setting(
            "A key that may do everything, to make the first keys with. Without it there is no such key.",
            _matching("at least 20 characters of ASCII without white space", r"[!-~]{20,}"),
            secret=True,
        ),
    ] = field(default=None, repr=False)
    host: Annotated[
        str,
        _Setting(
            "The address to listen on. `0.0.0.0` listens on all of them: put TLS in front.",
            _Kind("an IP address or a host name, without a port", _host),
        ),
    ] = "127.0.0.1"
    port: Annotated[int, _Setting("The port to listen on.", _whole(1, 65535))] = 8750
    workers: Annotated[
        int, _Setting("Server processes. Each has its own connections to PostgreSQL.", _whole(1, 256))
    ] = 1
    viewer_secret: Annotated[
        str | None,
        _Setting(
            "What viewer tokens are signed with; `openssl rand -base64 32` makes one. The same for all processes of"
            " `indelible serve`. Without it there are no viewer tokens.",
            _VIEWER_SECRET,
            secret=True,
        ),
    ] = field(default=None, repr=False)
    viewer_secret_file: Annotated[Path | None, _Setting("The same, in a file.", _SECRET_FILE)] = None
    old_viewer_secret: Annotated[
        str | None,
        _Setting(
            "The one before, for the quarter of an hour in which tokens signed with it are still about.",
            _VIEWER_SECRET,
            secret=True,
        ),
    ] = field(default=None, repr=False)
    old_viewer_secret_file: Annotated[Path | None, _Setting("The same, in a file.", _SECRET_FILE)] = None
    cors_origins: Annotated[
        tuple[str, ...],
        _Setting(
            "The origins of the pages that may read with a viewer token in a browser: those where the viewer is"
            " embedded. None may without it.",
            _Kind("origins such as https://app.example.com, separated by commas", _origins),
        ),
    ] = ()
    viewer_link: Annotated[
        str | None,
        _Setting(
            "An address of yours that leads whoever is logged in there to `/viewer` with a new token. The page offers"
            " it when a token has ended.",
            _Kind("a URL such as https://app.example.com/audit-log", _web_address),
        ),
    ] = None
    trusted_proxies: Annotated[
        tuple[IPNetwork, ...],
        _Setting(
            "Whose `X-Forwarded-For` is believed, where a proxy stands in front: only so it is known where a request"
            " comes from.",
            _Kind("IP addresses or networks such as 10.0.0.0/8, separated by commas", _networks),
        ),
    ] = ()
    key_read_limit: Annotated[
        int,
        _Setting(
            "Requests a minute, other than logging, for each key and for each person with a viewer token; 0 is no"
            " limit. What is over it is answered with 429. See [limits](limits.md).",
            _whole(0, 999_999_999),
        ),
    ] = 1200
    tenant_read_limit: Annotated[
        int,
        _Setting(
            "Requests a minute, other than logging, that are about one tenant, by whomever; 0 is no limit.",
            _whole(0, 999_999_999),
        ),
    ] = 6000
    key_write_limit: Annotated[
        int, _Setting("Events a minute that one key may log; 0 is no limit.", _whole(0, 999_999_999))
    ] = 0
    tenant_write_limit: Annotated[
        int, _Setting("Events a minute that may be logged for one tenant; 0 is no limit.", _whole(0, 999_999_999))
    ] = 0
    signing_key: Annotated[
        str | None,
        _Setting(
            "The key that signs checkpoints; `indelible keys new` makes one. Only `indelible worker` needs it: keep it"
            " away from the hosts of `indelible serve`. Without a key nothing is signed.",
            _SIGNING_KEY,
            secret=True,
        ),
    ] = field(default=None, repr=False)
    signing_key_file: Annotated[
        Path | None,
        _Setting("The same, in a file that the worker alone may read. It is read when the worker starts.", _KEY_FILE),
    ] = None
    old_signing_key: Annotated[
        str | None,
        _Setting(
            "The key before, while a rotation lasts: checkpoints are signed with both, so that whoever knows either"
            " can verify them. See [rotation](checkpoints.md#change-the-key).",
            _SIGNING_KEY,
            secret=True,
        ),
    ] = field(default=None, repr=False)
    old_signing_key_file: Annotated[Path | None, _Setting("The same, in a file.", _KEY_FILE)] = None
    checkpoint_interval: Annotated[
        float,
        _Setting("Seconds between two checkpoints of a ledger that grows.", _seconds(0.1, 86400)),
    ] = 5.0
    checkpoint_archive: Annotated[
        str | None,
        _Setting(
            "Where the worker keeps copies of the checkpoints, out of the reach of whoever administers PostgreSQL. It"
            " signs nothing that contradicts them. A bucket should have Object Lock; access to it comes from the usual"
            " `AWS_*` variables.",
            _Kind("a directory, or s3://bucket/prefix", _archive),
        ),
    ] = None
    checkpoint_archive_interval: Annotated[
        float,
        _Setting("Seconds between two copies of the checkpoints of a ledger that grows.", _seconds(1, 86400)),
    ] = 60.0
    checkpoint_retention_days: Annotated[
        int,
        _Setting(
            "Days for which Object Lock, in compliance mode, keeps each copy in a bucket: nobody can delete it before,"
            " neither you nor whoever has your keys. The default is seven years.",
            _whole(1, 36500),
        ),
    ] = 2557
    auto_tenants: Annotated[
        bool,
        _Setting(
            "Whether the first event of an unknown tenant opens its ledger. Otherwise tenants are created first.",
            _BOOLEAN,
        ),
    ] = True
    catalog: Annotated[
        Path | None,
        _Setting("Your catalog of actions, in TOML.", _Kind("a path that exists", _existing_path)),
    ] = None
    strict: Annotated[
        bool,
        _Setting(
            "Refuse events whose action the catalog does not know, or whose fields do not fit it. For tests and"
            " CI: in production an audit event is worth more than its label.",
            _BOOLEAN,
        ),
    ] = False
    ledger_host: Annotated[
        str,
        _Setting(
            "The first part of every ledger's origin, `<host>/<tenant's ULID>`, under which its checkpoints are"
            " signed. Choose a name of yours before the first event: a ledger keeps its origin.",
            _matching("a host name of letters, digits, dots and hyphens, without a scheme", r"[A-Za-z0-9.-]+"),
        ),
    ] = "indelible.local"
    lanes: Annotated[
        int,
        _Setting("Ledgers are spread over this many lanes, and each lane commits one batch at a time.", _whole(1, 64)),
    ] = 2
    pool_size: Annotated[int, _Setting("Connections for reading, in each server process.", _whole(1, 1000))] = 8
    append_timeout: Annotated[
        float,
        _Setting(
            "Seconds that a POST waits for the ledger before it answers 503. Sending it again is safe.",
            _seconds(0.1, 600),
        ),
    ] = 10.0
    statement_timeout: Annotated[
        float, _Setting("Seconds that a read may take in PostgreSQL.", _seconds(0.1, 3600))
    ] = 10.0
    log_format: Annotated[
        LogFormat,
        _Setting(
            "How the service's own log is written.",
            _choice("text or json", {"text": "text", "json": "json"}),
            default="`text` on a terminal, else `json`",
        ),
    ] = field(default_factory=_format_for_output)
    log_level: Annotated[
        LogLevel,
        _Setting(
            "The least severe message that is logged.",
            _choice("debug, info, warning or error", {level: level for level in get_args(LogLevel)}),
        ),
    ] = "info"

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read every `INDELIBLE_*` of `environ`; an empty one counts as absent. Raises `SettingsError`."""
        declared = _declared()
        values: dict[str, object] = {}
        problems: list[str] = []
        for name, value in sorted(environ.items()):
            if not name.startswith(PREFIX) or not value or _not_ours(name, value):
                continue
            if (setting := declared.get(name)) is None:
                problems.append(_unknown(name, declared))
                continue
            try:
                values[name.removeprefix(PREFIX).lower()] = setting.kind.parse(value)
            except _Wrong as wrong:
                hidden = setting.secret or isinstance(wrong, _Secret)
                found = f"{len(value)} characters, not shown" if hidden else repr(value)
                why = f": {wrong}" if str(wrong) else ""
                problems.append(f"{name}: expected {setting.kind.expects}, found {found}{why}")
        problems += [
            f"{name}: expected INDELIBLE_DATABASE_URL beside it, found none"
            for name in ("INDELIBLE_MIGRATION_URL", *(f"{PREFIX}{role.upper()}_URL" for role in _OWN_URLS))
            if environ.get(name) and not environ.get("INDELIBLE_DATABASE_URL")
        ]
        problems += _key_conflicts(environ)
        if problems:
            raise SettingsError(tuple(problems))
        values.setdefault("migration_url", values.get("database_url"))
        return cls(**values)  # type: ignore[arg-type]

    @property
    def own_urls(self) -> dict[DatabaseRole, str]:
        """The URLs of the roles that log in by one of their own."""
        given = {role: getattr(self, f"{role}_url") for role in _OWN_URLS}
        return {role: url for role, url in given.items() if url is not None}


def document() -> str:
    """The reference page of all settings, in Markdown."""
    lines = [
        "# Settings",
        "",
        "The service is configured by environment variables. An empty one counts as absent, and an unknown",
        "`INDELIBLE_*` is an error, so that a misspelt name does not go unnoticed. Booleans are `true` or",
        "`false`, also `1`, `0`, `yes` and `no`. Passed over are the client's own `INDELIBLE_URL` and",
        "`INDELIBLE_KEY`, and what Kubernetes sets for a Service named `indelible`, such as",
        "`INDELIBLE_SERVICE_HOST` or an `INDELIBLE_PORT` of `tcp://…`.",
        "",
        "This page is written by `python -m indelible.settings`.",
    ]
    for name, setting in _declared().items():
        lines += ["", f"## {name}", "", setting.text, ""]
        lines += [f"- Expects: {setting.kind.expects}", f"- Default: {_shown_default(name, setting)}"]
        lines += ["- Secret: never logged, never shown"] if setting.secret else []
    return "\n".join(lines) + "\n"


def _declared() -> dict[str, _Setting]:
    hints = get_type_hints(Settings, include_extras=True)
    return {PREFIX + each.name.upper(): hints[each.name].__metadata__[0] for each in fields(Settings)}


def _shown_default(name: str, setting: _Setting) -> str:
    value = getattr(Settings, name.removeprefix(PREFIX).lower(), None)
    return setting.default or ("none" if value in (None, ()) else f"`{str(value).lower()}`")


def _key_conflicts(environ: Mapping[str, str]) -> list[str]:
    problems = [
        f"{name}_FILE: expected this or {name}, found both; unset one of them"
        for each in _ROTATED
        for name in (PREFIX + each, f"{PREFIX}OLD_{each}")
        if environ.get(name) and environ.get(f"{name}_FILE")
    ]
    return problems + [
        f"{PREFIX}OLD_{name}: expected {PREFIX}{name} or its _FILE beside it, found none"
        for name in _ROTATED
        if _is_set(environ, f"{PREFIX}OLD_{name}") and not _is_set(environ, PREFIX + name)
    ]


def _is_set(environ: Mapping[str, str], name: str) -> bool:
    return bool(environ.get(name) or environ.get(f"{name}_FILE"))


def _unknown(name: str, declared: Mapping[str, _Setting]) -> str:
    near = get_close_matches(name, declared, n=1, cutoff=0.75)
    hint = f"did you mean {near[0]}?" if near else "see docs/settings.md for those there are"
    return f"{name}: there is no such setting; {hint}"


def _not_ours(name: str, value: str) -> bool:
    return name in _CLIENT or _KUBERNETES.match(f"{name}={value}") is not None


if __name__ == "__main__":
    sys.stdout.write(document())
