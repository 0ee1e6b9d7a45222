"""Checks of what has to go on: migrations, partitions ahead, checkpoints, keys that come and go."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from indelible.store.doctor.finding import Check, Grade
from indelible.store.keys import SCOPES, Key, list_keys
from indelible.store.migrate import migrations
from indelible.store.months import months_missing
from indelible.store.session import Database
from indelible.store.standing import PATIENCE, Standing, standing

__all__ = ["check_upkeep"]

_UNUSED = timedelta(days=90)
_SOON = timedelta(days=14)
_SHOWN = 5


async def check_upkeep(database: Database, now: datetime) -> list[Check]:
    """Of a database that is migrated; `now` is PostgreSQL's time."""
    newest = migrations()[-1]
    return [
        Check(
            "Upkeep", "ok", f"The database is of this version: migrated up to {newest.name}, whose text is unaltered."
        ),
        *_months(await months_missing(database, now)),
        *_ledgers(await standing(database)),
        *_keys(await list_keys(database), now),
    ]


def _months(missing: Sequence[str]) -> Iterator[Check]:
    if missing:
        said = f"There are no partitions for {' and '.join(missing)}: the next event has to make them first."
        yield Check(
            "Upkeep", "warning", said, "Run `indelible migrate`, and see why `indelible serve` did not make them."
        )
    else:
        yield Check("Upkeep", "ok", "There are partitions for this month and the next.")


def _ledgers(stand: Standing) -> Iterator[Check]:
    if stand.refused:
        yield Check(
            "Upkeep", "hole",
            f"{_number(stand.refused, 'ledger')} not signed, because the database is not what was signed before: "
            + "; ".join(f"{refused.origin}: {refused.reason}" for refused in stand.refusals),
            "Find out what happened: docs/checkpoints.md.",
        )  # fmt: skip
    if stand.ledgers and not stand.is_signed:
        yield Check("Upkeep", "warning", "Nothing was ever signed: what a superuser rewrites would not show.",
                    "Run `indelible worker`.")  # fmt: skip
    elif stand.waiting:
        yield Check(
            "Upkeep", "warning",
            f"{_number(stand.waiting, 'ledger')} waiting for a signature for longer than {PATIENCE} s, the longest for "
            f"{stand.lag:.0f} s.", "See that `indelible worker` runs.",
        )  # fmt: skip
    elif stand.is_signed and not stand.refused:
        yield Check("Upkeep", "ok", f"Every entry older than {PATIENCE} s is under a signed checkpoint.")


def _keys(keys: Sequence[Key], now: datetime) -> Iterator[Check]:
    findings: tuple[tuple[Grade, str, Callable[[Key], bool], str], ...] = (
        ("warning", f"without an end that were not used for {_UNUSED.days} days", lambda key: _lies_about(key, now),
         "Revoke them: docs/keys.md."),
        ("warning", "of an older form, which secret scanners do not know", lambda key: key.hint is None,
         "Rotate them: docs/keys.md."),
        ("warning", f"that end within {_SOON.days} days", lambda key: _ends_soon(key, now),
         "Rotate those that are in use: docs/keys.md."),
        ("note", "that open every tenant and may do everything",
         lambda key: key.tenant_id is None and key.scopes >= set(SCOPES),
         "Make lesser ones with them, and keep them off the application's hosts."),
    )  # fmt: skip
    warned = False
    for grade, what, applies, fix in findings:
        if found := [key for key in keys if applies(key)]:
            warned |= grade == "warning"
            shown = ", ".join(key.hint or str(key.key_id) for key in found[:_SHOWN])
            more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            yield Check("Keys", grade, f"Keys {what}: {shown}{more}.", fix)
    if not warned:
        yield Check("Keys", "ok", "No key lies about unused, is of an older form, or ends soon.")


def _lies_about(key: Key, now: datetime) -> bool:
    return key.expires_at is None and (key.last_used_at or key.created_at) < now - _UNUSED


def _ends_soon(key: Key, now: datetime) -> bool:
    return key.expires_at is not None and key.expires_at < now + _SOON


def _number(count: int, noun: str) -> str:
    return f"1 {noun} is" if count == 1 else f"{count:,} {noun}s are"
