"""What each table of this version is made of, in PostgreSQL's own words, which are the same on 15 and 18.

A test holds this to what the migrations make. A partition is made like its parent, and one of events has `BY_ID` too.
"""

from collections.abc import Mapping

__all__ = ["BY_ID", "EXPECTED_TABLES", "UNLOGGED"]


_TABLES = {
    "checkpoints": r"""
        column note text NOT NULL
        column previous bigint NOT NULL
        column signed_at timestamp with time zone NOT NULL DEFAULT clock_timestamp()
        column size bigint NOT NULL
        column tenant_id text COLLATE "C" NOT NULL
        constraint CHECK (((size > previous) AND (size <= '9007199254740991'::bigint)))
        constraint CHECK ((previous >= 0))
        constraint PRIMARY KEY (tenant_id, size)
        constraint UNIQUE (tenant_id, previous)
    """,
    "directory": r"""
        column kind text COLLATE "C" NOT NULL
        column tenant_id text COLLATE "C" NOT NULL
        column value text COLLATE "C" NOT NULL
        constraint CHECK (((length(value) >= 1) AND (length(value) <= 128)))
        constraint CHECK ((kind = ANY (ARRAY['action'::text, 'name'::text])))
        constraint PRIMARY KEY (tenant_id, kind, value)
    """,
    "event_personal": r"""
        column actor text COLLATE "C"
        column changes text COLLATE "C"
        column context text COLLATE "C"
        column erased jsonb
        column fingerprint bytea
        column metadata text COLLATE "C"
        column occurred_at timestamp with time zone NOT NULL
        column recorded_at timestamp with time zone NOT NULL
        column search tsvector NOT NULL
        column seq bigint NOT NULL
        column targets text COLLATE "C"
        column tenant_id text COLLATE "C" NOT NULL
        constraint CHECK ((octet_length(fingerprint) = 16))
        constraint PRIMARY KEY (tenant_id, seq, recorded_at)
        index btree (tenant_id, seq) WHERE (erased IS NOT NULL)
        index gin (search) WITH (gin_pending_list_limit='1024')
    """,
    "events": r"""
        column action text COLLATE "C" NOT NULL
        column actor_id text COLLATE "C"
        column actor_type text COLLATE "C" NOT NULL
        column category text COLLATE "C"
        column entry bytea NOT NULL
        column id uuid NOT NULL
        column leaf_hash bytea NOT NULL
        column occurred_at timestamp with time zone NOT NULL
        column operation text COLLATE "C"
        column other_users text[] COLLATE "C"
        column outcome text COLLATE "C" NOT NULL
        column recorded_at timestamp with time zone NOT NULL
        column seq bigint NOT NULL
        column source text COLLATE "C" NOT NULL
        column target_id text COLLATE "C"
        column target_type text COLLATE "C"
        column tenant_id text COLLATE "C" NOT NULL
        constraint CHECK (((octet_length(entry) >= 2) AND (octet_length(entry) <= 32768)))
        constraint CHECK ((cardinality(other_users) > 0))
        constraint CHECK ((octet_length(leaf_hash) = 32))
        constraint CHECK ((seq >= 0))
        constraint PRIMARY KEY (tenant_id, seq, recorded_at)
        index btree (tenant_id, occurred_at, seq)
    """,
    "installation": r"""
        column epoch bigint NOT NULL DEFAULT 0
        column secret bytea NOT NULL DEFAULT sha256((uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())))
        column single boolean NOT NULL DEFAULT true
        constraint CHECK ((octet_length(secret) = 32))
        constraint CHECK (single)
        constraint PRIMARY KEY (single)
    """,
    "keys": r"""
        column created_at timestamp with time zone NOT NULL DEFAULT clock_timestamp()
        column created_by jsonb
        column expires_at timestamp with time zone
        column hash bytea NOT NULL
        column hint text
        column key_id uuid NOT NULL DEFAULT gen_random_uuid()
        column last_used_at timestamp with time zone
        column last_used_ip text
        column name text NOT NULL
        column replaces uuid
        column revoked_at timestamp with time zone
        column scopes text[] NOT NULL
        column tenant_id text COLLATE "C"
        constraint CHECK ((name <> ''::text))
        constraint CHECK ((octet_length(hash) = 32))
        constraint PRIMARY KEY (key_id)
        constraint UNIQUE (hash)
        index btree (tenant_id, created_at)
    """,
    "ledgers": r"""
        column created_at timestamp with time zone NOT NULL DEFAULT clock_timestamp()
        column frontier bytea NOT NULL DEFAULT '\x'::bytea
        column head bytea
        column origin text NOT NULL
        column recorded_at timestamp with time zone NOT NULL DEFAULT '-infinity'::timestamp with time zone
        column size bigint NOT NULL DEFAULT 0
        column tenant_id text COLLATE "C" NOT NULL
        constraint CHECK (((size = 0) = (head IS NULL)))
        constraint CHECK ((octet_length(frontier) = (32 * bit_count((size)::bit(64)))))
        constraint CHECK ((octet_length(head) = 32))
        constraint CHECK ((size <= '9007199254740991'::bigint))
        constraint CHECK ((size >= 0))
        constraint PRIMARY KEY (tenant_id)
        index UNIQUE btree (origin)
    """,
    "migrations": r"""
        column applied_at timestamp with time zone NOT NULL DEFAULT clock_timestamp()
        column name text NOT NULL
        column sha256 text NOT NULL
        column version integer NOT NULL
        constraint PRIMARY KEY (version)
    """,
    "refusals": r"""
        column origin text NOT NULL
        column reason text NOT NULL
        column since timestamp with time zone NOT NULL DEFAULT clock_timestamp()
        column tenant_id text COLLATE "C" NOT NULL
        constraint PRIMARY KEY (tenant_id, origin)
    """,
    "revoked_tokens": r"""
        column kind text NOT NULL
        column revoked_at timestamp with time zone NOT NULL DEFAULT clock_timestamp()
        column tenant_id text COLLATE "C" NOT NULL
        column value text COLLATE "C" NOT NULL
        constraint CHECK (((kind = 'tenant'::text) = (value = ''::text)))
        constraint CHECK ((kind = ANY (ARRAY['token'::text, 'actor'::text, 'tenant'::text])))
        constraint PRIMARY KEY (tenant_id, kind, value)
    """,
    "saved_views": r"""
        column changed_at timestamp with time zone NOT NULL DEFAULT clock_timestamp()
        column created_at timestamp with time zone NOT NULL DEFAULT clock_timestamp()
        column created_by jsonb NOT NULL
        column name text NOT NULL
        column owner text COLLATE "C"
        column query text NOT NULL
        column tenant_id text COLLATE "C" NOT NULL
        column view_id uuid NOT NULL DEFAULT gen_random_uuid()
        constraint CHECK (((length(name) >= 1) AND (length(name) <= 100)))
        constraint CHECK ((length(query) <= 8192))
        constraint PRIMARY KEY (tenant_id, view_id)
        index UNIQUE btree (tenant_id, COALESCE(owner, ''::text), name)
    """,
    "signers": r"""
        column first_used_at timestamp with time zone NOT NULL DEFAULT clock_timestamp()
        column public_key bytea NOT NULL
        constraint CHECK ((octet_length(public_key) = 32))
        constraint PRIMARY KEY (public_key)
    """,
    "subtrees": r"""
        column index bigint NOT NULL
        column level smallint NOT NULL
        column root bytea NOT NULL
        column tenant_id text COLLATE "C" NOT NULL
        constraint CHECK (((level >= 1) AND (level <= 7)))
        constraint CHECK ((index >= 0))
        constraint CHECK ((octet_length(root) = 32))
        constraint PRIMARY KEY (tenant_id, level, index)
    """,
    "tenant_settings": r"""
        column changed_at timestamp with time zone NOT NULL DEFAULT clock_timestamp()
        column member_access boolean NOT NULL DEFAULT false
        column member_sees text[] NOT NULL DEFAULT '{changes,request_id,session_id}'::text[]
        column tenant_id text COLLATE "C" NOT NULL
        constraint CHECK ((member_sees <@ '{changes,ip_address,metadata,request_id,session_id,user_agent}'::text[]))
        constraint PRIMARY KEY (tenant_id)
    """,
    "usage": r"""
        column period timestamp with time zone NOT NULL
        column subject text COLLATE "C" NOT NULL
        column used bigint NOT NULL
        constraint PRIMARY KEY (subject, period)
    """,
}


def _parts(text: str) -> tuple[tuple[str, str], ...]:
    lines = (line.strip().partition(" ") for line in text.strip().splitlines())
    return tuple((kind, definition) for kind, _, definition in lines)


EXPECTED_TABLES: Mapping[str, tuple[tuple[str, str], ...]] = {name: _parts(text) for name, text in _TABLES.items()}
"""By table its columns, constraints and indexes: each what it is, and its definition."""

BY_ID = (("index", "UNIQUE btree (tenant_id, id)"),)
"""What a partition of events has besides: of one month's events no two have the same id."""

UNLOGGED = frozenset({"usage"})
"""Tables that a crash may empty."""
