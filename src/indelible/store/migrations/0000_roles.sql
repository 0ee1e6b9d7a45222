-- The roles, the schema and the record of migrations. Runs as whoever migrates, each time: it makes what is missing.
-- Nobody logs in as any of these; the service logs in as a role of its own and takes one of them per transaction.

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['owner', 'writer', 'reader', 'member', 'searcher', 'control', 'signer', 'keeper'] LOOP
        name := 'indelible_' || name;
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- roles belong to the whole server: another database's migration was quicker
            END;
        END IF;
    END LOOP;
    -- From 16 on, who made a role is a member that may grant it, but not yet act as it.
    IF NOT pg_has_role(current_user, 'indelible_owner',
                       CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END)
    THEN
        EXECUTE format('GRANT indelible_owner TO %I', current_user);
    END IF;
    -- The owner hands one function to the searcher, in whose name it then runs.
    IF NOT pg_has_role('indelible_owner', 'indelible_searcher', 'MEMBER') THEN
        GRANT indelible_searcher TO indelible_owner;
    END IF;
END $$;

CREATE SCHEMA IF NOT EXISTS indelible AUTHORIZATION indelible_owner;

SET LOCAL ROLE indelible_owner;

CREATE TABLE IF NOT EXISTS indelible.migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    -- Of the file as it ran; a file that changed afterwards is an error, not a surprise.
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
