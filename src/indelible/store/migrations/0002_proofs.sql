-- Proofs: the stored tree, signed checkpoints, and the one door through which disclosures are erased. Runs as
-- indelible_owner, in one transaction, on PostgreSQL 15 and later.


-- The tree above the leaf hashes, as far as it is kept: the roots of complete subtrees. Insert-only. A proof needs
-- these, and the leaf hashes of one subtree, whatever the ledger's size.
CREATE TABLE indelible.subtrees (
    tenant_id text COLLATE "C" NOT NULL,
    -- 1: of 256 leaves; 2: of 256 * 256; and so on.
    level     smallint NOT NULL CHECK (level BETWEEN 1 AND 7),
    -- Its number among those of its level, from 0 on: the first leaf is number index * 256^level.
    index     bigint NOT NULL CHECK (index >= 0),
    root      bytea NOT NULL CHECK (octet_length(root) = 32),
    PRIMARY KEY (tenant_id, level, index)
);

-- What was signed of each ledger, in the order of signing: each checkpoint is consistent with the one before.
CREATE TABLE indelible.checkpoints (
    tenant_id text COLLATE "C" NOT NULL,
    size      bigint NOT NULL CHECK (size > previous AND size <= 9007199254740991),
    -- The size of the checkpoint before, 0 for the first. Unique: of two signers that start from the same one, one wins.
    previous  bigint NOT NULL CHECK (previous >= 0),
    -- The signed note, verbatim (C2SP tlog-checkpoint). It alone counts; size repeats what it says.
    note      text NOT NULL,
    signed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, size),
    UNIQUE (tenant_id, previous)
);

-- The public keys that checkpoints were signed with, for those who list them; whoever verifies pins theirs elsewhere.
CREATE TABLE indelible.signers (
    public_key    bytea PRIMARY KEY CHECK (octet_length(public_key) = 32),
    first_used_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The ledgers that are not signed now, and why: for people. A row goes when the ledger is signed again.
CREATE TABLE indelible.refusals (
    -- '' where the ledger's checkpoints were found outside of the database, and no ledger of this origin in it.
    tenant_id text COLLATE "C" NOT NULL,
    origin    text NOT NULL,
    reason    text NOT NULL,
    since     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, origin)
);

-- An origin names one ledger: its key's name in checkpoints. (A distributed PostgreSQL cannot promise it across tenants;
-- there the signer's own look is all there is.)
DO $$
BEGIN
    EXECUTE format('CREATE %s INDEX ledgers_by_origin ON indelible.ledgers (origin)',
                   CASE WHEN EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN '' ELSE 'UNIQUE' END);
END $$;

-- Entries count in JSON, where integers end at 2^53 - 1. Not of rows that are there: whatever was done to one of them
-- must not hold up the others.
ALTER TABLE indelible.ledgers ADD CHECK (size <= 9007199254740991) NOT VALID;

-- Triggers must not look for operators where whoever sets them off says.
ALTER FUNCTION indelible.refuse() SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION indelible.only_forward() SET search_path = pg_catalog, pg_temp;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON indelible.subtrees
    FOR EACH ROW EXECUTE FUNCTION indelible.refuse();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON indelible.subtrees
    FOR EACH STATEMENT EXECUTE FUNCTION indelible.refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON indelible.checkpoints
    FOR EACH ROW EXECUTE FUNCTION indelible.refuse();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON indelible.checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION indelible.refuse();


-- Appending: as before, and the subtrees that the new entries completed. The first `completed[1]` of `levels`,
-- `indexes` and `roots` are those of tenants[1], and so on.
DROP FUNCTION indelible.move_heads(text[], bigint[], bigint[], bytea[], bytea[], timestamptz[]);

CREATE FUNCTION indelible.move_heads(
    tenants text[], old_sizes bigint[], new_sizes bigint[], heads bytea[], frontiers bytea[], nows timestamptz[],
    completed integer[], levels smallint[], indexes bigint[], roots bytea[])
    RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    past integer := 0;  -- how many subtrees belong to the tenants before
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
        FOR j IN past + 1 .. past + completed[i] LOOP
            INSERT INTO indelible.subtrees (tenant_id, level, index, root)
                VALUES (tenants[i], levels[j], indexes[j], roots[j]);
        END LOOP;
        past := past + completed[i];
    END LOOP;
END $$;


-- Erasing.

ALTER TABLE indelible.event_personal
    -- Of each group that was erased the number of the ledger.erasure entry that recorded it: {"actor": 812}.
    ADD COLUMN erased jsonb;

-- Empty until something is erased. Evidence asks it which records of erasure it has to prove.
CREATE INDEX personal_by_erasure ON indelible.event_personal (tenant_id, seq) WHERE erased IS NOT NULL;

-- The disclosures of an event change in one way only: they go, and it is noted which entry says so.
CREATE FUNCTION indelible.only_erased() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    gone text[] := ARRAY[]::text[];
    name text;
    was  jsonb := to_jsonb(OLD);
    is_  jsonb := to_jsonb(NEW);
BEGIN
    FOREACH name IN ARRAY ARRAY['actor', 'changes', 'context', 'metadata', 'targets'] LOOP
        IF was ->> name IS NOT NULL AND is_ ->> name IS NULL THEN
            gone := gone || name;
        ELSIF was -> name IS DISTINCT FROM is_ -> name THEN
            gone := NULL;
            EXIT;
        END IF;
    END LOOP;
    IF coalesce(cardinality(gone), 0) = 0
       OR NEW.fingerprint IS NOT NULL
       OR (NEW.tenant_id, NEW.seq, NEW.recorded_at) IS DISTINCT FROM (OLD.tenant_id, OLD.seq, OLD.recorded_at)
       OR NOT coalesce(NEW.erased ?& gone, false)
       OR NEW.erased - gone IS DISTINCT FROM coalesce(OLD.erased, '{}')
    THEN
        RAISE EXCEPTION 'UPDATE on indelible.event_personal is refused: disclosures may be erased, and nothing else'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

DROP TRIGGER append_only ON indelible.event_personal;
CREATE TRIGGER only_erased BEFORE UPDATE ON indelible.event_personal
    FOR EACH ROW EXECUTE FUNCTION indelible.only_erased();
CREATE TRIGGER never_deleted BEFORE DELETE ON indelible.event_personal
    FOR EACH ROW EXECUTE FUNCTION indelible.refuse();

CREATE FUNCTION indelible.base64url(data bytea) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$ SELECT rtrim(translate(encode(data, 'base64'), E'+/\n', '-_'), '=') $$;

CREATE FUNCTION indelible.disclosure_digest(disclosure text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT indelible.base64url(sha256(convert_to(indelible.base64url(convert_to(disclosure, 'UTF8')), 'UTF8')))
$$;

-- Whether the bytes of entry `seq` say that they record an erasure, and `metadata` is what they disclose of it.
CREATE FUNCTION indelible.records_erasure(entry bytea, seq bigint, metadata text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT said ->> 'action' = 'ledger.erasure' AND said -> 'seq' = to_jsonb(seq)
       AND said -> '_sd' ? indelible.disclosure_digest(metadata)
       AND jsonb_typeof(metadata::jsonb -> 2 -> 'digests') = 'array'
    FROM (SELECT convert_from(entry, 'UTF8')::jsonb AS said) entry
$$;

-- Erases the disclosures `groups` of the entries `seqs` of the tenant that is set, and returns their digests. `erasure`
-- is the number of the ledger.erasure entry, appended in this same transaction, that names these digests: without a
-- record nothing is erased. The service's own ledger.* entries keep what they say.
CREATE FUNCTION indelible.erase_disclosures(erasure bigint, seqs bigint[], groups text[])
    RETURNS TABLE (erased_seq bigint, erased_group text, digest text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    tenant text := nullif(current_setting('indelible.tenant_id', true), '');
    last   record;
    named  jsonb;  -- the digests that the record names
    each   record;
    note   jsonb;
BEGIN
    IF NOT groups <@ ARRAY['actor', 'changes', 'context', 'metadata', 'targets'] THEN
        RAISE EXCEPTION 'there is no such group of disclosures' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- The record is the ledger's last entry, which the row's head vouches for, and new.
    SELECT e.entry, p.metadata INTO last
        FROM indelible.ledgers l
        JOIN indelible.events e ON e.tenant_id = tenant AND e.seq = l.size - 1 AND e.leaf_hash = l.head
        JOIN indelible.event_personal p ON p.tenant_id = tenant AND p.seq = e.seq AND p.recorded_at = e.recorded_at
        WHERE l.tenant_id = tenant AND e.seq = erasure AND e.leaf_hash = sha256('\x00' || e.entry)
          AND e.xmin = pg_current_xact_id()::xid;
    IF NOT FOUND OR NOT coalesce(indelible.records_erasure(last.entry, erasure, last.metadata), false) THEN
        RAISE EXCEPTION 'an erasure is recorded in the ledger first, in the same transaction'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    named := last.metadata::jsonb -> 2 -> 'digests';
    FOR each IN
        SELECT p.seq, p.recorded_at, jsonb_object_agg(g.name, g.disclosure) AS disclosures
        FROM indelible.event_personal p
        JOIN indelible.events e ON e.tenant_id = tenant AND e.seq = p.seq AND e.recorded_at = p.recorded_at
        CROSS JOIN LATERAL (VALUES ('actor', p.actor), ('changes', p.changes), ('context', p.context),
                                   ('metadata', p.metadata), ('targets', p.targets)) g (name, disclosure)
        WHERE p.tenant_id = tenant AND p.seq = ANY (seqs) AND p.seq < erasure AND e.action NOT LIKE 'ledger.%'
          AND g.name = ANY (groups) AND g.disclosure IS NOT NULL
        GROUP BY p.seq, p.recorded_at
    LOOP
        SELECT jsonb_object_agg(name, erasure) INTO note FROM jsonb_object_keys(each.disclosures) name;
        UPDATE indelible.event_personal p SET
            actor    = CASE WHEN note ? 'actor'    THEN NULL ELSE actor    END,
            changes  = CASE WHEN note ? 'changes'  THEN NULL ELSE changes  END,
            context  = CASE WHEN note ? 'context'  THEN NULL ELSE context  END,
            metadata = CASE WHEN note ? 'metadata' THEN NULL ELSE metadata END,
            targets  = CASE WHEN note ? 'targets'  THEN NULL ELSE targets  END,
            -- A hash of all that was sent, which can be guessed at.
            fingerprint = NULL,
            erased   = coalesce(erased, '{}') || note
            WHERE p.tenant_id = tenant AND p.seq = each.seq AND p.recorded_at = each.recorded_at;
        erased_seq := each.seq;
        FOR erased_group, digest IN
            SELECT d.key, indelible.disclosure_digest(d.value) FROM jsonb_each_text(each.disclosures) d
        LOOP
            IF NOT coalesce(named ? digest, false) THEN
                RAISE EXCEPTION 'the record of the erasure does not name a disclosure of entry %', erased_seq
                    USING ERRCODE = 'insufficient_privilege';
            END IF;
            RETURN NEXT;
        END LOOP;
    END LOOP;
END $$;


-- The tree of ledgers that are there already. (Row security is forced again below.)

ALTER TABLE indelible.ledgers NO FORCE ROW LEVEL SECURITY;
ALTER TABLE indelible.events NO FORCE ROW LEVEL SECURITY;

DO $$
DECLARE
    ledger record;
    width  bigint;
    hashes bytea[];
BEGIN
    FOR ledger IN SELECT l.tenant_id, l.size FROM indelible.ledgers l LOOP
        FOR high IN 1 .. 7 LOOP
            width := 256::bigint ^ high;
            EXIT WHEN width > ledger.size;
            -- The size may be anything: whoever altered it must not hang or fail the migration.
            FOR number IN 0 .. least(ledger.size / width, 2147483647)::bigint - 1 LOOP
                IF high = 1 THEN
                    hashes := ARRAY(SELECT e.leaf_hash FROM indelible.events e
                                    WHERE e.tenant_id = ledger.tenant_id
                                      AND e.seq >= number * 256::bigint AND e.seq < (number + 1) * 256::bigint ORDER BY e.seq);
                ELSE
                    hashes := ARRAY(SELECT s.root FROM indelible.subtrees s
                                    WHERE s.tenant_id = ledger.tenant_id AND s.level = high - 1
                                      AND s.index >= number * 256::bigint AND s.index < (number + 1) * 256::bigint ORDER BY s.index);
                END IF;
                -- A ledger that lacks entries is not mended here: verification tells, and the migration goes on.
                EXIT WHEN cardinality(hashes) <> 256;
                FOR step IN 1 .. 8 LOOP
                    hashes := ARRAY(SELECT sha256('\x01' || hashes[2 * i - 1] || hashes[2 * i])
                                    FROM generate_series(1, cardinality(hashes) / 2) i ORDER BY i);
                END LOOP;
                INSERT INTO indelible.subtrees (tenant_id, level, index, root)
                    VALUES (ledger.tenant_id, high, number, hashes[1]);
            END LOOP;
        END LOOP;
    END LOOP;
END $$;


-- Who may what.

ALTER TABLE indelible.ledgers FORCE ROW LEVEL SECURITY;
ALTER TABLE indelible.events FORCE ROW LEVEL SECURITY;
ALTER TABLE indelible.subtrees ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE indelible.checkpoints ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE indelible.signers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE indelible.refusals ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

REVOKE ALL ON FUNCTION
    indelible.move_heads(text[], bigint[], bigint[], bytea[], bytea[], timestamptz[],
                         integer[], smallint[], bigint[], bytea[]),
    indelible.only_erased(), indelible.base64url(bytea), indelible.disclosure_digest(text),
    indelible.records_erasure(bytea, bigint, text), indelible.erase_disclosures(bigint, bigint[], text[])
    FROM PUBLIC;

GRANT USAGE ON SCHEMA indelible TO indelible_signer, indelible_keeper;

GRANT INSERT ON indelible.subtrees TO indelible_writer;
GRANT EXECUTE ON FUNCTION
    indelible.move_heads(text[], bigint[], bigint[], bytea[], bytea[], timestamptz[],
                         integer[], smallint[], bigint[], bytea[])
    TO indelible_writer;

GRANT SELECT ON indelible.subtrees, indelible.checkpoints, indelible.signers TO indelible_reader;
GRANT SELECT (erased) ON indelible.event_personal TO indelible_reader;

GRANT SELECT (tenant_id, size, signed_at) ON indelible.checkpoints TO indelible_control;
GRANT SELECT ON indelible.signers, indelible.refusals TO indelible_control;

-- Hashes are all that the signer sees of an entry.
GRANT SELECT ON indelible.ledgers, indelible.subtrees TO indelible_signer;
GRANT SELECT (tenant_id, seq, leaf_hash) ON indelible.events TO indelible_signer;
GRANT SELECT, INSERT ON indelible.checkpoints, indelible.signers TO indelible_signer;
GRANT SELECT, INSERT, UPDATE, DELETE ON indelible.refusals TO indelible_signer;

GRANT EXECUTE ON FUNCTION indelible.erase_disclosures(bigint, bigint[], text[]) TO indelible_keeper;

CREATE POLICY of_tenant ON indelible.subtrees TO indelible_writer, indelible_reader, indelible_signer
    USING (tenant_id = nullif(current_setting('indelible.tenant_id', true), ''));
CREATE POLICY of_tenant ON indelible.checkpoints FOR SELECT TO indelible_reader
    USING (tenant_id = nullif(current_setting('indelible.tenant_id', true), ''));
CREATE POLICY every_checkpoint ON indelible.checkpoints FOR SELECT TO indelible_control, indelible_signer USING (true);
CREATE POLICY signs_of_tenant ON indelible.checkpoints FOR INSERT TO indelible_signer
    WITH CHECK (tenant_id = nullif(current_setting('indelible.tenant_id', true), ''));
CREATE POLICY every_ledger_to_sign ON indelible.ledgers FOR SELECT TO indelible_signer USING (true);
CREATE POLICY hashes_of_tenant ON indelible.events FOR SELECT TO indelible_signer
    USING (tenant_id = nullif(current_setting('indelible.tenant_id', true), ''));
CREATE POLICY every_signer ON indelible.signers FOR SELECT TO indelible_reader, indelible_control USING (true);
CREATE POLICY own_keys ON indelible.signers TO indelible_signer USING (true);
CREATE POLICY every_refusal ON indelible.refusals FOR SELECT TO indelible_control USING (true);
CREATE POLICY own_refusals ON indelible.refusals TO indelible_signer USING (true);
-- The owner, as whom erase_disclosures runs.
CREATE POLICY erases_of_tenant ON indelible.event_personal FOR UPDATE TO indelible_owner
    USING (tenant_id = nullif(current_setting('indelible.tenant_id', true), ''));
CREATE POLICY reads_to_erase ON indelible.event_personal FOR SELECT TO indelible_owner
    USING (tenant_id = nullif(current_setting('indelible.tenant_id', true), ''));
CREATE POLICY reads_to_erase ON indelible.ledgers FOR SELECT TO indelible_owner
    USING (tenant_id = nullif(current_setting('indelible.tenant_id', true), ''));
CREATE POLICY reads_to_erase ON indelible.events FOR SELECT TO indelible_owner
    USING (tenant_id = nullif(current_setting('indelible.tenant_id', true), ''));
