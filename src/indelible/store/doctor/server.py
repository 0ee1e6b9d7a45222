"""Checks of the server: its version and settings, how the logins reach it, and its clock."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import cast

from indelible.store.doctor.finding import Check
from indelible.store.doctor.patient import Login, rows
from indelible.store.session import Connection

__all__ = ["check_clock", "check_server"]

_AREA = "Server"
_OLDEST = 150000
_SLOW, _WRONG = timedelta(seconds=2), timedelta(minutes=1)

_WANTED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "fsync": (("on",), "what was answered with 201 may be lost, or the database damaged, when the machine fails"),
    "full_page_writes": (("on",), "a page that was half written when the machine failed is not mended"),
    "synchronous_commit": (
        ("on", "local", "remote_write", "remote_apply"),
        "what was answered with 201 may be lost when the machine fails",
    ),
    "password_encryption": (
        ("scram-sha-256",),
        "passwords that are set from now on are kept as MD5, which is guessed at",
    ),
    "row_security": (("on",), "reads fail"),
    "allow_system_table_mods": (("off",), "superusers may edit the catalogue itself"),
    "ignore_checksum_failure": (("off",), "damaged pages are read as though they were whole"),
    "zero_damaged_pages": (("off",), "damaged pages are emptied instead of reported"),
}
"""By setting its good values, and what happens with others."""

# What a session starts with.
_SETTINGS = "SELECT name, reset_val FROM pg_settings WHERE name = ANY (%s)"
_SAFE_MODES = {"verify-full"}


async def check_server(connection: Connection, logins: Sequence[Login]) -> list[Check]:
    read = (*_WANTED, "log_statement", "log_parameter_max_length", "data_checksums")
    settings: dict[str, str] = dict(await rows(connection, _SETTINGS, list(read)))
    checks = [*_version(connection), *_settings(settings)]
    for login in logins:
        ((mode,),) = await rows(login.connection, "SELECT current_setting('session_replication_role')")
        if mode != "origin":
            said = f"{login.name} logs in with session_replication_role = {mode}: no trigger of Indelible fires."
            checks.append(Check(_AREA, "hole", said, f"ALTER ROLE {login.name} RESET session_replication_role;"))
    return [*checks, *_transport(logins)]


def _version(connection: Connection) -> Iterator[Check]:
    number = connection.info.server_version
    shown = connection.info.parameter_status("server_version")
    if number < _OLDEST:
        yield Check(_AREA, "hole", f"PostgreSQL {shown} is older than 15.", "Move to a version that is maintained.")
    else:
        yield Check(_AREA, "ok", f"PostgreSQL {shown}.")


def _settings(found: Mapping[str, str]) -> Iterator[Check]:
    wrong = False
    for name, (good, why) in _WANTED.items():
        if found.get(name, good[0]) not in good:
            wrong = True
            yield Check(_AREA, "warning", f"{name} is {found[name]}: {why}.", f"ALTER SYSTEM SET {name} = {good[0]};")
    if found.get("log_statement") in ("all", "mod") and found.get("log_parameter_max_length") != "0":
        wrong = True
        yield Check(
            _AREA, "warning",
            f"log_statement is {found['log_statement']}: PostgreSQL's log holds what is asked with its parameters, "
            "where names and words of the events are among them.",
            "ALTER SYSTEM SET log_parameter_max_length = 0;",
        )  # fmt: skip
    if found.get("data_checksums") == "off":
        yield Check(
            _AREA, "note", "data_checksums is off: pages that the disk damaged are found when entries are verified."
        )
    if not wrong:
        yield Check(_AREA, "ok", "What is committed is on disk (fsync, full_page_writes, synchronous_commit).")


def _transport(logins: Sequence[Login]) -> Iterator[Check]:
    for login in logins:
        if login.is_local:
            continue
        mode = login.connection.info.get_parameters().get("sslmode", "prefer")
        if not login.connection.pgconn.ssl_in_use:
            yield Check(
                _AREA, "warning", f"{login.name} reaches PostgreSQL over the network without TLS.",
                "Put sslmode=verify-full into its URL.",
            )  # fmt: skip
        elif mode not in _SAFE_MODES:
            yield Check(
                _AREA, "warning",
                f"{login.name} reaches PostgreSQL with TLS, but with sslmode={mode} whoever stands between may pose.",
                "Put sslmode=verify-full and sslrootcert into its URL.",
            )  # fmt: skip
        else:
            yield Check(_AREA, "ok", f"{login.name} reaches PostgreSQL with TLS, and knows whom it reaches.")
    if all(login.is_local for login in logins):
        yield Check(_AREA, "ok", "PostgreSQL is on this host: nothing travels over a network.")


async def check_clock(connection: Connection, now: Callable[[], datetime]) -> Check:
    """How far this host's clock, which `now` reads, is from PostgreSQL's."""
    before = now()
    ((theirs,),) = await rows(connection, "SELECT clock_timestamp()")
    after = now()
    # Whatever they differ by, up to the time that it took to ask.
    behind, ahead = before - cast("datetime", theirs), cast("datetime", theirs) - after
    apart = max(behind, ahead, timedelta())
    seconds = f"{apart.total_seconds():.1f} s"
    if apart <= _SLOW:
        return Check(_AREA, "ok", f"This host's clock and PostgreSQL's agree (within {_SLOW.total_seconds():.0f} s).")
    said = f"This host's clock and PostgreSQL's are {seconds} apart"
    if apart <= _WRONG:
        return Check(_AREA, "warning", f"{said}.", "Have both follow NTP.")
    said += (
        ": tokens and keys end at other times than they say, and events are refused, or accepted, that should not be."
    )
    return Check(_AREA, "hole", said, "Have both follow NTP.")
