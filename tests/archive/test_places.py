"""Archives: what is put there stays as it is, and what is found there is believed by nobody."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from indelible.archive import Archive, ArchiveError, ArchiveUnavailable, Differs, Unfit, open_archive
from indelible.archive.place import checkpoint_name, parse_checkpoint_name, require_origin
from indelible.ledger.checkpoint import MAX_SIZE
from tests.archive.seaweed import Bucket, Server

pytestmark = pytest.mark.anyio

A, B = (f"log.example.com/01ARZ3NDEKTSV4RRFFQ69G5FA{last}" for last in "AB")
DAY = timedelta(days=1)

Put = Callable[[str, bytes], None]


@pytest.fixture(params=["directory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Archive, Put]:
    """An archive, and how somebody else puts a file there."""
    if request.param == "directory":
        return open_archive(str(tmp_path), retention=DAY), lambda name, data: plant(tmp_path / name, data)
    bucket: Bucket = request.getfixturevalue("s3").bucket()
    client = bucket.server.client()

    def put(name: str, data: bytes) -> None:
        client.put_object(Bucket=bucket.name, Key=f"checkpoints/{name}", Body=data)

    return open_archive(bucket.where, retention=DAY), put


@pytest.fixture
def archive(place: tuple[Archive, Put]) -> Archive:
    return place[0]


def plant(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    file.write_bytes(data)


async def found(archive: Archive, **about: int) -> list[tuple[str, int, bytes]]:
    near = {{"a": A, "b": B}[name]: size for name, size in about.items()}
    return [(each.origin, each.size, each.note) async for each in archive.latest(near)]


async def test_what_was_put_is_found(archive: Archive) -> None:
    await archive.check()
    assert await found(archive) == []
    await archive.put(B, 7, "seven — of B\n")
    await archive.put(A, 1, "one\n")
    await archive.put(A, 12, "twelve\n")
    await archive.put(A, 9, "nine\n")
    await archive.check()
    assert await found(archive) == [(A, 12, b"twelve\n"), (B, 7, "seven — of B\n".encode())]


async def test_the_largest_is_found_from_wherever_the_search_starts(archive: Archive) -> None:
    for size in (5, 12, 270):
        await archive.put(A, size, f"{size}\n")
    for about in (0, 1, 5, 11, 12, 13, 269, 270, 271, 1_000_000, MAX_SIZE):
        assert await found(archive, a=about, b=about) == [(A, 270, b"270\n")]


async def test_the_same_again_is_fine_and_another_is_not(archive: Archive) -> None:
    await archive.put(A, 5, "five\n")
    await archive.put(A, 5, "five\n")
    with pytest.raises(Differs, match=r"00000000000000000005\.checkpoint holds another checkpoint"):
        await archive.put(A, 5, "another five\n")
    assert await found(archive) == [(A, 5, b"five\n")]


async def test_of_several_at_once_one_wins(archive: Archive) -> None:
    for size in (1, 2):
        puts = (archive.put(A, size, f"{number}\n") for number in range(6))
        answers = await asyncio.gather(*puts, return_exceptions=True)
        winners = [number for number, answer in enumerate(answers) if answer is None]
        assert sum(isinstance(answer, Differs) for answer in answers) == 5
        assert await found(archive) == [(A, size, f"{winners[0]}\n".encode())]


ELSEWHERE = [
    "", "/", "..", "../01ARZ3NDEKTSV4RRFFQ69G5FAV", "./01ARZ3NDEKTSV4RRFFQ69G5FAV", "log.example.com/..", "a/b",
    "/log.example.com/01ARZ3NDEKTSV4RRFFQ69G5FAV", A + "/", A + "\n", A.lower(), "log.example.com/x/" + A,
    "log example/01ARZ3NDEKTSV4RRFFQ69G5FAV", "a\\b/01ARZ3NDEKTSV4RRFFQ69G5FAV", "x" * 254 + A[-27:],
    "log.example.com/81ARZ3NDEKTSV4RRFFQ69G5FAV", "log.example.com/01ARZ3NDEKTSV4RRFFQ69G5FAU",
    "é.example/01ARZ3NDEKTSV4RRFFQ69G5FAV", "log.example.com/０1ARZ3NDEKTSV4RRFFQ69G5FAV",
]  # fmt: skip


async def test_no_origin_leads_out_of_the_archive(archive: Archive) -> None:
    for origin in ELSEWHERE:
        with pytest.raises(ArchiveError, match="cannot be a ledger's origin"):
            await archive.put(origin, 1, "x\n")
    assert await found(archive) == []


async def test_what_others_put_there_is_passed_over_or_handed_on_unread(place: tuple[Archive, Put]) -> None:
    archive, put = place
    await archive.put(A, 5, "five\n")
    for name in ("readme.txt", "log.example.com/readme.txt", f"log.example.com/x/{checkpoint_name(9)}", "x/y/z"):
        put(name, b"x")
    nine = "9".zfill(20)
    for name in (
        *("9.checkpoint", nine, f"{'9' * 20}.checkpoint", f"-{nine[1:]}.checkpoint", f"0{nine}.checkpoint"),
        *(f"{nine[:-1]}９.checkpoint", f"{nine}.checkpoint.new", f"x/{nine}.checkpoint"),
    ):
        put(f"{A}/{name}", b"x")
    assert await found(archive) == [(A, 5, b"five\n")]
    put(f"{A}/{checkpoint_name(6)}", b"\xff\0")
    put(f"{B}/{checkpoint_name(8)}", b"x" * 3_000_000)
    (first, second) = await found(archive)
    assert first == (A, 6, b"\xff\0")
    assert len(second[2]) == 1_000_001, "no more is read than a note may be long, and one byte"


@given(st.integers(0, MAX_SIZE), st.integers(0, MAX_SIZE))
def test_names_sort_as_sizes_do(one: int, other: int) -> None:
    assert parse_checkpoint_name(checkpoint_name(one)) == one
    assert (checkpoint_name(one) < checkpoint_name(other)) == (one < other)


@given(st.text() | st.from_regex(r"[0-9]{19,21}\.checkpoint\n?"))
def test_a_name_that_is_read_is_one_that_is_written(name: str) -> None:
    size = parse_checkpoint_name(name)
    assert size is None or checkpoint_name(size) == name


@given(st.text() | st.from_regex(r"[A-Za-z0-9.-]+/[0-9A-Z]{26}"))
def test_an_origin_stays_within_its_two_folders(origin: str) -> None:
    try:
        require_origin(origin)
    except ArchiveError:
        return
    root = Path("/archive")
    assert Path(os.path.normpath(root / origin)).relative_to(root).parts == tuple(origin.split("/"))


@pytest.mark.parametrize("where", ["http://example.com", "gs://bucket/x", "s3://", "s3://B", "s3://bucket/a b"])
def test_a_place_of_no_known_kind(where: str) -> None:
    with pytest.raises(Unfit, match="the archive"):
        open_archive(where, retention=DAY)


# --- directories


async def test_a_file_in_a_directory_is_read_only_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    archive = open_archive(str(tmp_path), retention=DAY)
    await archive.check()
    await archive.put(A, 5, "five\n")
    file = tmp_path / A / "00000000000000000005.checkpoint"
    assert os.listdir(tmp_path) == [A.split("/")[0]]
    assert os.listdir(file.parent) == [file.name]
    assert (file.stat().st_mode & 0o777, file.stat().st_nlink) == (0o444, 1)


async def test_a_directory_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Where a volume is not mounted, an empty archive would know of no ledger, and let each go back in time."""
    (tmp_path / "file").write_text("")
    for name in ("missing", "file"):
        with pytest.raises(Unfit, match="is no directory"):
            await open_archive(str(tmp_path / name), retention=DAY).check()
    with pytest.raises(ArchiveUnavailable):
        await open_archive(str(tmp_path / "missing"), retention=DAY).put(A, 5, "x\n")
    assert not (tmp_path / "missing").exists()


async def test_what_was_left_by_one_that_was_killed_is_no_checkpoint(tmp_path: Path) -> None:
    plant(tmp_path / A / ".0123456789abcdef.new", b"half a no")
    archive = open_archive(str(tmp_path), retention=DAY)
    assert await found(archive) == []
    await archive.put(A, 5, "five\n")
    assert await found(archive) == [(A, 5, b"five\n")]


async def test_links_and_pipes_in_a_directory_are_not_followed(tmp_path: Path) -> None:
    """Nor does a pipe, which nobody writes to, hold the signer up."""
    archive = open_archive(str(tmp_path / "archive"), retention=DAY)
    plant(tmp_path / "secret", b"secret")
    directory = tmp_path / "archive" / A
    directory.mkdir(parents=True)
    os.mkfifo(directory / checkpoint_name(1))
    assert await found(archive) == [(A, 1, b"")]
    (directory / checkpoint_name(2)).symlink_to(tmp_path / "secret")
    (directory / checkpoint_name(3)).mkdir()
    assert await found(archive) == [(A, 3, b"")]
    (directory / checkpoint_name(3)).rmdir()
    assert await found(archive) == [(A, 2, b"")]
    with pytest.raises(Differs):
        await archive.put(A, 2, "two\n")
    (directory / checkpoint_name(2)).unlink()
    (tmp_path / "archive" / B).symlink_to(tmp_path)
    assert [origin for origin, _, _ in await found(archive)] == [A]


# --- S3


def versions(bucket: Bucket) -> list[tuple[str, str]]:
    page = bucket.server.client().list_object_versions(Bucket=bucket.name)
    return [(each["Key"], each["VersionId"]) for each in page.get("Versions", [])]


async def test_nobody_removes_or_changes_what_is_in_the_bucket(s3: Server) -> None:
    """With the very credentials of the signer: what it put is hidden at most, and is found all the same."""
    bucket = s3.bucket()
    archive = open_archive(bucket.where, retention=DAY)
    await archive.put(A, 5, "five\n")
    ((key, version),) = versions(bucket)
    assert key == f"checkpoints/{A}/00000000000000000005.checkpoint"
    client = s3.client()
    retention = client.get_object_retention(Bucket=bucket.name, Key=key)["Retention"]
    assert retention["Mode"] == "COMPLIANCE"
    assert abs(retention["RetainUntilDate"] - (datetime.now(UTC) + DAY)) < timedelta(minutes=1)
    for bypass in (False, True):
        with pytest.raises(ClientError, match="AccessDenied"):
            client.delete_object(Bucket=bucket.name, Key=key, VersionId=version, BypassGovernanceRetention=bypass)
    with pytest.raises(ClientError):
        client.put_object_retention(
            Bucket=bucket.name,
            Key=key,
            VersionId=version,
            Retention={"Mode": "COMPLIANCE", "RetainUntilDate": datetime.now(UTC) + timedelta(seconds=1)},
        )
    client.delete_object(Bucket=bucket.name, Key=key)
    assert client.list_objects_v2(Bucket=bucket.name)["KeyCount"] == 0, "it is hidden"
    assert await found(archive, a=5) == [(A, 5, b"five\n")]
    client.put_object(Bucket=bucket.name, Key=key, Body=b"another\n")
    assert sorted(await found(archive, a=5)) == [(A, 5, b"another\n"), (A, 5, b"five\n")]
    assert (key, version) in versions(bucket)


async def test_a_bucket_without_object_lock_is_refused(s3: Server) -> None:
    with pytest.raises(Unfit, match="has no Object Lock"):
        await open_archive(s3.bucket(lock=False).where, retention=DAY).check()


async def test_a_bucket_that_there_is_not(s3: Server) -> None:
    assert s3.address
    with pytest.raises(Unfit, match="there is no bucket nowhere"):
        await open_archive("s3://nowhere/x", retention=DAY).check()


async def test_more_than_a_page_of_checkpoints(s3: Server) -> None:
    bucket = s3.bucket()
    archive = open_archive(bucket.where, retention=DAY)
    client = s3.client()
    for size in range(1, 1102):
        client.put_object(Bucket=bucket.name, Key=f"checkpoints/{A}/{checkpoint_name(size)}", Body=b"x")
    for about in (0, 1, 1101, 5000):
        assert await found(archive, a=about) == [(A, 1101, b"x")]


async def test_many_ledgers(s3: Server) -> None:
    bucket = s3.bucket()
    archive = open_archive(bucket.where, retention=DAY)
    origins = [f"log.example.com/01ARZ3NDEKTSV4RRFFQ69G{number:04}" for number in range(60)]
    await asyncio.gather(*(archive.put(origin, 3, "x\n") for origin in origins))
    assert [origin for origin, _, _ in await found(archive)] == origins


@pytest.mark.parametrize(("where", "prefix"), [("", ""), ("/", ""), ("/a/b/", "a/b/"), ("/env=prod", "env=prod/")])
async def test_prefixes(s3: Server, where: str, prefix: str) -> None:
    bucket = s3.bucket()
    archive = open_archive(f"s3://{bucket.name}{where}", retention=DAY)
    await archive.put(A, 5, "five\n")
    assert [key for key, _ in versions(bucket)] == [f"{prefix}{A}/{checkpoint_name(5)}"]
    assert await found(archive) == [(A, 5, b"five\n")]


async def test_credentials_that_are_refused_or_missing(s3: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    where = s3.bucket().where
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(ArchiveUnavailable, match=r"refuses our credentials.*s3:PutObjectRetention") as caught:
        await open_archive(where, retention=DAY).check()
    assert "wrong" not in str(caught.value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(ArchiveUnavailable, match="there are no credentials"):
        await open_archive(where, retention=DAY).check()


async def test_a_server_that_is_not_there(s3: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert s3.address
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    archive = open_archive("s3://bucket/x", retention=DAY)
    began = time.monotonic()
    for attempt in (archive.check(), archive.put(A, 5, "five\n"), found(archive)):
        with pytest.raises(ArchiveUnavailable, match="the bucket bucket cannot be reached"):
            await attempt
    assert time.monotonic() - began < 30


def test_without_boto3_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(Unfit, match=r"pip install indelible\[archive\]"):
        open_archive("s3://bucket/x", retention=DAY)
