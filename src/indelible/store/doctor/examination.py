"""The whole examination."""

from collections.abc import Callable
from datetime import UTC, datetime

from indelible import __version__
from indelible.store.doctor.cluster import check_cluster
from indelible.store.doctor.finding import Check, Examination, Patient
from indelible.store.doctor.names import check_names, schemas_of
from indelible.store.doctor.objects import check_objects
from indelible.store.doctor.outside import check_outside
from indelible.store.doctor.patient import log_in, rows, transaction
from indelible.store.doctor.privileges import check_privileges
from indelible.store.doctor.roles import check_roles
from indelible.store.doctor.server import check_clock, check_server
from indelible.store.doctor.structure import check_structure
from indelible.store.doctor.surroundings import check_surroundings
from indelible.store.doctor.trying import try_everything
from indelible.store.doctor.upkeep import check_upkeep
from indelible.store.errors import StoreError
from indelible.store.migrate import unapplied
from indelible.store.session import Database, Logins

__all__ = ["examine"]


def _now() -> datetime:
    return datetime.now(UTC)


async def examine(
    logins: Logins, *, now: Callable[[], datetime] = _now, progress: Callable[[int, int], None] = lambda _, __: None
) -> Examination:
    """Checks and tries everything. Changes nothing: what is tried is rolled back, and no lock is held for longer than
    one statement takes.

    Raises `StoreError` where the database is not one of this version, `StoreUnavailable` where it cannot be reached.
    """
    async with log_in(logins) as patients, Database.open(logins, size=1) as database:
        if missing := await unapplied(database):
            raise StoreError(f"the database is not up to date ({', '.join(missing)}): run `indelible migrate`")
        names = [patient.name for patient in patients]
        path = [*dict.fromkeys([schema for patient in patients for schema in await schemas_of(patient)])]
        # Whoever keeps keys sees what the others do of the catalogue.
        connection = next(patient for patient in patients if "control" in patient.uses).connection
        checks: list[Check] = []
        async with transaction(connection):
            checks += await check_roles(connection, patients)
            checks += await check_cluster(connection, patients)
            checks += await check_privileges(connection, names)
            checks += await check_objects(connection)
            checks += await check_structure(connection)
            checks += await check_outside(connection)
            checks += await check_names(connection, patients, path)
            checks += await check_surroundings(connection)
            checks += await check_server(connection, patients)
            checks.append(await check_clock(connection, now))
            ((theirs, name),) = await rows(connection, "SELECT clock_timestamp(), current_database()::text")
        checks += await check_upkeep(database, theirs.astimezone(UTC))
        tried = await try_everything(patients, path, progress)
        checks += [Check("Attempts", "note", remark) for remark in tried.remarks]
        return Examination(
            __version__,
            now().astimezone(UTC),
            connection.info.parameter_status("server_version") or str(connection.info.server_version),
            str(name),
            tuple(Patient(patient.name, tuple(patient.takes)) for patient in patients),
            tuple(checks),
            tried.attempts,
        )
