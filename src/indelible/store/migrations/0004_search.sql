-- Finding: one index of words for every question but that of the time, a directory of actions and names, saved views.
-- Runs as indelible_owner, in one transaction, on PostgreSQL 15 and later. It writes the words of all events anew,
-- which takes some minutes for a million of them.


-- The distinct actions of a tenant, and the words of the names in its events: what a search for the middle of a word
-- is looked up in, as no index of all events would be as small.
CREATE TABLE indelible.directory (
    tenant_id text COLLATE "C" NOT NULL,
    -- 'action', or 'name' for a word of an actor's or a target's name or e-mail address.
    kind      text COLLATE "C" NOT NULL CHECK (kind IN ('action', 'name')),
    value     text COLLATE "C" NOT NULL CHECK (length(value) BETWEEN 1 AND 128),
    PRIMARY KEY (tenant_id, kind, value)
);

-- Filters that people keep.
CREATE TABLE indelible.saved_views (
    tenant_id  text COLLATE "C" NOT NULL,
    view_id    uuid NOT NULL DEFAULT gen_random_uuid(),
    -- The person whose own it is; NULL: it is everybody's who reads this tenant's events.
    owner      text COLLATE "C",
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    -- The parameters of the timeline, as the query of a URL.
    query      text NOT NULL CHECK (length(query) <= 8192),
    -- Who made it, as in an event: {"type": "user", "id": "usr_7", "name": "Sarah Chen"}.
    created_by jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, view_id)
);
CREATE UNIQUE INDEX saved_views_by_name ON indelible.saved_views (tenant_id, coalesce(owner, ''), name);


-- The words of an event.
--
-- Each begins with three characters that follow from its tenant, so that the words of one tenant stand beside each
-- other in the index and no search reads through another's; then comes a letter for where it was found, so that nobody
-- finds by words what they may not see, and an erasure knows which ones go. store/words.py makes them, and lists the
-- letters.

CREATE FUNCTION indelible.word_prefix(tenant text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$ SELECT left(indelible.base64url(sha256(convert_to(tenant, 'UTF8'))), 3) $$;

ALTER TABLE indelible.event_personal DROP COLUMN search;
ALTER TABLE indelible.event_personal
    ADD COLUMN search      tsvector,
    -- As in events: so that of many words that were found the latest are known without looking them up there.
    ADD COLUMN occurred_at timestamptz;

-- As store/words.py has it, for events of before: letters and digits, without accents and the like, in lower case.
-- Which characters are marks, and which are neither, is listed, as PostgreSQL tells it otherwise on every system. For
-- lower case a collation is taken that knows all letters; where there is none, only those of ASCII have it.
DO $$
BEGIN
    EXECUTE format('CREATE COLLATION indelible.letters FROM pg_catalog.%I', coalesce((
        SELECT c.collname
        FROM unnest(ARRAY['und-x-icu', 'pg_unicode_fast', 'pg_c_utf8', 'C.utf8', 'C.UTF-8', 'en_US.utf8'])
            WITH ORDINALITY known (name, place)
        JOIN pg_collation c ON c.collname = known.name AND c.collnamespace = 'pg_catalog'::regnamespace
            AND c.collencoding IN (-1, pg_char_to_encoding('UTF8'))
        ORDER BY place LIMIT 1), 'C'));
END $$;

CREATE FUNCTION indelible.tokens(prefix text, body text) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE STRICT
    AS $$
BEGIN
    IF octet_length(body) = length(body) THEN
        body := regexp_replace(lower(body COLLATE "C"), '[^a-z0-9]+', ' ' || prefix, 'g');
    ELSE
        body := regexp_replace(normalize(body, NFKD), '['
            '\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1-\u05c2\u05c4-\u05c5\u05c7\u0610-\u061a\u064b-\u065f'
            '\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7-\u06e8\u06ea-\u06ed\u0711\u0730-\u074a\u07a6-\u07b0\u07eb-\u07f3'
            '\u07fd\u0816-\u0819\u081b-\u0823\u0825-\u0827\u0829-\u082d\u0859-\u085b\u0898-\u089f\u08ca-\u08e1'
            '\u08e3-\u0903\u093a-\u093c\u093e-\u094f\u0951-\u0957\u0962-\u0963\u0981-\u0983\u09bc\u09be-\u09cd\u09d7'
            '\u09e2-\u09e3\u09fe-\u0a03\u0a3c-\u0a51\u0a70-\u0a71\u0a75\u0a81-\u0a83\u0abc\u0abe-\u0acd\u0ae2-\u0ae3'
            '\u0afa-\u0b03\u0b3c\u0b3e-\u0b57\u0b62-\u0b63\u0b82\u0bbe-\u0bcd\u0bd7\u0c00-\u0c04\u0c3c\u0c3e-\u0c56'
            '\u0c62-\u0c63\u0c81-\u0c83\u0cbc\u0cbe-\u0cd6\u0ce2-\u0ce3\u0d00-\u0d03\u0d3b-\u0d3c\u0d3e-\u0d4d\u0d57'
            '\u0d62-\u0d63\u0d81-\u0d83\u0dca-\u0ddf\u0df2-\u0df3\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc'
            '\u0ec8-\u0ecd\u0f18-\u0f19\u0f35\u0f37\u0f39\u0f3e-\u0f3f\u0f71-\u0f84\u0f86-\u0f87\u0f8d-\u0fbc\u0fc6'
            '\u102b-\u103e\u1056-\u1059\u105e-\u1060\u1062-\u1064\u1067-\u106d\u1071-\u1074\u1082-\u108d\u108f'
            '\u109a-\u109d\u135d-\u135f\u1712-\u1715\u1732-\u1734\u1752-\u1753\u1772-\u1773\u17b4-\u17d3\u17dd'
            '\u180b-\u180d\u180f\u1885-\u1886\u18a9\u1920-\u193b\u1a17-\u1a1b\u1a55-\u1a7f\u1ab0-\u1b04\u1b34-\u1b44'
            '\u1b6b-\u1b73\u1b80-\u1b82\u1ba1-\u1bad\u1be6-\u1bf3\u1c24-\u1c37\u1cd0-\u1cd2\u1cd4-\u1ce8\u1ced\u1cf4'
            '\u1cf7-\u1cf9\u1dc0-\u1dff\u20d0-\u20f0\u2cef-\u2cf1\u2d7f\u2de0-\u2dff\u302a-\u302f\u3099-\u309a'
            '\ua66f-\ua672\ua674-\ua67d\ua69e-\ua69f\ua6f0-\ua6f1\ua802\ua806\ua80b\ua823-\ua827\ua82c\ua880-\ua881'
            '\ua8b4-\ua8c5\ua8e0-\ua8f1\ua8ff\ua926-\ua92d\ua947-\ua953\ua980-\ua983\ua9b3-\ua9c0\ua9e5\uaa29-\uaa36'
            '\uaa43\uaa4c-\uaa4d\uaa7b-\uaa7d\uaab0\uaab2-\uaab4\uaab7-\uaab8\uaabe-\uaabf\uaac1\uaaeb-\uaaef'
            '\uaaf5-\uaaf6\uabe3-\uabea\uabec-\uabed\ufb1e\ufe00-\ufe2f'
            ']+', '', 'g');
        body := replace(replace(lower(body COLLATE indelible.letters), 'ς', 'σ'), 'ß', 'ss');
        body := regexp_replace(body COLLATE "C", '['
            '\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007f'
            '\u0080-\u00bf\u00d7\u00f7\u02c2-\u02c5\u02d2-\u02eb\u02ed\u02ef-\u02ff\u0375\u03f6\u0482\u055a-\u055f'
            '\u0589-\u058f\u05be\u05c0\u05c3\u05c6\u05f3-\u060f\u061b-\u061f\u066a-\u066d\u06d4\u06dd-\u06de\u06e9'
            '\u06fd-\u06fe\u0700-\u070f\u07f6-\u07f9\u07fe-\u07ff\u0830-\u083e\u085e\u0888\u0890-\u0891\u08e2'
            '\u0964-\u0965\u0970\u09f2-\u09f3\u09fa-\u09fb\u09fd\u0a76\u0af0-\u0af1\u0b70\u0bf3-\u0bfa\u0c77\u0c7f'
            '\u0c84'
            '\u0d4f\u0d79\u0df4\u0e3f\u0e4f\u0e5a-\u0e5b\u0f01-\u0f17\u0f1a-\u0f1f\u0f34\u0f36\u0f38\u0f3a-\u0f3d\u0f85'
            '\u0fbe-\u0fc5\u0fc7-\u0fda\u104a-\u104f\u109e-\u109f\u10fb\u1360-\u1368\u1390-\u1399\u1400\u166d-\u166e'
            '\u1680\u169b-\u169c\u16eb-\u16ed\u1735-\u1736\u17d4-\u17d6\u17d8-\u17db\u1800-\u180a\u180e\u1940-\u1945'
            '\u19de-\u19ff\u1a1e-\u1a1f\u1aa0-\u1aa6\u1aa8-\u1aad\u1b5a-\u1b6a\u1b74-\u1b7e\u1bfc-\u1bff\u1c3b-\u1c3f'
            '\u1c7e-\u1c7f\u1cc0-\u1cc7\u1cd3\u200b-\u20c0\u2104-\u212e\u213a-\u214d\u214f\u218a-\u244a\u2500-\u2775'
            '\u2794-\u2bff\u2ce5-\u2cea\u2cf9-\u2cfc\u2cfe-\u2cff\u2d70\u2e00-\u2e2e\u2e30-\u3004\u3008-\u3020\u3030'
            '\u3037\u303d-\u303f\u30a0\u30fb\u3190-\u3191\u31c0-\u31e3\u327f\u4dc0-\u4dff\ua490-\ua4c6\ua4fe-\ua4ff'
            '\ua60d-\ua60f\ua673\ua67e\ua6f2-\ua716\ua720-\ua721\ua789-\ua78a\ua828-\ua82b\ua836-\ua839\ua874-\ua877'
            '\ua8ce-\ua8cf\ua8f8-\ua8fa\ua8fc\ua92e-\ua92f\ua95f\ua9c1-\ua9cd\ua9de-\ua9df\uaa5c-\uaa5f\uaa77-\uaa79'
            '\uaade-\uaadf\uaaf0-\uaaf1\uab5b\uab6a-\uab6b\uabeb\ufbb2-\ufdff\ufe45-\ufe46\ufeff-\ufffd\ue000-\uf8ff'
            '\U0001f000-\U0001fbff\U000e0000-\U000e007f'
            ']+', ' ' || prefix, 'g');
    END IF;
    RETURN string_to_array(prefix || body, ' ');
END $$;

CREATE FUNCTION indelible.words_of(event indelible.events, personal indelible.event_personal) RETURNS tsvector
    LANGUAGE plpgsql
    AS $$
DECLARE
    prefix text := indelible.word_prefix(event.tenant_id);
    found  text[] := ARRAY[prefix || '=' || event.action];
    split  text[] := '{}';
    value  jsonb;
BEGIN
    -- Whatever somebody altered must not stop this; verification tells of it.
    IF event.outcome <> 'success' THEN found := found || (prefix || 'o' || event.outcome); END IF;
    IF event.actor_id IS NOT NULL THEN found := found || (prefix || 'u' || left(event.actor_id, 256)); END IF;
    BEGIN
        found := found || ARRAY(
            SELECT prefix || letter || left(target ->> key, 256)
            FROM jsonb_array_elements(convert_from(event.entry, 'UTF8')::jsonb -> 'targets') target,
                (VALUES ('i', 'id'), ('y', 'type')) _ (letter, key));
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
    IF personal.actor IS NOT NULL THEN
        BEGIN
            value := personal.actor::jsonb -> 2;
            split := split || indelible.tokens(prefix || 'a', concat_ws(' ', value ->> 'name', value ->> 'email',
                value #>> '{impersonator,name}', value #>> '{impersonator,email}', value #>> '{impersonator,reason}',
                CASE WHEN jsonb_typeof(value -> 'impersonator') = 'object' THEN 'impersonated support agent' END));
            found := found || (prefix || 'b' || left(value #>> '{impersonator,id}', 256));
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END IF;
    IF personal.targets IS NOT NULL THEN
        BEGIN
            split := split || indelible.tokens(prefix || 't', (
                SELECT string_agg(name, ' ') FROM jsonb_array_elements_text(personal.targets::jsonb -> 2) name));
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END IF;
    split := split || indelible.tokens(
        prefix || 'c', regexp_replace(substr(personal.changes, 38), '\\(u[0-9a-f]{4}|.)', ' ', 'g'));
    IF event.action <> 'audit_log.searched' THEN
        split := split || indelible.tokens(
            prefix || 'm', regexp_replace(substr(personal.metadata, 39), '\\(u[0-9a-f]{4}|.)', ' ', 'g'));
    END IF;
    IF personal.context IS NOT NULL THEN
        BEGIN
            value := personal.context::jsonb -> 2;
            found := found || ARRAY[
                prefix || 'x' || left(value ->> 'ip_address', 256), prefix || 's' || left(value ->> 'session_id', 256),
                prefix || 'r' || left(value ->> 'request_id', 256)];
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END IF;
    -- Of words that are longer, pieces of 64 characters.
    IF EXISTS (SELECT FROM unnest(split) word WHERE length(word) > 68) THEN
        split := ARRAY(SELECT left(word, 4) || substr(word, 5 + 64 * number, 64)
                       FROM unnest(split) word, generate_series(0, (length(word) - 5) / 64) number);
    END IF;
    RETURN array_to_tsvector(ARRAY(
        SELECT word FROM unnest(found || split) word WHERE octet_length(word) BETWEEN 5 AND 2046));
END $$;

ALTER TABLE indelible.events NO FORCE ROW LEVEL SECURITY;
ALTER TABLE indelible.event_personal NO FORCE ROW LEVEL SECURITY, DISABLE TRIGGER only_erased;
UPDATE indelible.event_personal p SET search = indelible.words_of(e, p), occurred_at = e.occurred_at
    FROM indelible.events e
    WHERE e.tenant_id = p.tenant_id AND e.seq = p.seq AND e.recorded_at = p.recorded_at;
-- Of what has no entry any more, verification tells.
UPDATE indelible.event_personal SET search = '', occurred_at = recorded_at WHERE occurred_at IS NULL;
INSERT INTO indelible.directory (tenant_id, kind, value)
    SELECT DISTINCT e.tenant_id, 'action', e.action FROM indelible.events e
    WHERE length(e.action) BETWEEN 1 AND 128;
INSERT INTO indelible.directory (tenant_id, kind, value)
    SELECT DISTINCT p.tenant_id, 'name', substr(word.lexeme, 5)
    FROM indelible.event_personal p CROSS JOIN LATERAL unnest(p.search) word
    WHERE substr(word.lexeme, 4, 1) IN ('a', 't') AND length(word.lexeme) BETWEEN 7 AND 44
      AND substr(word.lexeme, 5) ~ '[^0-9]' AND (length(word.lexeme) < 20 OR substr(word.lexeme, 5) !~ '[0-9]');
ALTER TABLE indelible.events FORCE ROW LEVEL SECURITY;
ALTER TABLE indelible.event_personal FORCE ROW LEVEL SECURITY, ENABLE TRIGGER only_erased;
DROP FUNCTION indelible.words_of(indelible.events, indelible.event_personal);
DROP FUNCTION indelible.tokens(text, text);
DROP COLLATION indelible.letters;

ALTER TABLE indelible.event_personal ALTER COLUMN search SET NOT NULL, ALTER COLUMN occurred_at SET NOT NULL;

-- What waits to be sorted into the index is read through by each search: not more than a megabyte of it.
CREATE INDEX personal_by_word ON indelible.event_personal USING gin (search) WITH (gin_pending_list_limit = 1024);

-- Actors, targets and actions are words as well: no index of their own is needed any more.
DROP INDEX indelible.events_by_actor;
DROP INDEX indelible.events_by_target;
DROP INDEX indelible.events_by_action;
DROP INDEX indelible.events_by_other_users;


-- Appending.

-- A service of the version before knows nothing of words. It finds no function of the old name, so that what is sent to
-- it until it is restarted is answered 503 and sent again, rather than stored so that nobody finds it.
ALTER FUNCTION indelible.lock_heads(text[], text[], uuid[], integer[], timestamptz[], boolean) RENAME TO hold_heads;

DROP FUNCTION indelible.move_heads(text[], bigint[], bigint[], bytea[], bytea[], timestamptz[],
                                   integer[], smallint[], bigint[], bytea[]);

-- Moves each ledger of `tenants` on, and stores what belongs to it: of the subtrees that became complete the first
-- `completed[1]` are those of tenants[1], and so on; in the same way the first `listed[1]` of `kinds` and `texts` are
-- what its directory has to list.
CREATE FUNCTION indelible.move_heads(
    tenants text[], old_sizes bigint[], new_sizes bigint[], heads bytea[], frontiers bytea[], nows timestamptz[],
    completed integer[], levels smallint[], indexes bigint[], roots bytea[],
    listed integer[], kinds text[], texts text[])
    RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    past integer := 0;  -- how many subtrees belong to the tenants before
    told integer := 0;  -- how many texts do
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
        INSERT INTO indelible.directory (tenant_id, kind, value)
            SELECT tenants[i], kind, value
            FROM unnest(kinds[told + 1 : told + listed[i]], texts[told + 1 : told + listed[i]]) _ (kind, value)
            ON CONFLICT DO NOTHING;
        told := told + listed[i];
    END LOOP;
END $$;


-- Erasing. The words go with what they are of, and from the directory once no event of the tenant has them.

-- The words of these groups of disclosures.
CREATE FUNCTION indelible.words_of_groups(words tsvector, groups text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT coalesce(array_agg(w.lexeme), '{}') FROM unnest(words) w
    JOIN (VALUES ('a', 'actor'), ('b', 'actor'), ('t', 'targets'), ('c', 'changes'), ('m', 'metadata'),
                 ('x', 'context'), ('s', 'context'), ('r', 'context')) _ (letter, name)
        ON letter = substr(w.lexeme, 4, 1)
    WHERE name = ANY (groups)
$$;

CREATE OR REPLACE FUNCTION indelible.only_erased() RETURNS trigger
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
       OR (NEW.tenant_id, NEW.seq, NEW.recorded_at, NEW.occurred_at, NEW.search)
          IS DISTINCT FROM (OLD.tenant_id, OLD.seq, OLD.recorded_at, OLD.occurred_at, OLD.search)
       OR NOT coalesce(NEW.erased ?& gone, false)
       OR NEW.erased - gone IS DISTINCT FROM coalesce(OLD.erased, '{}')
    THEN
        RAISE EXCEPTION 'UPDATE on indelible.event_personal is refused: disclosures may be erased, and nothing else'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- Whoever erases: what is gone is found no more.
    NEW.search := ts_delete(OLD.search, indelible.words_of_groups(OLD.search, gone));
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION indelible.erase_disclosures(erasure bigint, seqs bigint[], groups text[])
    RETURNS TABLE (erased_seq bigint, erased_group text, digest text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    tenant text := nullif(current_setting('indelible.tenant_id', true), '');
    prefix text := indelible.word_prefix(tenant);
    last   record;
    named  jsonb;  -- the digests that the record names
    each   record;
    note   jsonb;
    names  text[] := ARRAY[]::text[];  -- the words of names that go
    word   text;
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
        SELECT p.seq, p.recorded_at, p.search, jsonb_object_agg(g.name, g.disclosure) AS disclosures
        FROM indelible.event_personal p
        JOIN indelible.events e ON e.tenant_id = tenant AND e.seq = p.seq AND e.recorded_at = p.recorded_at
        CROSS JOIN LATERAL (VALUES ('actor', p.actor), ('changes', p.changes), ('context', p.context),
                                   ('metadata', p.metadata), ('targets', p.targets)) g (name, disclosure)
        WHERE p.tenant_id = tenant AND p.seq = ANY (seqs) AND p.seq < erasure AND e.action NOT LIKE 'ledger.%'
          AND g.name = ANY (groups) AND g.disclosure IS NOT NULL
        GROUP BY p.tenant_id, p.seq, p.recorded_at
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
        names := names || ARRAY(
            SELECT substr(w, 5) FROM unnest(indelible.words_of_groups(each.search, groups)) w
            WHERE substr(w, 4, 1) IN ('a', 't'));
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
    FOR word IN SELECT d.value FROM indelible.directory d
                WHERE d.tenant_id = tenant AND d.kind = 'name' AND d.value = ANY (names)
    LOOP
        -- A word has letters and digits only: nothing in it needs quoting.
        IF NOT EXISTS (
            SELECT FROM indelible.search(
                format('%L | %L', prefix || 'a' || word, prefix || 't' || word)::tsquery, '-infinity', 'infinity', 1))
        THEN
            DELETE FROM indelible.directory d WHERE d.tenant_id = tenant AND d.kind = 'name' AND d.value = word;
        END IF;
    END LOOP;
END $$;


-- Searching.

-- The events of the tenant that is set which have these `words`, in no order, of those recorded from `recorded_since`
-- on and before `recorded_until`; not more than `most`. The index is not asked for what they have to have `also`: where
-- `words` are rare, that saves reading through all that have others. Under row security PostgreSQL never uses an index
-- for @@, which is not leakproof. So this runs as a role that sees the words of all tenants and nothing else of them,
-- takes the tenant from the transaction and never as an argument, and gives back only where to look.
--
-- Planned once for all tenants and months: to plan for two dozen months takes longer than to look. The index of words
-- is the way, whatever statistics say, which are those of all tenants together: no other one fits these conditions.
DROP FUNCTION indelible.search(tsquery);
CREATE FUNCTION indelible.search(
    words tsquery, recorded_since timestamptz, recorded_until timestamptz, most integer, also tsquery DEFAULT NULL)
    RETURNS TABLE (occurred_at timestamptz, seq bigint, recorded_at timestamptz)
    LANGUAGE plpgsql STABLE ROWS 1000 SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off SET enable_indexscan = off SET enable_indexonlyscan = off
    AS $$
DECLARE
    tenant text := nullif(current_setting('indelible.tenant_id', true), '');
BEGIN
    RETURN QUERY
        SELECT p.occurred_at, p.seq, p.recorded_at FROM indelible.event_personal p
        WHERE p.tenant_id || '' = tenant AND p.search @@ words AND (also IS NULL OR p.search @@ also)
          AND p.recorded_at >= recorded_since AND p.recorded_at < recorded_until LIMIT most;
END $$;

-- Whether a word of the query is one that the member who is set may not look for: of a part that the tenant keeps from
-- members, or of no part at all.
CREATE FUNCTION indelible.hidden_words(words tsquery, sees text[], prefix text) RETURNS boolean
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT coalesce(bool_or(
        left(word[1], 3) <> prefix
        OR substr(word[1], 4, 1) NOT IN ('=', 'o', 'u', 'i', 'y', 'a', 'b', 't')
           AND NOT coalesce(CASE substr(word[1], 4, 1)
               WHEN 'c' THEN 'changes' WHEN 'm' THEN 'metadata' WHEN 'x' THEN 'ip_address'
               WHEN 's' THEN 'session_id' WHEN 'r' THEN 'request_id' END = ANY (sees), false)
        OR length(word[1]) < 5), false)
    FROM regexp_matches(words::text, '''((?:[^''\\]|''''|\\.)*)''', 'g') word
$$;

-- As `search`, for members: among their own entries, and for what the tenant lets them see; all of their own where
-- `words` is NULL.
--
-- It begins with their own entries and reads the words of no other: how long it takes must not tell them whether
-- others' entries have a word.
DROP FUNCTION indelible.search_own(tsquery);
CREATE FUNCTION indelible.search_own(
    words tsquery, recorded_since timestamptz, recorded_until timestamptz, most integer)
    RETURNS TABLE (occurred_at timestamptz, seq bigint, recorded_at timestamptz)
    LANGUAGE plpgsql STABLE ROWS 100 SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off SET enable_indexscan = off SET enable_indexonlyscan = off
    AS $$
DECLARE
    tenant text := nullif(current_setting('indelible.tenant_id', true), '');
    member text := nullif(current_setting('indelible.member_id', true), '');
    prefix text := indelible.word_prefix(tenant);
    sees   text[];
    own    tsquery;
    quoted text := replace(replace(left(member, 256), '\', '\\'), '''', '''''');
BEGIN
    SELECT s.member_sees INTO sees FROM indelible.tenant_settings s WHERE s.tenant_id = tenant AND s.member_access;
    IF NOT FOUND OR member IS NULL OR indelible.hidden_words(words, sees, prefix) THEN
        RETURN;
    END IF;
    own := format('''%1$su%2$s'' | ''%1$si%2$s''', prefix, quoted)::tsquery;
    RETURN QUERY
        WITH mine AS MATERIALIZED (
            SELECT p.occurred_at, p.seq, p.recorded_at, p.search FROM indelible.event_personal p
            WHERE p.tenant_id || '' = tenant AND p.search @@ own
              AND p.recorded_at >= recorded_since AND p.recorded_at < recorded_until
        )
        SELECT mine.occurred_at, mine.seq, mine.recorded_at FROM mine
        CROSS JOIN LATERAL (
            SELECT FROM indelible.events e
            WHERE e.tenant_id = tenant AND e.seq = mine.seq AND e.recorded_at = mine.recorded_at
              AND ((e.actor_type = 'user' AND e.actor_id = member) OR (e.target_type = 'user' AND e.target_id = member)
                   OR e.other_users @> ARRAY[member])
            LIMIT 1
        ) e
        WHERE words IS NULL OR mine.search @@ words LIMIT most;
END $$;

-- The events of the tenant that is set in the order of the timeline, newest first or with `newer` oldest first: the
-- first `most` places from (lo_time, lo_seq) on and before (hi_time, hi_seq), of those recorded from `recorded_since`
-- on, with the columns that they can be picked by, and whether they have `words` where these are not NULL.
CREATE FUNCTION indelible.timeline(
    lo_time timestamptz, lo_seq bigint, hi_time timestamptz, hi_seq bigint, recorded_since timestamptz, most integer,
    newer boolean, words tsquery)
    RETURNS TABLE (
        occurred_at timestamptz, seq bigint, recorded_at timestamptz, action text, category text, operation text,
        outcome text, source text, actor_type text, actor_id text, target_type text, target_id text, has_words boolean)
    LANGUAGE plpgsql STABLE ROWS 1000 SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
    AS $$
DECLARE
    tenant  text := nullif(current_setting('indelible.tenant_id', true), '');
    -- What lies outside of the years that the service knows, where somebody wrote that, is at their first or last day:
    -- there events are in the order of their numbers.
    first   timestamptz := '0001-01-02Z';
    last    timestamptz := '9999-12-30Z';
    lo_from timestamptz;
    lo_far  bigint := 0;
    hi_from timestamptz;
    hi_far  bigint := 9223372036854775807;
BEGIN
    IF lo_time <= first OR lo_time >= last THEN
        lo_from := CASE WHEN lo_time <= first THEN first ELSE 'infinity' END;
        lo_far := lo_seq;
        lo_time := CASE WHEN lo_time >= last THEN last END;
        lo_seq := NULL;
    END IF;
    IF hi_time <= first OR hi_time >= last THEN
        hi_from := CASE WHEN hi_time >= last THEN last ELSE '-infinity' END;
        hi_far := hi_seq;
        hi_time := CASE WHEN hi_time <= first THEN first END;
        hi_seq := NULL;
    END IF;
    lo_time := coalesce(lo_time, '-infinity');
    lo_seq := coalesce(lo_seq, 0);
    hi_time := coalesce(hi_time, 'infinity');
    hi_seq := coalesce(hi_seq, 9223372036854775807);
    IF newer THEN
        RETURN QUERY
            SELECT e.occurred_at, e.seq, e.recorded_at, e.action, e.category, e.operation, e.outcome, e.source,
                   e.actor_type, e.actor_id, e.target_type, e.target_id,
                   words IS NULL OR coalesce((
                       SELECT p.search @@ words FROM indelible.event_personal p
                       WHERE p.tenant_id = tenant AND p.seq = e.seq AND p.recorded_at = e.recorded_at LIMIT 1), false)
            FROM indelible.events e
            WHERE e.tenant_id = tenant AND (e.occurred_at, e.seq) >= (lo_time, lo_seq)
              AND (e.occurred_at, e.seq) < (hi_time, hi_seq) AND e.recorded_at >= recorded_since
              AND (e.seq >= lo_far OR e.occurred_at > lo_from) AND (e.seq < hi_far OR e.occurred_at < hi_from)
            ORDER BY e.occurred_at, e.seq LIMIT most;
    ELSE
        RETURN QUERY
            SELECT e.occurred_at, e.seq, e.recorded_at, e.action, e.category, e.operation, e.outcome, e.source,
                   e.actor_type, e.actor_id, e.target_type, e.target_id,
                   words IS NULL OR coalesce((
                       SELECT p.search @@ words FROM indelible.event_personal p
                       WHERE p.tenant_id = tenant AND p.seq = e.seq AND p.recorded_at = e.recorded_at LIMIT 1), false)
            FROM indelible.events e
            WHERE e.tenant_id = tenant AND (e.occurred_at, e.seq) >= (lo_time, lo_seq)
              AND (e.occurred_at, e.seq) < (hi_time, hi_seq) AND e.recorded_at >= recorded_since
              AND (e.seq >= lo_far OR e.occurred_at > lo_from) AND (e.seq < hi_far OR e.occurred_at < hi_from)
            ORDER BY e.occurred_at DESC, e.seq DESC LIMIT most;
    END IF;
END $$;

-- The events of the tenant that is set with these numbers, each recorded at the time beside it, and what is left of
-- their disclosures.
CREATE FUNCTION indelible.events_at(seqs bigint[], times timestamptz[])
    RETURNS TABLE (
        occurred_at timestamptz, seq bigint, recorded_at timestamptz, id uuid, action text, category text,
        operation text, outcome text, source text, actor_type text, actor_id text, target_type text, target_id text,
        entry bytea, leaf_hash bytea, actor text, changes text, context text, metadata text, targets text, erased jsonb)
    LANGUAGE plpgsql STABLE ROWS 50 SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
    -- A plan may be of a time when a month was empty, and any index as good as the other. In the order of `seq`, and
    -- unsorted, there is the primary key alone.
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
    AS $$
DECLARE
    tenant text := nullif(current_setting('indelible.tenant_id', true), '');
BEGIN
    RETURN QUERY
        SELECT e.occurred_at, e.seq, e.recorded_at, e.id, e.action, e.category, e.operation, e.outcome, e.source,
               e.actor_type, e.actor_id, e.target_type, e.target_id, e.entry, e.leaf_hash,
               p.actor, p.changes, p.context, p.metadata, p.targets, p.erased
        FROM unnest(seqs, times) place (seq, recorded_at)
        CROSS JOIN LATERAL (
            SELECT * FROM indelible.events e
            WHERE e.tenant_id = tenant AND e.seq >= place.seq AND e.seq <= place.seq
              AND e.recorded_at = place.recorded_at ORDER BY e.seq LIMIT 1
        ) e
        LEFT JOIN LATERAL (
            SELECT p.actor, p.changes, p.context, p.metadata, p.targets, p.erased FROM indelible.event_personal p
            WHERE p.tenant_id = tenant AND p.seq >= place.seq AND p.seq <= place.seq
              AND p.recorded_at = place.recorded_at ORDER BY p.seq LIMIT 1
        ) p ON true;
END $$;


-- Who may what.

ALTER TABLE indelible.directory ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE indelible.saved_views ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

REVOKE ALL ON FUNCTION
    indelible.word_prefix(text), indelible.words_of_groups(tsvector, text[]),
    indelible.hidden_words(tsquery, text[], text),
    indelible.move_heads(text[], bigint[], bigint[], bytea[], bytea[], timestamptz[],
                         integer[], smallint[], bigint[], bytea[], integer[], text[], text[]),
    indelible.search(tsquery, timestamptz, timestamptz, integer, tsquery),
    indelible.search_own(tsquery, timestamptz, timestamptz, integer),
    indelible.timeline(timestamptz, bigint, timestamptz, bigint, timestamptz, integer, boolean, tsquery),
    indelible.events_at(bigint[], timestamptz[])
    FROM PUBLIC;

GRANT INSERT ON indelible.directory TO indelible_writer;
GRANT SELECT ON indelible.directory TO indelible_reader;
GRANT SELECT (search, occurred_at) ON indelible.event_personal TO indelible_reader;
GRANT SELECT (search, occurred_at) ON indelible.event_personal TO indelible_searcher;
GRANT SELECT, INSERT, UPDATE (name, query, changed_at), DELETE ON indelible.saved_views TO indelible_control;

GRANT EXECUTE ON FUNCTION
    indelible.move_heads(text[], bigint[], bigint[], bytea[], bytea[], timestamptz[],
                         integer[], smallint[], bigint[], bytea[], integer[], text[], text[])
    TO indelible_writer;
GRANT EXECUTE ON FUNCTION indelible.search(tsquery, timestamptz, timestamptz, integer, tsquery) TO indelible_reader;
GRANT EXECUTE ON FUNCTION
    indelible.timeline(timestamptz, bigint, timestamptz, bigint, timestamptz, integer, boolean, tsquery),
    indelible.events_at(bigint[], timestamptz[])
    TO indelible_reader;
GRANT EXECUTE ON FUNCTION indelible.search_own(tsquery, timestamptz, timestamptz, integer) TO indelible_member;
GRANT EXECUTE ON FUNCTION
    indelible.base64url(bytea), indelible.word_prefix(text), indelible.hidden_words(tsquery, text[], text)
    TO indelible_searcher;

CREATE POLICY lists ON indelible.directory FOR INSERT TO indelible_writer
    WITH CHECK (tenant_id = nullif(current_setting('indelible.tenant_id', true), ''));
CREATE POLICY of_tenant ON indelible.directory FOR SELECT TO indelible_reader
    USING (tenant_id = nullif(current_setting('indelible.tenant_id', true), ''));
-- The owner, as whom erase_disclosures runs.
CREATE POLICY erases ON indelible.directory TO indelible_owner
    USING (tenant_id = nullif(current_setting('indelible.tenant_id', true), ''));
CREATE POLICY of_tenant ON indelible.saved_views TO indelible_control
    USING (tenant_id = nullif(current_setting('indelible.tenant_id', true), ''));

GRANT USAGE, CREATE ON SCHEMA indelible TO indelible_searcher;
ALTER FUNCTION indelible.search(tsquery, timestamptz, timestamptz, integer, tsquery) OWNER TO indelible_searcher;
ALTER FUNCTION indelible.search_own(tsquery, timestamptz, timestamptz, integer) OWNER TO indelible_searcher;
REVOKE CREATE ON SCHEMA indelible FROM indelible_searcher;

-- The owner, as whom erase_disclosures runs, who lost what was its own with the function.
SET LOCAL ROLE indelible_searcher;
GRANT EXECUTE ON FUNCTION indelible.search(tsquery, timestamptz, timestamptz, integer, tsquery) TO indelible_owner;
SET LOCAL ROLE indelible_owner;
