"""`indelible keys`: a key that anybody's tools read, kept from others, and the vkeys that customers pin."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
from pathlib import Path

import pytest

from indelible.ledger.note import Verifier
from indelible.ledger.signing import SigningKey
from tests.cli.conftest import Command, indelible


def openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=True).stdout


def public_key(pem: str) -> bytes:
    """As OpenSSL sees it."""
    return openssl("pkey", "-pubout", "-outform", "DER", stdin=pem.encode())[-32:]


def test_a_key_on_standard_output_is_one_and_nothing_else(tmp_path: Path) -> None:
    done = indelible("keys", "new", cwd=tmp_path)
    assert done.code == 0
    assert done.out == SigningKey.parse(done.out).pem()
    assert SigningKey.parse(done.out).public_key == public_key(done.out)
    assert "INDELIBLE_SIGNING_KEY" in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_key_file_is_for_its_owner_alone_and_says_what_is_next(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        done = indelible("keys", "new", "--out", "signing.key", cwd=tmp_path)
    finally:
        os.umask(before)
    file = tmp_path / "signing.key"
    assert (done.code, done.out) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"INDELIBLE_SIGNING_KEY_FILE={file}" in done.err
    end = base64.b64encode(b"\x01" + public_key(file.read_text())).decode()
    assert f"ends with +{end}" in done.err
    assert file.read_text().splitlines()[1] not in done.err


def test_each_key_is_another() -> None:
    assert indelible("keys", "new").out != indelible("keys", "new").out


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    indelible("keys", "new", "--out", "signing.key", cwd=tmp_path)
    first = (tmp_path / "signing.key").read_text()
    done = indelible("keys", "new", "--out", "signing.key", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "signing.key is there already" in done.err
    assert (tmp_path / "signing.key").read_text() == first
    (tmp_path / "link.key").symlink_to("elsewhere.key")
    assert indelible("keys", "new", "--out", "link.key", cwd=tmp_path).code == 2
    assert not (tmp_path / "elsewhere.key").exists()


def test_a_place_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = indelible("keys", "new", "--out", "no/such/signing.key", cwd=tmp_path)
    assert (done.code, done.err) == (2, "indelible: no/such/signing.key: No such file or directory\n")


@pytest.fixture
def ledgers(run: Command) -> None:
    for tenant in ("acme", "umbra"):
        assert run("tenants", "create", tenant).code == 0


@pytest.fixture
def key(tmp_path: Path) -> str:
    file = tmp_path / "signing.key"
    assert indelible("keys", "new", "--out", str(file)).code == 0
    return str(file)


@pytest.mark.usefixtures("ledgers")
def test_a_vkey_bears_the_name_of_its_ledger(run: Command, key: str) -> None:
    """So that what one customer pins says nothing of another one's ledger."""
    origins = {each["tenant_id"]: each["origin"] for each in run("tenants", "list", "--json").objects}
    alone = run("keys", "vkeys", "--tenant", "acme", INDELIBLE_SIGNING_KEY_FILE=key)
    assert (alone.code, alone.err) == (0, "")
    (text,) = alone.lines
    found = Verifier.parse(text)
    assert (found.name, found.public_key) == (origins["acme"], public_key(Path(key).read_text()))
    every = run("keys", "vkeys", INDELIBLE_SIGNING_KEY_FILE=key)
    assert [line.split()[0] for line in every.lines] == ["acme", "umbra"]
    assert every.lines[0].split()[1] == text
    assert run("keys", "vkeys", "--json", INDELIBLE_SIGNING_KEY_FILE=key).objects[0] == {
        "tenant_id": "acme", "origin": origins["acme"], "vkeys": [text],
    }  # fmt: skip


@pytest.mark.usefixtures("ledgers")
def test_during_a_rotation_there_are_two_the_new_one_first(run: Command, key: str) -> None:
    new = indelible("keys", "new").out
    settings = {"INDELIBLE_SIGNING_KEY": new, "INDELIBLE_OLD_SIGNING_KEY_FILE": key}
    done = run("keys", "vkeys", "--tenant", "acme", **settings)
    assert [Verifier.parse(line).public_key for line in done.lines] == [
        public_key(new), public_key(Path(key).read_text()),
    ]  # fmt: skip


@pytest.mark.usefixtures("ledgers")
def test_without_a_key_there_are_none_to_give_away(run: Command) -> None:
    done = run("keys", "vkeys")
    assert (done.code, done.out) == (2, "")
    assert "`indelible keys new` makes a key" in done.err


def test_a_tenant_that_is_not_there_is_named(run: Command, key: str) -> None:
    done = run("keys", "vkeys", "--tenant", "nobody", INDELIBLE_SIGNING_KEY_FILE=key)
    assert (done.code, done.out) == (2, "")
    assert "there is no tenant 'nobody' yet" in done.err


def test_a_key_file_that_everybody_may_read_is_worth_a_warning(run: Command, key: str) -> None:
    os.chmod(key, 0o644)
    done = run("keys", "vkeys", INDELIBLE_SIGNING_KEY_FILE=key)
    assert done.code == 0
    assert f"every user of this host may read {key}; `chmod 600` ends that" in done.err


def encrypted(file: Path) -> None:
    openssl("genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:hunter2", "-out", str(file))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Path.is_file, "cannot be read (No such file or directory)"),
        (Path.mkdir, "cannot be read (Is a directory)"),
        (Path.touch, "not a private key in PKCS#8"),
        (lambda file: openssl("genpkey", "-algorithm", "ed25519", "-outform", "DER", "-out", str(file)), "DER"),
        (lambda file: openssl("genpkey", "-algorithm", "x25519", "-out", str(file)), "not an Ed25519 key"),
        (encrypted, "encrypted with a password"),
    ],
    ids=["missing", "directory", "empty", "binary", "another kind", "encrypted"],
)  # fmt: skip
def test_a_wrong_key_file_is_named_with_what_to_do(run: Command, tmp_path: Path, make: object, said: str) -> None:
    file = tmp_path / "wrong.key"
    assert callable(make)
    make(file)
    done = run("keys", "vkeys", INDELIBLE_SIGNING_KEY_FILE=str(file))
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"indelible: INDELIBLE_SIGNING_KEY_FILE: {file}")
    assert said in done.err


def test_a_key_and_the_same_one_as_its_predecessor_is_a_mistake(run: Command, key: str) -> None:
    settings = {"INDELIBLE_SIGNING_KEY_FILE": key, "INDELIBLE_OLD_SIGNING_KEY_FILE": key}
    done = run("keys", "vkeys", **settings)
    assert done.code == 2
    assert "expected the key before, found the one that signs now" in done.err
