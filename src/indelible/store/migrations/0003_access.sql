-- Access: keys with an owner and an end, members who see their own events alone, what was revoked, each tenant's
-- settings, and how much was asked. Runs as indelible_owner, in one transaction, on PostgreSQL 15 and later.


-- What every process of this installation shares.
CREATE TABLE indelible.installation (
    -- There is one row.
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    -- Known to nobody outside: ids that follow from it cannot be told in advance.
    secret bytea NOT NULL DEFAULT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
           CHECK (octet_length(secret) = 32),
    -- Grows whenever something that processes remember of keys, tokens or settings is no longer so.
    epoch  bigint NOT NULL DEFAULT 0
);
INSERT INTO indelible.installation DEFAULT VALUES;

-- What a customer's members may do, as the vendor or the customer's admins say. No row: nothing.
CREATE TABLE indelible.tenant_settings (
    tenant_id     text COLLATE "C" PRIMARY KEY,
    -- Whether members may read the events in which they are actor or target.
    member_access boolean NOT NULL DEFAULT false,
    -- What they are shown of those, besides who did what to whom.
    member_sees   text[] NOT NULL DEFAULT '{changes,request_id,session_id}'
                  CHECK (member_sees <@ '{changes,ip_address,metadata,request_id,session_id,user_agent}'::text[]),
    changed_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Viewer tokens that are no longer good, though they have not expired. They live for minutes, so rows of a day ago
-- mean nothing any more.
CREATE TABLE indelible.revoked_tokens (
    tenant_id  text COLLATE "C" NOT NULL,
    -- 'token': the one with this id. 'actor': all that were issued to this person until then. 'tenant': all of them.
    kind       text NOT NULL CHECK (kind IN ('token', 'actor', 'tenant')),
    value      text COLLATE "C" NOT NULL CHECK ((kind = 'tenant') = (value = '')),
    revoked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, kind, value)
);

-- How much was asked for lately, by all processes together. Losing it costs nothing.
CREATE UNLOGGED TABLE indelible.usage (
    -- A key, a person or a tenant, and what they do.
    subject text COLLATE "C" NOT NULL,
    -- When its time began.
    period  timestamptz NOT NULL,
    used    bigint NOT NULL,
    PRIMARY KEY (subject, period)
);


-- Keys.

ALTER TABLE indelible.keys
    -- Whose events it opens. NULL: those of every tenant; such a key is the vendor's own.
    ADD COLUMN tenant_id    text COLLATE "C",
    -- The key's beginning and end, by which people recognise it.
    ADD COLUMN hint         text,
    -- Who made it, as in an event: {"type": "user", "id": "usr_7", "name": "Sarah Chen"}.
    ADD COLUMN created_by   jsonb,
    ADD COLUMN expires_at   timestamptz,
    ADD COLUMN revoked_at   timestamptz,
    -- The key that this one was made to replace.
    ADD COLUMN replaces     uuid,
    -- At most a minute late.
    ADD COLUMN last_used_at timestamptz,
    ADD COLUMN last_used_ip text;

CREATE INDEX keys_by_tenant ON indelible.keys (tenant_id, created_at);

ALTER TABLE indelible.keys NO FORCE ROW LEVEL SECURITY;
UPDATE indelible.keys SET scopes = '{events:import,events:read,events:write,export,keys:manage,privacy:erase,
    retention:manage,streams:manage,tenants:manage,viewer:issue}' WHERE name = 'bootstrap';
ALTER TABLE indelible.keys FORCE ROW LEVEL SECURITY;

-- What was revoked stays so, and what ends never lasts longer.
CREATE FUNCTION indelible.only_ends() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
       OR (OLD.expires_at IS NOT NULL AND coalesce(NEW.expires_at > OLD.expires_at, true))
    THEN
        RAISE EXCEPTION 'a key that was revoked stays so, and none lasts longer than it was made for'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER only_ends BEFORE UPDATE ON indelible.keys FOR EACH ROW EXECUTE FUNCTION indelible.only_ends();
CREATE TRIGGER never_deleted BEFORE DELETE ON indelible.keys FOR EACH ROW EXECUTE FUNCTION indelible.refuse();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON indelible.keys
    FOR EACH STATEMENT EXECUTE FUNCTION indelible.refuse();

-- Whoever changes one of these, in whatever way, has every process forget what it remembers.
CREATE FUNCTION indelible.new_epoch() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    UPDATE indelible.installation SET epoch = epoch + 1;
    RETURN NULL;
END $$;

CREATE TRIGGER new_epoch AFTER UPDATE OF scopes, tenant_id, hash, expires_at, revoked_at ON indelible.keys
    FOR EACH STATEMENT EXECUTE FUNCTION indelible.new_epoch();
CREATE TRIGGER new_epoch AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON indelible.tenant_settings
    FOR EACH STATEMENT EXECUTE FUNCTION indelible.new_epoch();
CREATE TRIGGER new_epoch AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON indelible.revoked_tokens
    FOR EACH STATEMENT EXECUTE FUNCTION indelible.new_epoch();

-- What was issued until some moment was revoked stays so. Of two who revoke at once, the later moment counts.
CREATE FUNCTION indelible.only_later() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    NEW.revoked_at := greatest(NEW.revoked_at, OLD.revoked_at);
    RETURN NEW;
END $$;

CREATE TRIGGER only_later BEFORE UPDATE ON indelible.revoked_tokens
    FOR EACH ROW EXECUTE FUNCTION indelible.only_later();


-- Members.

ALTER TABLE indelible.events
    -- The ids of the people (targets of the type "user") among the targets after the first.
    ADD COLUMN other_users text[] COLLATE "C" CHECK (cardinality(other_users) > 0);

ALTER TABLE indelible.events NO FORCE ROW LEVEL SECURITY, DISABLE TRIGGER append_only;
DO $$
DECLARE
    each  record;
    users text[];
BEGIN
    -- Only an entry with several targets has this text in it.
    FOR each IN SELECT e.tenant_id, e.seq, e.recorded_at, e.entry FROM indelible.events e
                WHERE position('\x7d2c7b'::bytea IN e.entry) > 0
    LOOP
        BEGIN
            SELECT array_agg(id ORDER BY place) INTO users FROM (
                SELECT t ->> 'id' AS id, min(number) AS place
                FROM jsonb_array_elements(convert_from(each.entry, 'UTF8')::jsonb -> 'targets')
                    WITH ORDINALITY targets (t, number)
                -- No id is longer, unless somebody made it so, and the index takes none that are much longer.
                WHERE number > 1 AND t ->> 'type' = 'user' AND length(t ->> 'id') <= 256 GROUP BY 1
            ) _;
        EXCEPTION WHEN OTHERS THEN
            users := NULL;  -- an entry that somebody altered is told of by verification, and must not stop this
        END;
        IF users IS NOT NULL THEN
            UPDATE indelible.events SET other_users = users
                WHERE tenant_id = each.tenant_id AND seq = each.seq AND recorded_at = each.recorded_at;
        END IF;
    END LOOP;
END $$;
ALTER TABLE indelible.events FORCE ROW LEVEL SECURITY, ENABLE TRIGGER append_only;

-- With events_by_actor and events_by_target it is what a member's entries are found by, so that the few of one person
-- need not be looked for among all of the tenant's. Few entries have several people among their targets.
CREATE INDEX events_by_other_users ON indelible.events USING gin (other_users) WHERE other_users IS NOT NULL;

-- A service of the version before does not know this column. It finds no function of the old name, so that what is
-- sent to it until it is restarted is answered 503 and sent again, rather than stored incompletely.
ALTER FUNCTION indelible.lock_ledgers(text[], text[], uuid[], integer[], timestamptz[], boolean) RENAME TO lock_heads;

-- Of the entry that is named, if it is one of the member's own, what the tenant lets members see of its disclosures.
-- Of the context the parts are told apart by the service.
CREATE FUNCTION indelible.own_personal(of_seq bigint, of_recorded_at timestamptz)
    RETURNS TABLE (actor text, changes text, context text, metadata text, targets text, erased jsonb)
    LANGUAGE sql STABLE ROWS 1 SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT p.actor,
           CASE WHEN 'changes' = ANY (s.member_sees) THEN p.changes END,
           CASE WHEN s.member_sees && '{ip_address,request_id,session_id,user_agent}'::text[] THEN p.context END,
           CASE WHEN 'metadata' = ANY (s.member_sees) THEN p.metadata END,
           p.targets, p.erased
    FROM indelible.events e
    JOIN indelible.event_personal p
        ON p.tenant_id = e.tenant_id AND p.seq = e.seq AND p.recorded_at = e.recorded_at
    JOIN indelible.tenant_settings s ON s.tenant_id = e.tenant_id AND s.member_access
    WHERE e.tenant_id = nullif(current_setting('indelible.tenant_id', true), '')
      AND e.seq = of_seq AND e.recorded_at = of_recorded_at
      AND ((e.actor_type = 'user' AND e.actor_id = nullif(current_setting('indelible.member_id', true), ''))
           OR (e.target_type = 'user' AND e.target_id = nullif(current_setting('indelible.member_id', true), ''))
           OR e.other_users @> ARRAY[nullif(current_setting('indelible.member_id', true), '')])
$$;

-- The words of the values, each marked by where it stands, so that nobody finds by words what they may not see:
-- A names and e-mails, B changes, C metadata, D the context. Still generated, so that what is erased is found no more.
ALTER TABLE indelible.event_personal DROP COLUMN search;
ALTER TABLE indelible.event_personal ADD COLUMN search tsvector GENERATED ALWAYS AS (
    setweight(coalesce(jsonb_to_tsvector('simple', actor::jsonb -> 2, '["string"]'), ''), 'A')
    || setweight(coalesce(jsonb_to_tsvector('simple', targets::jsonb -> 2, '["string"]'), ''), 'A')
    || setweight(coalesce(jsonb_to_tsvector('simple', changes::jsonb -> 2, '["string", "numeric"]'), ''), 'B')
    || setweight(coalesce(jsonb_to_tsvector('simple', metadata::jsonb -> 2, '["string", "numeric"]'), ''), 'C')
    || setweight(coalesce(jsonb_to_tsvector('simple', (context::jsonb -> 2) - 'user_agent', '["string"]'), ''), 'D')
) STORED;
CREATE INDEX personal_by_word ON indelible.event_personal USING gin (search);

-- As `search`, for members: among their own entries, and in what the tenant lets them see. Of the context that is
-- nothing unless they see all of it that is searched, as its words do not tell which part they are of.
--
-- It begins with their own entries and reads the words of no other, nor the index of all words: how long it takes must
-- not tell them whether others' entries have a word.
CREATE FUNCTION indelible.search_own(words tsquery) RETURNS TABLE (seq bigint, recorded_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
    WITH own AS MATERIALIZED (
        SELECT e.seq, e.recorded_at FROM indelible.events e
        WHERE e.tenant_id = nullif(current_setting('indelible.tenant_id', true), '')
          AND ((e.actor_type = 'user' AND e.actor_id = nullif(current_setting('indelible.member_id', true), ''))
               OR (e.target_type = 'user' AND e.target_id = nullif(current_setting('indelible.member_id', true), ''))
               OR e.other_users @> ARRAY[nullif(current_setting('indelible.member_id', true), '')])
    )
    SELECT own.seq, own.recorded_at
    FROM indelible.tenant_settings s
    CROSS JOIN own
    JOIN indelible.event_personal p
        ON p.tenant_id = s.tenant_id AND p.seq = own.seq AND p.recorded_at = own.recorded_at
    WHERE s.tenant_id = nullif(current_setting('indelible.tenant_id', true), '') AND s.member_access
      AND ts_filter(p.search, '{a}' || array_remove(ARRAY[
              CASE WHEN 'changes' = ANY (s.member_sees) THEN 'b' END,
              CASE WHEN 'metadata' = ANY (s.member_sees) THEN 'c' END,
              CASE WHEN s.member_sees @> '{ip_address,request_id,session_id}' THEN 'd' END]::"char"[], NULL)) @@ words
$$;


-- Who may what.

ALTER TABLE indelible.installation ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE indelible.tenant_settings ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE indelible.revoked_tokens ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE indelible.usage ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

REVOKE ALL ON FUNCTION
    indelible.only_ends(), indelible.only_later(), indelible.new_epoch(), indelible.own_personal(bigint, timestamptz),
    indelible.search_own(tsquery) FROM PUBLIC;

GRANT USAGE ON SCHEMA indelible TO indelible_member;
GRANT SELECT ON indelible.events TO indelible_member;
GRANT EXECUTE ON FUNCTION indelible.own_personal(bigint, timestamptz), indelible.search_own(tsquery)
    TO indelible_member;

GRANT SELECT ON indelible.installation TO indelible_control;
GRANT SELECT, INSERT, UPDATE (member_access, member_sees, changed_at) ON indelible.tenant_settings
    TO indelible_control;
GRANT SELECT, INSERT, UPDATE (revoked_at), DELETE ON indelible.revoked_tokens TO indelible_control;
GRANT SELECT, INSERT, UPDATE (used), DELETE ON indelible.usage TO indelible_control;
REVOKE DELETE ON indelible.keys FROM indelible_control;
GRANT UPDATE (expires_at, revoked_at, last_used_at, last_used_ip) ON indelible.keys TO indelible_control;

GRANT SELECT (tenant_id, seq, recorded_at, search) ON indelible.event_personal TO indelible_searcher;
GRANT SELECT (seq, recorded_at, actor_type, actor_id, target_type, target_id, other_users)
    ON indelible.events TO indelible_searcher;
GRANT SELECT ON indelible.tenant_settings TO indelible_searcher;

CREATE POLICY own ON indelible.events FOR SELECT TO indelible_member
    USING (tenant_id = nullif(current_setting('indelible.tenant_id', true), '')
           AND ((actor_type = 'user' AND actor_id = nullif(current_setting('indelible.member_id', true), ''))
                OR (target_type = 'user' AND target_id = nullif(current_setting('indelible.member_id', true), ''))
                OR other_users @> ARRAY[nullif(current_setting('indelible.member_id', true), '')]));
CREATE POLICY the_only ON indelible.installation FOR SELECT TO indelible_control USING (true);
-- The owner, as whom new_epoch runs.
CREATE POLICY moves_on ON indelible.installation TO indelible_owner USING (true);
CREATE POLICY every_tenant ON indelible.tenant_settings TO indelible_control USING (true);
CREATE POLICY of_tenant ON indelible.tenant_settings FOR SELECT TO indelible_owner, indelible_searcher
    USING (tenant_id = nullif(current_setting('indelible.tenant_id', true), ''));
CREATE POLICY every_token ON indelible.revoked_tokens FOR SELECT TO indelible_control USING (true);
CREATE POLICY revokes ON indelible.revoked_tokens FOR INSERT TO indelible_control WITH CHECK (true);
CREATE POLICY revokes_again ON indelible.revoked_tokens FOR UPDATE TO indelible_control USING (true);
-- What may still be in use stays revoked.
CREATE POLICY forgets ON indelible.revoked_tokens FOR DELETE TO indelible_control
    USING (revoked_at < now() - interval '1 day');
CREATE POLICY every_use ON indelible.usage TO indelible_control USING (true);

GRANT USAGE, CREATE ON SCHEMA indelible TO indelible_searcher;
ALTER FUNCTION indelible.search_own(tsquery) OWNER TO indelible_searcher;
REVOKE CREATE ON SCHEMA indelible FROM indelible_searcher;
