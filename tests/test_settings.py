"""The settings: what is accepted, what is refused and how it is said, and that the page about them is true."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from indelible.ledger.signing import SigningKey
from indelible.settings import Settings, SettingsError, document

ADMIN_KEY = "k3y-with-20-characters"
PEM = SigningKey.generate().pem()
ONE_LINE = "".join(PEM.splitlines()[1:-1])
SECRET = ONE_LINE[16:]
"""The part of it that is the key."""
DATABASE_URL = "postgresql://service:s3cret@db.example:5432/indelible"


def problems(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(environ)
    return caught.value.problems


def test_nothing_set_gives_the_defaults() -> None:
    settings = Settings.from_env({"PATH": "/bin"})
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8750, 1)
    assert (settings.database_url, settings.migration_url, settings.admin_key) == (None, None, None)
    assert (settings.auto_tenants, settings.strict, settings.catalog) == (True, False, None)
    assert (settings.ledger_host, settings.lanes, settings.pool_size) == ("indelible.local", 2, 8)
    assert (settings.append_timeout, settings.statement_timeout) == (10.0, 10.0)
    assert settings.log_level == "info"
    assert (settings.cors_origins, settings.trusted_proxies) == ((), ())
    assert (settings.key_read_limit, settings.tenant_read_limit) == (1200, 6000)
    assert (settings.key_write_limit, settings.tenant_write_limit) == (0, 0)
    assert (settings.signing_key, settings.signing_key_file) == (None, None)
    assert (settings.old_signing_key, settings.old_signing_key_file) == (None, None)
    assert (settings.checkpoint_interval, settings.checkpoint_archive_interval) == (5.0, 60.0)
    assert (settings.checkpoint_archive, settings.checkpoint_retention_days) == (None, 2557)


def test_an_empty_variable_counts_as_absent() -> None:
    assert Settings.from_env({"INDELIBLE_PORT": "", "INDELIBLE_ADMIN_KEY": ""}) == Settings.from_env({})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("database_url", DATABASE_URL, DATABASE_URL),
        ("database_url", "host=/run/pg dbname=indelible", "host=/run/pg dbname=indelible"),
        ("admin_key", ADMIN_KEY, ADMIN_KEY),
        ("host", "0.0.0.0", "0.0.0.0"),
        ("host", "::1", "::1"),
        ("host", "audit.internal", "audit.internal"),
        ("port", "65535", 65535),
        ("workers", "4", 4),
        pytest.param("signing_key", PEM, PEM, id="signing_key-PEM"),
        pytest.param("signing_key", ONE_LINE, ONE_LINE, id="signing_key-ONE_LINE"),
        ("signing_key_file", "/run/credentials/signing.key", Path("/run/credentials/signing.key")),
        ("checkpoint_interval", "0.5", 0.5),
        ("checkpoint_archive", "s3://audit-checkpoints", "s3://audit-checkpoints"),
        ("checkpoint_archive", "s3://audit-checkpoints/live/a", "s3://audit-checkpoints/live/a"),
        ("checkpoint_archive", "/mnt/checkpoints", "/mnt/checkpoints"),
        ("checkpoint_archive_interval", "3600", 3600.0),
        ("checkpoint_retention_days", "365", 365),
        ("auto_tenants", "no", False),
        ("strict", "TRUE", True),
        ("strict", "1", True),
        ("catalog", "/", Path("/")),
        ("ledger_host", "audit.example.com", "audit.example.com"),
        ("lanes", "64", 64),
        ("append_timeout", "2.5", 2.5),
        ("log_format", "JSON", "json"),
        ("cors_origins", "https://app.example.com", ("https://app.example.com",)),
        ("cors_origins", " https://a.example , http://localhost:3000,", ("https://a.example", "http://localhost:3000")),
        ("cors_origins", "https://[2001:db8::1]:8443", ("https://[2001:db8::1]:8443",)),
        ("trusted_proxies", "10.0.0.0/8", (ip_network("10.0.0.0/8"),)),
        ("trusted_proxies", "127.0.0.1, 2001:db8::/32", (ip_network("127.0.0.1/32"), ip_network("2001:db8::/32"))),
        ("key_read_limit", "0", 0),
        ("tenant_read_limit", "60000", 60000),
        ("key_write_limit", "1", 1),
        ("tenant_write_limit", "999999999", 999_999_999),
        ("log_level", "Warning", "warning"),
    ],
)
def test_a_good_value_is_read(name: str, value: str, expected: object) -> None:
    assert getattr(Settings.from_env({f"INDELIBLE_{name.upper()}": value}), name) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INDELIBLE_DATABASE_URL", "mysql://host/indelible"),
        ("INDELIBLE_DATABASE_URL", "postgresql+psycopg://host/indelible"),
        ("INDELIBLE_ADMIN_KEY", "too-short"),
        ("INDELIBLE_ADMIN_KEY", "long enough but with spaces"),
        ("INDELIBLE_HOST", "http://127.0.0.1"),
        ("INDELIBLE_HOST", "127.0.0.1:8750"),
        ("INDELIBLE_HOST", "127.0.0.256"),
        ("INDELIBLE_PORT", "0"),
        ("INDELIBLE_PORT", "65536"),
        ("INDELIBLE_PORT", "8_750"),
        ("INDELIBLE_PORT", "８７５０"),
        ("INDELIBLE_PORT", " 8750"),
        ("INDELIBLE_WORKERS", "two"),
        ("INDELIBLE_SIGNING_KEY", "/etc/indelible/signing.key"),
        pytest.param("INDELIBLE_SIGNING_KEY", PEM[:80], id="SIGNING_KEY-cut off"),
        pytest.param("INDELIBLE_SIGNING_KEY", ONE_LINE + " " + ONE_LINE, id="SIGNING_KEY-twice"),
        pytest.param("INDELIBLE_SIGNING_KEY_FILE", PEM, id="SIGNING_KEY_FILE-PEM"),
        pytest.param("INDELIBLE_SIGNING_KEY_FILE", ONE_LINE, id="SIGNING_KEY_FILE-ONE_LINE"),
        ("INDELIBLE_CHECKPOINT_INTERVAL", "0"),
        ("INDELIBLE_CHECKPOINT_ARCHIVE", "https://bucket.s3.amazonaws.com"),
        ("INDELIBLE_CHECKPOINT_ARCHIVE", "s3://"),
        ("INDELIBLE_CHECKPOINT_ARCHIVE", "S3://bucket"),
        ("INDELIBLE_CHECKPOINT_ARCHIVE", "s3:/bucket"),
        ("INDELIBLE_CHECKPOINT_ARCHIVE", "gs://bucket"),
        ("INDELIBLE_CHECKPOINT_ARCHIVE_INTERVAL", "0.5"),
        ("INDELIBLE_CHECKPOINT_RETENTION_DAYS", "0"),
        ("INDELIBLE_CHECKPOINT_RETENTION_DAYS", "7y"),
        ("INDELIBLE_AUTO_TENANTS", "maybe"),
        ("INDELIBLE_CATALOG", "/no/such/catalog.toml"),
        ("INDELIBLE_CATALOG", "x" * 5000),
        ("INDELIBLE_LEDGER_HOST", "https://audit.example.com"),
        ("INDELIBLE_LANES", "65"),
        ("INDELIBLE_APPEND_TIMEOUT", "nan"),
        ("INDELIBLE_APPEND_TIMEOUT", "1e3"),
        ("INDELIBLE_STATEMENT_TIMEOUT", "0"),
        ("INDELIBLE_CORS_ORIGINS", "*"),
        ("INDELIBLE_CORS_ORIGINS", "null"),
        ("INDELIBLE_CORS_ORIGINS", "https://*.example.com"),
        ("INDELIBLE_CORS_ORIGINS", "https://app.example.com/"),
        ("INDELIBLE_CORS_ORIGINS", "https://App.example.com"),
        ("INDELIBLE_CORS_ORIGINS", "https://app.example.com:443"),
        ("INDELIBLE_CORS_ORIGINS", "http://app.example.com:80"),
        ("INDELIBLE_CORS_ORIGINS", "https://app.example.com:0443"),
        ("INDELIBLE_CORS_ORIGINS", "app.example.com"),
        ("INDELIBLE_CORS_ORIGINS", "https://a.example https://b.example"),
        ("INDELIBLE_CORS_ORIGINS", "https://user@a.example"),
        ("INDELIBLE_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("INDELIBLE_TRUSTED_PROXIES", "proxy.internal"),
        ("INDELIBLE_TRUSTED_PROXIES", "10.0.0.0/8; 10.1.0.0/16"),
        ("INDELIBLE_KEY_READ_LIMIT", "-1"),
        ("INDELIBLE_TENANT_WRITE_LIMIT", "none"),
        ("INDELIBLE_LOG_FORMAT", "xml"),
        ("INDELIBLE_LOG_LEVEL", "chatty"),
    ],
)
def test_a_bad_value_is_named_with_what_is_expected(name: str, value: str) -> None:
    (problem,) = problems({name: value})
    assert problem.startswith(f"{name}: expected ")
    assert "found" in problem


def test_all_that_is_wrong_is_said_at_once() -> None:
    found = problems({"INDELIBLE_PORT": "http", "INDELIBLE_LANES": "0", "INDELIBLE_WORKERS": "2"})
    assert found == (
        "INDELIBLE_LANES: expected a whole number, 1 to 64, found '0'",
        "INDELIBLE_PORT: expected a whole number, 1 to 65535, found 'http'",
    )


def test_a_secret_is_neither_in_an_error_nor_in_the_repr() -> None:
    """Errors and reprs end in logs."""
    said = problems({"INDELIBLE_ADMIN_KEY": "s3cret key", "INDELIBLE_DATABASE_URL": "postgres//u:s3cret@h/d?x"})
    assert len(said) == 2
    assert "s3cret" not in " ".join(said)
    shown = repr(Settings.from_env({"INDELIBLE_ADMIN_KEY": ADMIN_KEY, "INDELIBLE_DATABASE_URL": DATABASE_URL}))
    assert "s3cret" not in shown
    assert ADMIN_KEY not in shown


@pytest.mark.parametrize("text", [PEM, ONE_LINE], ids=["PEM", "one line"])
def test_a_signing_key_is_never_shown_wherever_it_was_put(text: str) -> None:
    """Also where it went into the setting for its path, was cut off, or stands beside its file."""
    names = ["INDELIBLE_SIGNING_KEY", "INDELIBLE_OLD_SIGNING_KEY"]
    shown = repr(Settings.from_env(dict.fromkeys(names, text)))
    wrong = (
        dict.fromkeys([f"{name}_FILE" for name in names], text),
        dict.fromkeys(names, text[:-6]),
        {"INDELIBLE_SIGNING_KEY": text, "INDELIBLE_SIGNING_KEY_FILE": "/etc/signing.key"},
        {"INDELIBLE_OLD_SIGNING_KEY": text},
    )
    said = " ".join([shown, *(problem for environ in wrong for problem in problems(environ))])
    assert not any(SECRET[at : at + 8] in said for at in range(len(SECRET) - 8))


def test_a_bucket_takes_no_password_and_shows_none() -> None:
    (problem,) = problems({"INDELIBLE_CHECKPOINT_ARCHIVE": "s3://AKIA0000:hunter2@bucket/x"})
    assert "hunter2" not in problem
    assert "AWS_ACCESS_KEY_ID" in problem


def test_which_of_two_keys_is_meant_is_not_guessed() -> None:
    both = {"INDELIBLE_SIGNING_KEY": PEM, "INDELIBLE_SIGNING_KEY_FILE": "/etc/signing.key"}
    assert problems(both) == (
        "INDELIBLE_SIGNING_KEY_FILE: expected this or INDELIBLE_SIGNING_KEY, found both; unset one of them",
    )
    alone = problems({"INDELIBLE_OLD_SIGNING_KEY_FILE": "/etc/old.key"})
    assert alone == ("INDELIBLE_OLD_SIGNING_KEY: expected INDELIBLE_SIGNING_KEY or its _FILE beside it, found none",)
    beside = {"INDELIBLE_SIGNING_KEY_FILE": "/etc/signing.key", "INDELIBLE_OLD_SIGNING_KEY": PEM}
    assert Settings.from_env(beside).old_signing_key == PEM


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n", "openssl genpkey"),
        ("MC4CAQAwBQYDK2VwBCIEIA==", "openssl genpkey"),
    ],
)
def test_a_wrong_signing_key_says_how_to_make_a_right_one(text: str, said: str) -> None:
    (problem,) = problems({"INDELIBLE_SIGNING_KEY": text})
    assert problem.startswith("INDELIBLE_SIGNING_KEY: expected an Ed25519 private key")
    assert said in problem


def test_an_unknown_name_is_an_error_with_the_likely_one() -> None:
    assert problems({"INDELIBLE_PROT": "1"}) == (
        "INDELIBLE_PROT: there is no such setting; did you mean INDELIBLE_PORT?",
    )
    assert problems({"INDELIBLE_QUUX_ZORK": "1"})[0].endswith("see docs/settings.md for those there are")


def test_what_kubernetes_and_the_client_set_is_passed_over() -> None:
    """A Service named `indelible` must not keep its own pods from starting."""
    others = {
        "INDELIBLE_PORT": "tcp://10.3.2.1:8750",
        "INDELIBLE_PORT_8750_TCP_ADDR": "10.3.2.1",
        "INDELIBLE_SERVICE_HOST": "10.3.2.1",
        "INDELIBLE_SERVICE_PORT_HTTP": "8750",
        "INDELIBLE_URL": "http://127.0.0.1:8750",
        "INDELIBLE_KEY": "key",
    }
    assert Settings.from_env(others) == Settings.from_env({})


def test_migrations_use_the_services_database_unless_told_otherwise() -> None:
    assert Settings.from_env({"INDELIBLE_DATABASE_URL": DATABASE_URL}).migration_url == DATABASE_URL
    owner = "postgresql://owner@db.example/indelible"
    both = Settings.from_env({"INDELIBLE_DATABASE_URL": DATABASE_URL, "INDELIBLE_MIGRATION_URL": owner})
    assert (both.database_url, both.migration_url) == (DATABASE_URL, owner)
    assert "INDELIBLE_DATABASE_URL" in problems({"INDELIBLE_MIGRATION_URL": owner})[0]


def test_the_page_about_the_settings_is_up_to_date() -> None:
    page = Path(__file__).parent.parent / "docs" / "settings.md"
    assert page.read_text() == document(), "write it again: python -m indelible.settings > docs/settings.md"
