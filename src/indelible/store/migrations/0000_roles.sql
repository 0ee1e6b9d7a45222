-- The roles, the schema and the record of migrations. Runs as whoever migrates, each time: it makes what is missing.
-- Nobody logs in as any of these; the service logs in as a role of its own and takes one of them per transaction.

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['owner', 'writer', 'reader', 'control', 'signer', 'keeper'] LOOP
        name := 'indelible_' || name;
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- roles belong to the whole server: another database's migration was quicker
            END;
        END IF;
    END LOOP;
    IF NOT pg_has_role(current_user, 'indelible_owner', 'MEMBER') THEN
        EXECUTE format('GRANT indelible_owner TO %I', current_user);
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
