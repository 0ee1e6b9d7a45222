"""What a database of this version consists of, and who may do what in it. The doctor compares; a test holds this to
what the migrations make.

Names stand without `indelible_` (roles) and `indelible.` (tables, functions).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from indelible.store.migrate import migrations
from indelible.store.session import LoginRole, Role

__all__ = [
    "FUNCTIONS",
    "INTERNAL_ROLES",
    "OF_A_MONTH",
    "ON_A_MONTH",
    "PINNED",
    "POLICIES",
    "PREFIX",
    "RUNTIME",
    "TABLES",
    "TAKES",
    "TRIGGERS",
    "TRIGGERS_OF_A_MONTH",
    "Function",
    "Policy",
    "bodies",
]

PREFIX = "indelible_"
RUNTIME: tuple[Role, ...] = ("writer", "reader", "member", "control", "signer", "keeper")
INTERNAL_ROLES = ("owner", "searcher")
"""Roles that no login of the service may take."""

TAKES: Mapping[LoginRole, tuple[Role, ...]] = {
    "writer": ("writer",),
    "reader": ("reader", "member"),
    "control": ("control",),
    "signer": ("signer",),
    "keeper": ("keeper", "reader", "writer"),
}
"""The roles that the login for a role has to be able to take."""

PINNED = "search_path=pg_catalog, pg_temp"
"""pg_temp is named, and last: left out it would be searched first."""

TABLES: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "migrations": {"writer": {"SELECT": "*"}, "reader": {"SELECT": "*"}, "control": {"SELECT": "*"}},
    "ledgers": {
        "writer": {"SELECT": "*", "INSERT": "tenant_id origin", "UPDATE": "size head frontier recorded_at"},
        "reader": {"SELECT": "*"},
        "control": {"SELECT": "*"},
        "signer": {"SELECT": "*"},
    },
    "events": {
        "writer": {"SELECT": "tenant_id seq recorded_at id leaf_hash"},
        "reader": {"SELECT": "*"},
        "member": {"SELECT": "*"},
        "signer": {"SELECT": "tenant_id seq leaf_hash"},
        "searcher": {"SELECT": "tenant_id seq recorded_at actor_type actor_id target_type target_id other_users"},
    },
    "event_personal": {
        "writer": {"SELECT": "tenant_id seq recorded_at fingerprint"},
        "reader": {
            "SELECT": "tenant_id seq recorded_at occurred_at search actor changes context metadata targets erased"
        },
        "searcher": {"SELECT": "tenant_id seq recorded_at occurred_at search"},
    },
    "directory": {"writer": {"INSERT": "*"}, "reader": {"SELECT": "*"}},
    "subtrees": {"writer": {"INSERT": "*"}, "reader": {"SELECT": "*"}, "signer": {"SELECT": "*"}},
    "checkpoints": {
        "reader": {"SELECT": "*"},
        "control": {"SELECT": "tenant_id size signed_at"},
        "signer": {"SELECT": "*", "INSERT": "*"},
    },
    "signers": {"reader": {"SELECT": "*"}, "control": {"SELECT": "*"}, "signer": {"SELECT": "*", "INSERT": "*"}},
    "refusals": {
        "control": {"SELECT": "*"},
        "signer": {"SELECT": "*", "INSERT": "*", "UPDATE": "*", "DELETE": "*"},
    },
    "keys": {"control": {"SELECT": "*", "INSERT": "*", "UPDATE": "expires_at revoked_at last_used_at last_used_ip"}},
    "installation": {"control": {"SELECT": "*"}},
    "tenant_settings": {
        "control": {"SELECT": "*", "INSERT": "*", "UPDATE": "member_access member_sees changed_at"},
        "searcher": {"SELECT": "*"},
    },
    "revoked_tokens": {"control": {"SELECT": "*", "INSERT": "*", "UPDATE": "revoked_at", "DELETE": "*"}},
    "usage": {"control": {"SELECT": "*", "INSERT": "*", "UPDATE": "used", "DELETE": "*"}},
    "saved_views": {"control": {"SELECT": "*", "INSERT": "*", "UPDATE": "name query changed_at", "DELETE": "*"}},
}
"""By table and role the privileges, each on the whole table ("*") or on columns."""

OF_A_MONTH = re.compile(r"(events|event_personal)_[0-9]{4}_(0[1-9]|1[0-2])")
"""The names of partitions; the group is the parent's."""

ON_A_MONTH: Mapping[str, Mapping[str, str]] = {"writer": {"INSERT": "*"}}

_TENANT = "(tenant_id = NULLIF(current_setting('indelible.tenant_id'::text, true), ''::text))"
_MEMBER = "NULLIF(current_setting('indelible.member_id'::text, true), ''::text)"
_OWN = (
    f"({_TENANT} AND (((actor_type = 'user'::text) AND (actor_id = {_MEMBER}))"
    f" OR ((target_type = 'user'::text) AND (target_id = {_MEMBER}))"
    f" OR (other_users @> ARRAY[{_MEMBER}])))"
)


@dataclass(frozen=True, slots=True)
class Policy:
    """All are permissive."""

    roles: str
    """In the order of their names, separated by blanks."""
    command: str = "SELECT"
    using: str | None = _TENANT
    """As PostgreSQL writes it."""
    check: str | None = None


POLICIES: Mapping[tuple[str, str], Policy] = {
    ("ledgers", "of_tenant"): Policy("reader writer", "ALL"),
    ("ledgers", "every_ledger"): Policy("control", using="true"),
    ("ledgers", "every_ledger_to_sign"): Policy("signer", using="true"),
    ("ledgers", "reads_to_erase"): Policy("owner"),
    ("events", "of_tenant"): Policy("reader writer"),
    ("events", "own"): Policy("member", using=_OWN),
    ("events", "hashes_of_tenant"): Policy("signer"),
    ("events", "every_tenant"): Policy("searcher", using="true"),
    ("events", "reads_to_erase"): Policy("owner"),
    ("event_personal", "of_tenant"): Policy("reader writer"),
    ("event_personal", "every_word"): Policy("searcher", using="true"),
    ("event_personal", "reads_to_erase"): Policy("owner"),
    ("event_personal", "erases_of_tenant"): Policy("owner", "UPDATE"),
    ("directory", "lists"): Policy("writer", "INSERT", using=None, check=_TENANT),
    ("directory", "of_tenant"): Policy("reader"),
    ("directory", "erases"): Policy("owner", "ALL"),
    ("subtrees", "of_tenant"): Policy("reader signer writer", "ALL"),
    ("checkpoints", "of_tenant"): Policy("reader"),
    ("checkpoints", "every_checkpoint"): Policy("control signer", using="true"),
    ("checkpoints", "signs_of_tenant"): Policy("signer", "INSERT", using=None, check=_TENANT),
    ("signers", "every_signer"): Policy("control reader", using="true"),
    ("signers", "own_keys"): Policy("signer", "ALL", using="true"),
    ("refusals", "every_refusal"): Policy("control", using="true"),
    ("refusals", "own_refusals"): Policy("signer", "ALL", using="true"),
    ("keys", "every_key"): Policy("control", "ALL", using="true"),
    ("installation", "the_only"): Policy("control", using="true"),
    ("installation", "moves_on"): Policy("owner", "ALL", using="true"),
    ("tenant_settings", "every_tenant"): Policy("control", "ALL", using="true"),
    ("tenant_settings", "of_tenant"): Policy("owner searcher"),
    ("revoked_tokens", "every_token"): Policy("control", using="true"),
    ("revoked_tokens", "revokes"): Policy("control", "INSERT", using=None, check="true"),
    ("revoked_tokens", "revokes_again"): Policy("control", "UPDATE", using="true"),
    ("revoked_tokens", "forgets"): Policy("control", "DELETE", using="(revoked_at < (now() - '1 day'::interval))"),
    ("usage", "every_use"): Policy("control", "ALL", using="true"),
    ("saved_views", "of_tenant"): Policy("control", "ALL"),
}

_ROWS = "FOR EACH ROW EXECUTE FUNCTION indelible."
_ONCE = "FOR EACH STATEMENT EXECUTE FUNCTION indelible."
_REFUSED = {
    "append_only": ("BEFORE DELETE OR UPDATE", f"{_ROWS}refuse()"),
    "never_deleted": ("BEFORE DELETE", f"{_ROWS}refuse()"),
    "never_truncated": ("BEFORE TRUNCATE", f"{_ONCE}refuse()"),
}
_EVERY_CHANGE = ("AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE", f"{_ONCE}new_epoch()")


def _refused(*names: str) -> dict[str, tuple[str, str]]:
    return {name: _REFUSED[name] for name in names}


TRIGGERS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "ledgers": _refused("never_deleted", "never_truncated")
    | {"only_forward": ("BEFORE UPDATE", f"{_ROWS}only_forward()")},
    "events": _refused("append_only", "never_truncated"),
    "event_personal": _refused("never_deleted", "never_truncated")
    | {"only_erased": ("BEFORE UPDATE", f"{_ROWS}only_erased()")},
    "subtrees": _refused("append_only", "never_truncated"),
    "checkpoints": _refused("append_only", "never_truncated"),
    "keys": _refused("never_deleted", "never_truncated")
    | {
        "only_ends": ("BEFORE UPDATE", f"{_ROWS}only_ends()"),
        "new_epoch": ("AFTER UPDATE OF scopes, tenant_id, hash, expires_at, revoked_at", f"{_ONCE}new_epoch()"),
    },
    "tenant_settings": {"new_epoch": _EVERY_CHANGE},
    "revoked_tokens": {"new_epoch": _EVERY_CHANGE, "only_later": ("BEFORE UPDATE", f"{_ROWS}only_later()")},
}
"""By table and name what comes before and after `ON <table>` in the trigger's definition."""

TRIGGERS_OF_A_MONTH = {parent: TRIGGERS[parent] for parent in ("events", "event_personal")}


@dataclass(frozen=True, slots=True)
class Function:
    arguments: str = ""
    """Their types."""
    callers: tuple[str, ...] = ()
    owner: str = "owner"
    definer: bool = False
    """SECURITY DEFINER."""
    pinned: bool = True
    """Whether it has a search_path of its own, `PINNED`. The others run as who calls them."""
    settings: tuple[str, ...] = ()
    """What else is set while it runs."""


_ONE_PLAN = "plan_cache_mode=force_generic_plan"
_BY_WORDS = (_ONE_PLAN, "enable_seqscan=off", "enable_indexscan=off", "enable_indexonlyscan=off")
_IN_ORDER = (_ONE_PLAN, "enable_seqscan=off", "enable_bitmapscan=off", "enable_sort=off")
_TIMES = "timestamp with time zone, timestamp with time zone"

FUNCTIONS: Mapping[str, Function] = {
    "hold_heads": Function(
        "text[], text[], uuid[], integer[], timestamp with time zone[], boolean", ("writer",), pinned=False
    ),
    "move_heads": Function(
        "text[], bigint[], bigint[], bytea[], bytea[], timestamp with time zone[], integer[], smallint[], bigint[], "
        "bytea[], integer[], text[], text[]",
        ("writer",),
        pinned=False,
    ),
    "ensure_month": Function("date", ("control", "writer"), definer=True),
    "search": Function(
        f"tsquery, {_TIMES}, integer, tsquery", ("owner", "reader"), "searcher", definer=True, settings=_BY_WORDS
    ),
    "search_own": Function(f"tsquery, {_TIMES}, integer", ("member",), "searcher", definer=True, settings=_BY_WORDS),
    "timeline": Function(
        "timestamp with time zone, bigint, timestamp with time zone, bigint, timestamp with time zone, integer, "
        "boolean, tsquery",
        ("reader",),
        settings=_IN_ORDER,
    ),
    "events_at": Function("bigint[], timestamp with time zone[]", ("reader",), settings=_IN_ORDER),
    "own_personal": Function("bigint, timestamp with time zone", ("member",), definer=True),
    "tenants_with_entries": Function("", ("control",), "searcher", definer=True),
    "erase_disclosures": Function("bigint, bigint[], text[]", ("keeper",), definer=True),
    "new_epoch": Function(definer=True),
    "refuse": Function(),
    "only_forward": Function(),
    "only_erased": Function(),
    "only_ends": Function(),
    "only_later": Function(),
    "base64url": Function("bytea", ("searcher",)),
    "word_prefix": Function("text", ("searcher",)),
    "hidden_words": Function("tsquery, text[], text", ("searcher",)),
    "words_of_groups": Function("tsvector, text[]"),
    "disclosure_digest": Function("text"),
    "records_erasure": Function("bytea, bigint, text"),
}

_CHANGES = re.compile(
    r"^CREATE (?:OR REPLACE )?FUNCTION indelible\.(?P<made>\w+)\(.*?AS \$\$(?P<body>.*?)\$\$;$"
    r"|^ALTER FUNCTION indelible\.(?P<old>\w+)\([^;]*\) RENAME TO (?P<new>\w+);$"
    r"|^DROP FUNCTION indelible\.(?P<gone>\w+)\([^;]*\);$",
    re.DOTALL | re.MULTILINE,
)


@cache
def bodies() -> Mapping[str, str]:
    """The source of each function as the migrations of this version leave it."""
    found: dict[str, str] = {}
    for migration in migrations():
        for change in _CHANGES.finditer(migration.text):
            if change["made"]:
                found[change["made"]] = change["body"]
            elif change["old"]:
                found[change["new"]] = found.pop(change["old"])
            else:
                del found[change["gone"]]
    return found
