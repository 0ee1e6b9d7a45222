-- The ledger. Runs as indelible_owner, in one transaction, on PostgreSQL 15 and later.
--
-- Every table is under row-level security, forced for the owner too; what a role may see or do is granted
-- here and nowhere else. Policies are permissive, free of subqueries and compare with indelible.tenant_id, which
-- each transaction sets for itself (SET LOCAL): where it is not set there are no rows.

-- One row a tenant: where its ledger stands. The row's lock is what orders appends.
CREATE TABLE indelible.ledgers (
    tenant_id   text COLLATE "C" PRIMARY KEY,
    -- The ledger's name in proofs: <host>/<ULID>, nothing of the customer in it.
    origin      text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- How many entries there are; the next one gets this number.
    size        bigint NOT NULL DEFAULT 0 CHECK (size >= 0),
    -- The leaf hash of entry size-1; NULL in an empty ledger.
    head        bytea CHECK (octet_length(head) = 32),
    -- The roots of the complete subtrees that make up the Merkle tree of `size` leaves, largest first.
    frontier    bytea NOT NULL DEFAULT '' CHECK (octet_length(frontier) = 32 * bit_count(size::bit(64))),
    -- recorded_at of entry size-1; never decreases.
    recorded_at timestamptz NOT NULL DEFAULT '-infinity',
    CHECK ((size = 0) = (head IS NULL))
) WITH (fillfactor = 50);  -- every append updates its row in place


-- The entries, and the columns that they are found by. Insert-only, for everybody.
CREATE TABLE indelible.events (
    tenant_id   text COLLATE "C" NOT NULL,
    seq         bigint NOT NULL CHECK (seq >= 0),
    recorded_at timestamptz NOT NULL,
    occurred_at timestamptz NOT NULL,
    id          uuid NOT NULL,
    action      text COLLATE "C" NOT NULL,
    -- NULL where the action was not in the catalog when it was sealed.
    category    text COLLATE "C",
    operation   text COLLATE "C",
    outcome     text COLLATE "C" NOT NULL,
    source      text COLLATE "C" NOT NULL,
    actor_type  text COLLATE "C" NOT NULL,
    actor_id    text COLLATE "C",
    -- The primary target's.
    target_type text COLLATE "C",
    target_id   text COLLATE "C",
    -- SHA-256(0x00 || entry): chain link and Merkle leaf at once.
    leaf_hash   bytea NOT NULL CHECK (octet_length(leaf_hash) = 32),
    -- The exact bytes that are hashed. The truth; the columns above repeat it for the indexes.
    entry       bytea NOT NULL CHECK (octet_length(entry) BETWEEN 2 AND 32768),
    PRIMARY KEY (tenant_id, seq, recorded_at)
) PARTITION BY RANGE (recorded_at);

CREATE INDEX events_by_time ON indelible.events (tenant_id, occurred_at, seq);
CREATE INDEX events_by_actor ON indelible.events (tenant_id, actor_id, occurred_at, seq) WHERE actor_id IS NOT NULL;
CREATE INDEX events_by_target ON indelible.events (tenant_id, target_id, occurred_at, seq) WHERE target_id IS NOT NULL;
CREATE INDEX events_by_action ON indelible.events (tenant_id, action, occurred_at, seq);


-- What can be erased: the disclosures, one column a group, each the JSON that its digest was made from, verbatim.
CREATE TABLE indelible.event_personal (
    tenant_id   text COLLATE "C" NOT NULL,
    seq         bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    actor       text COLLATE "C",
    changes     text COLLATE "C",
    context     text COLLATE "C",
    metadata    text COLLATE "C",
    targets     text COLLATE "C",
    -- Of the event as it was sent: tells a retry from another event under the same id. It stands here because a
    -- hash of personal data can be guessed at, so it has to go when they go.
    fingerprint bytea CHECK (octet_length(fingerprint) = 16),
    -- The words of the values. Generated, so that what is erased is found no more.
    search      tsvector GENERATED ALWAYS AS (
        coalesce(jsonb_to_tsvector('simple', actor::jsonb -> 2, '["string"]'), '')
        || coalesce(jsonb_to_tsvector('simple', targets::jsonb -> 2, '["string"]'), '')
        || coalesce(jsonb_to_tsvector('simple', changes::jsonb -> 2, '["string", "numeric"]'), '')
        || coalesce(jsonb_to_tsvector('simple', metadata::jsonb -> 2, '["string", "numeric"]'), '')
        || coalesce(jsonb_to_tsvector('simple', (context::jsonb -> 2) - 'user_agent', '["string"]'), '')
    ) STORED,
    PRIMARY KEY (tenant_id, seq, recorded_at)
) PARTITION BY RANGE (recorded_at);

CREATE INDEX personal_by_word ON indelible.event_personal USING gin (search);


-- Who may call. Not per tenant: a key is looked up before a tenant is known.
CREATE TABLE indelible.keys (
    key_id     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name       text NOT NULL CHECK (name <> ''),
    -- SHA-256 of the key, which itself is random and long and kept nowhere.
    hash       bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    scopes     text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);


-- Append-only, second lock: privileges are the first. These hold for the owner and for superusers as well.

CREATE FUNCTION indelible.refuse() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION '% on indelible.% is refused: the ledger is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON indelible.events
    FOR EACH ROW EXECUTE FUNCTION indelible.refuse();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON indelible.events
    FOR EACH STATEMENT EXECUTE FUNCTION indelible.refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON indelible.event_personal
    FOR EACH ROW EXECUTE FUNCTION indelible.refuse();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON indelible.event_personal
    FOR EACH STATEMENT EXECUTE FUNCTION indelible.refuse();
CREATE TRIGGER never_deleted BEFORE DELETE ON indelible.ledgers
    FOR EACH ROW EXECUTE FUNCTION indelible.refuse();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON indelible.ledgers
    FOR EACH STATEMENT EXECUTE FUNCTION indelible.refuse();

CREATE FUNCTION indelible.only_forward() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF NEW.size <= OLD.size OR NEW.recorded_at < OLD.recorded_at
       OR (NEW.tenant_id, NEW.origin, NEW.created_at) IS DISTINCT FROM (OLD.tenant_id, OLD.origin, OLD.created_at)
    THEN
        RAISE EXCEPTION 'a ledger only grows, under its own name' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER only_forward BEFORE UPDATE ON indelible.ledgers
    FOR EACH ROW EXECUTE FUNCTION indelible.only_forward();


-- Months.
--
-- A partition is reached through its parent by those who read, under the parent's row security, and directly by
-- the writer's COPY, which PostgreSQL refuses on a table under row security. So on a partition the writer alone
-- has a privilege, and only that of inserting.

CREATE FUNCTION indelible.ensure_month(day date) RETURNS boolean
    -- pg_temp is named, and last: left out it would be searched first, and whoever calls could put types of their
    -- own there, whose checks would run as the owner.
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    since  timestamp := date_trunc('month', day::timestamp);
    until  timestamp := since + interval '1 month';
    parent text;
    part   text;
    made   boolean := false;
BEGIN
    -- Several services may want the same month at once.
    PERFORM pg_advisory_xact_lock(hashtextextended('indelible.ensure_month', 0));
    FOREACH parent IN ARRAY ARRAY['events', 'event_personal'] LOOP
        part := parent || to_char(since, '_YYYY_MM');
        CONTINUE WHEN to_regclass(format('indelible.%I', part)) IS NOT NULL;
        -- Made apart and then attached: that locks out neither readers nor writers of the other months.
        EXECUTE format('CREATE TABLE indelible.%I (LIKE indelible.%I INCLUDING ALL)', part, parent);
        IF parent = 'events' THEN
            EXECUTE format('CREATE UNIQUE INDEX %I ON indelible.%I (tenant_id, id)', part || '_by_id', part);
        END IF;
        EXECUTE format(
            'ALTER TABLE indelible.%I ATTACH PARTITION indelible.%I FOR VALUES FROM (%L) TO (%L)',
            parent, part, since::text || '+00', until::text || '+00');
        EXECUTE format(
            'CREATE TRIGGER never_truncated BEFORE TRUNCATE ON indelible.%I '
            'FOR EACH STATEMENT EXECUTE FUNCTION indelible.refuse()', part);
        EXECUTE format('GRANT INSERT ON indelible.%I TO indelible_writer', part);
        made := true;
    END LOOP;
    RETURN made;
END $$;


-- Appending. (SET LOCAL and not set_config: a distributed PostgreSQL passes the one on to its workers.)

-- Locks ledgers, one after the other in the order given, and looks up which of `ids` they have already. Two statements
-- for each: the second sees what was committed while the first waited for the lock. A missing ledger is made under its
-- `new_origins`, unless that is NULL; then it has no row in the answer. The first `id_counts[1]` ids are those of
-- tenants[1], and so on; none of them can have been recorded before `since`. Where that is in the current month, the
-- month's unique index will tell of one that comes again, and nothing is looked up unless `careful` says so.
CREATE FUNCTION indelible.lock_ledgers(
    tenants text[], new_origins text[], ids uuid[], id_counts integer[], since timestamptz[], careful boolean)
    RETURNS TABLE (
        tenant text, origin text, size bigint, head bytea, frontier bytea,
        -- When entries that are appended now are recorded.
        now timestamptz,
        found_id uuid[], found_seq bigint[], found_recorded_at timestamptz[], found_leaf_hash bytea[],
        found_fingerprint bytea[])
    LANGUAGE plpgsql
    AS $$
DECLARE
    past integer := 0;  -- how many ids belong to the tenants before
BEGIN
    FOR i IN 1 .. cardinality(tenants) LOOP
        tenant := tenants[i];
        past := past + id_counts[i];
        EXECUTE format('SET LOCAL indelible.tenant_id = %L', tenant);
        SELECT l.origin, l.size, l.head, l.frontier, greatest(l.recorded_at, clock_timestamp())
            INTO origin, size, head, frontier, now
            FROM indelible.ledgers l WHERE l.tenant_id = tenant FOR UPDATE;
        IF NOT FOUND THEN
            CONTINUE WHEN new_origins[i] IS NULL;
            INSERT INTO indelible.ledgers (tenant_id, origin) VALUES (tenant, new_origins[i]) ON CONFLICT DO NOTHING;
            SELECT l.origin, l.size, l.head, l.frontier, greatest(l.recorded_at, clock_timestamp())
                INTO STRICT origin, size, head, frontier, now
                FROM indelible.ledgers l WHERE l.tenant_id = tenant FOR UPDATE;
        END IF;
        found_id := NULL;
        found_seq := NULL;
        found_recorded_at := NULL;
        found_leaf_hash := NULL;
        found_fingerprint := NULL;
        IF size > 0 AND id_counts[i] > 0
            AND (careful OR since[i] < date_trunc('month', now AT TIME ZONE 'UTC') AT TIME ZONE 'UTC')
        THEN
            -- Planned anew each time: a plan made while the month was empty would read through the whole ledger.
            EXECUTE 'SELECT array_agg(e.id), array_agg(e.seq), array_agg(e.recorded_at), array_agg(e.leaf_hash),
                            array_agg(p.fingerprint)
                     FROM indelible.events e
                     LEFT JOIN indelible.event_personal p
                         ON p.tenant_id = $1 AND p.seq = e.seq AND p.recorded_at = e.recorded_at
                     WHERE e.tenant_id = $1 AND e.id = ANY ($2) AND e.recorded_at >= $3'
                INTO found_id, found_seq, found_recorded_at, found_leaf_hash, found_fingerprint
                USING tenant, ids[past - id_counts[i] + 1 : past], since[i];
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;

CREATE FUNCTION indelible.move_heads(
    tenants text[], old_sizes bigint[], new_sizes bigint[], heads bytea[], frontiers bytea[], nows timestamptz[])
    RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    FOR i IN 1 .. cardinality(tenants) LOOP
        EXECUTE format('SET LOCAL indelible.tenant_id = %L', tenants[i]);
        UPDATE indelible.ledgers
            SET size = new_sizes[i], head = heads[i], frontier = frontiers[i], recorded_at = nows[i]
            WHERE tenant_id = tenants[i] AND size = old_sizes[i];
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the ledger of % is not at %', tenants[i], old_sizes[i]
                USING ERRCODE = 'serialization_failure';
        END IF;
    END LOOP;
END $$;


-- Searching.

-- The entries of the tenant that is set in which `words` occur. Under row security PostgreSQL never uses an index for
-- @@, which is not leakproof. So this runs as a role that sees the words of all tenants and nothing else of them, takes
-- the tenant from the transaction and never as an argument, and gives back only where to look.
CREATE FUNCTION indelible.search(words tsquery) RETURNS TABLE (seq bigint, recorded_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT p.seq, p.recorded_at FROM indelible.event_personal p
    WHERE p.tenant_id = nullif(current_setting('indelible.tenant_id', true), '') AND p.search @@ words
$$;


-- Verifying.

-- The tenants of whom there are entries, whatever the ledgers' own rows say. Runs as the searcher, for whoever may list
-- the ledgers anyway.
CREATE FUNCTION indelible.tenants_with_entries() RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT DISTINCT e.tenant_id FROM indelible.events e $$;


-- Who may what.

ALTER TABLE indelible.ledgers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE indelible.events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE indelible.event_personal ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE indelible.keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA indelible FROM PUBLIC;
GRANT USAGE ON SCHEMA indelible TO indelible_writer, indelible_reader, indelible_control;
GRANT SELECT ON indelible.migrations TO indelible_writer, indelible_reader, indelible_control;

GRANT SELECT, INSERT (tenant_id, origin), UPDATE (size, head, frontier, recorded_at)
    ON indelible.ledgers TO indelible_writer;
GRANT SELECT (tenant_id, seq, recorded_at, id, leaf_hash) ON indelible.events TO indelible_writer;
GRANT SELECT (tenant_id, seq, recorded_at, fingerprint) ON indelible.event_personal TO indelible_writer;
GRANT EXECUTE ON FUNCTION
    indelible.lock_ledgers(text[], text[], uuid[], integer[], timestamptz[], boolean),
    indelible.move_heads(text[], bigint[], bigint[], bytea[], bytea[], timestamptz[]),
    indelible.ensure_month(date)
    TO indelible_writer;

GRANT SELECT ON indelible.ledgers, indelible.events TO indelible_reader;
GRANT SELECT (tenant_id, seq, recorded_at, actor, changes, context, metadata, targets)
    ON indelible.event_personal TO indelible_reader;
GRANT EXECUTE ON FUNCTION indelible.search(tsquery) TO indelible_reader;

GRANT SELECT (tenant_id, seq, recorded_at, search) ON indelible.event_personal TO indelible_searcher;
GRANT SELECT (tenant_id) ON indelible.events TO indelible_searcher;
GRANT EXECUTE ON FUNCTION indelible.tenants_with_entries() TO indelible_control;

GRANT SELECT ON indelible.ledgers TO indelible_control;
GRANT SELECT, INSERT, DELETE ON indelible.keys TO indelible_control;
GRANT EXECUTE ON FUNCTION indelible.ensure_month(date) TO indelible_control;

CREATE POLICY of_tenant ON indelible.ledgers TO indelible_writer, indelible_reader
    USING (tenant_id = nullif(current_setting('indelible.tenant_id', true), ''));
CREATE POLICY of_tenant ON indelible.events FOR SELECT TO indelible_writer, indelible_reader
    USING (tenant_id = nullif(current_setting('indelible.tenant_id', true), ''));
CREATE POLICY of_tenant ON indelible.event_personal FOR SELECT TO indelible_writer, indelible_reader
    USING (tenant_id = nullif(current_setting('indelible.tenant_id', true), ''));
CREATE POLICY every_tenant ON indelible.events FOR SELECT TO indelible_searcher USING (true);
CREATE POLICY every_word ON indelible.event_personal FOR SELECT TO indelible_searcher USING (true);
-- Which ledgers there are and how large they are; nothing of what is in them.
CREATE POLICY every_ledger ON indelible.ledgers FOR SELECT TO indelible_control USING (true);
CREATE POLICY every_key ON indelible.keys TO indelible_control USING (true);

GRANT USAGE, CREATE ON SCHEMA indelible TO indelible_searcher;
ALTER FUNCTION indelible.search(tsquery) OWNER TO indelible_searcher;
ALTER FUNCTION indelible.tenants_with_entries() OWNER TO indelible_searcher;
REVOKE CREATE ON SCHEMA indelible FROM indelible_searcher;
