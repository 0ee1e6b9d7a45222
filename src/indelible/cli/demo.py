"""The demo's history, put into its ledger once."""

from datetime import UTC, datetime
from pathlib import Path

from indelible.catalog import Catalog
from indelible.cli.history import history
from indelible.cli.output import Progress, note
from indelible.event import dump
from indelible.settings import Settings
from indelible.store.append import Rules
from indelible.store.appender import Appender
from indelible.store.intake import Intake
from indelible.store.session import Database, Logins

__all__ = ["TENANT", "load_demo"]

TENANT = "northwind"

_BATCH = 500


async def load_demo(logins: Logins, settings: Settings, catalog: Catalog, data_dir: Path) -> None:
    """Adds the 90 days before the first start with a demo. A load that was interrupted is completed, not repeated."""
    marker = data_dir / "demo.txt"
    started, _, done = (
        marker.read_text().partition("\n") if marker.exists() else (datetime.now(UTC).isoformat(), "", "")
    )
    if done:
        return
    marker.write_text(f"{started}\n")
    now = datetime.fromisoformat(started)
    events = list(history(now, tenant=TENANT))
    intake = Intake(catalog)
    rules = Rules(catalog, host=settings.ledger_host)
    progress = Progress("writing the demo's history", " events")
    async with Database.open(logins, size=2) as opened, Appender.open(opened, rules, lanes=1) as appender:
        for start in range(0, len(events), _BATCH):
            batch = [intake.take(dump(event), now=now, history=True) for event in events[start : start + _BATCH]]
            for answer in await appender.append(batch):
                if isinstance(answer, Exception):
                    raise answer
            progress(start + len(batch), len(events))
    progress.close()
    marker.write_text(f"{started}\ndone\n")
    note(f"{len(events):,} events of 90 days are in the ledger of {TENANT}.")
