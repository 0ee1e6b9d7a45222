"""Checks of what carries rows out of the database, or could: publications, slots, foreign servers, extensions."""

from collections.abc import AsyncIterator

from indelible.store.doctor.finding import Check
from indelible.store.doctor.patient import rows
from indelible.store.session import Connection

__all__ = ["check_surroundings"]

_AREA = "Surroundings"

_PUBLICATIONS = """
    SELECT pubname::text, CASE WHEN puballtables THEN 'all tables' ELSE 'tables of indelible' END FROM pg_publication p
    WHERE puballtables
       OR EXISTS (SELECT FROM pg_publication_rel JOIN pg_class c ON c.oid = prrelid
                  WHERE prpubid = p.oid AND c.relnamespace = 'indelible'::regnamespace)
       OR EXISTS (SELECT FROM pg_publication_namespace
                  WHERE pnpubid = p.oid AND pnnspid = 'indelible'::regnamespace)
    ORDER BY 1
"""
_SUBSCRIPTIONS = """
    SELECT subname::text FROM pg_subscription
    WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1
"""
_SLOTS = """
    SELECT slot_name::text, plugin::text FROM pg_replication_slots
    WHERE slot_type = 'logical' AND database = current_database() ORDER BY 1
"""
_MAPPINGS = """
    SELECT srvname::text, CASE umuser WHEN 0 THEN 'everybody (PUBLIC)' ELSE usename::text END FROM pg_user_mappings
    ORDER BY 1, 2
"""
_EXTENSIONS = "SELECT extname::text FROM pg_extension WHERE extname = ANY (%s) ORDER BY 1"

_REACHING_OUT = {
    "adminpack": "writes the server's files",
    "dblink": "opens connections from the server to anywhere, also to itself",
    "file_fdw": "reads the server's files",
    "http": "sends requests from the server",
    "pageinspect": "shows pages of tables as they lie on disk, past row security",
    "pg_cron": "runs statements at times, as others",
    "pg_dirtyread": "shows rows that were removed",
    "pg_net": "sends requests from the server",
    "pg_surgery": "changes rows past every trigger",
    "plperlu": "lets functions do on the server what its user may",
    "plpython3u": "lets functions do on the server what its user may",
    "plsh": "lets functions do on the server what its user may",
    "pltclu": "lets functions do on the server what its user may",
    "postgres_fdw": "opens connections from the server to others, also to itself",
}


async def check_surroundings(connection: Connection) -> list[Check]:
    checks = [Check(_AREA, "warning", said, fix) async for said, fix in _found(connection)]
    if not checks:
        said = (
            "Nothing carries rows elsewhere: no publication, subscription, logical replication slot or foreign "
            "server's user, and no extension that reaches out of the database."
        )
        checks.append(Check(_AREA, "ok", said))
    return checks


async def _found(connection: Connection) -> AsyncIterator[tuple[str, str]]:
    for name, what in await rows(connection, _PUBLICATIONS):
        yield (
            f"The publication {name} carries {what} to whoever subscribes, without row security.",
            f"Find out who subscribes; DROP PUBLICATION {name};",
        )
    for (name,) in await rows(connection, _SUBSCRIPTIONS):
        yield (
            f"The subscription {name} writes into this database what another server sends, and most triggers do not "
            "fire on it.", f"Find out what it is for; DROP SUBSCRIPTION {name};",
        )  # fmt: skip
    for name, plugin in await rows(connection, _SLOTS):
        yield (
            f"The logical replication slot {name} ({plugin}) keeps every change for whoever reads it, without row "
            "security.", f"Find out who reads it; SELECT pg_drop_replication_slot('{name}');",
        )  # fmt: skip
    for server, user in await rows(connection, _MAPPINGS):
        yield (
            f"The foreign server {server} has a login for {user}: it may lead back into this database as somebody "
            "else.", f"Find out where it leads; DROP USER MAPPING FOR … SERVER {server};",
        )  # fmt: skip
    for (name,) in await rows(connection, _EXTENSIONS, list(_REACHING_OUT)):
        yield (
            f"The extension {name} is installed: it {_REACHING_OUT[name]}.",
            f"DROP EXTENSION {name}; where nothing needs it.",
        )
