"""An archive in a bucket with Object Lock (Amazon S3, and whatever speaks like it)."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from indelible.archive.place import (
    ArchiveError,
    ArchiveUnavailable,
    Differs,
    Published,
    Unfit,
    checkpoint_name,
    parse_checkpoint_name,
    require_origin,
)
from indelible.ledger.note import MAX_NOTE_BYTES

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ListObjectVersionsOutputTypeDef, ListObjectVersionsRequestTypeDef

__all__ = ["S3Archive"]

T = TypeVar("T")

_WHERE = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([!-~]*))?")

_THREADS = 8
"""Requests at once."""

_ALREADY = {"PreconditionFailed", "ConditionalRequestConflict"}


class S3Archive:
    """Objects `<prefix><host>/<ULID>/<size, 20 digits>.checkpoint`, each locked in compliance mode for a time.

    Versions that somebody hid behind a delete marker count like any other. Credentials, region and endpoint are
    boto3's own matter: its environment variables and files.
    """

    def __init__(self, where: str, retention: timedelta) -> None:
        """Raises `Unfit`."""
        found = _WHERE.fullmatch(where)
        if found is None:
            raise Unfit(f"the archive {where} is not written s3://bucket/prefix")
        try:
            import boto3  # type: ignore[import-untyped]  # noqa: F401
        except ImportError:
            raise Unfit(
                "an archive in S3 takes boto3, which is not installed: pip install indelible[archive]"
            ) from None
        self._bucket = found[1]
        prefix = (found[2] or "").strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._retention = retention
        # Of its own: requests that hang must not use up the threads that others wait for.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="archive")

    async def check(self) -> None:
        await self._run(self._check)

    async def put(self, origin: str, size: int, note: str) -> None:
        key = f"{self._prefix}{require_origin(origin)}/{checkpoint_name(size)}"
        await self._run(lambda: self._put(key, note.encode()))

    async def latest(self, about: Mapping[str, int]) -> AsyncIterator[Published]:
        origins = iter(await self._run(lambda: list(self._origins())))
        # As many at once as there are threads, in order.
        reading: list[asyncio.Task[list[Published]]] = []
        try:
            while True:
                for origin in origins:
                    reading.append(asyncio.ensure_future(self._largest_of(origin, about.get(origin, 0))))
                    if len(reading) >= 2 * _THREADS:
                        break
                if not reading:
                    return
                for published in await reading.pop(0):
                    yield published
        finally:
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)

    async def _largest_of(self, origin: str, about: int) -> list[Published]:
        return await self._run(lambda: self._largest(origin, about))

    async def _run(self, work: Callable[[], T]) -> T:
        def run() -> T:
            with self._errors():
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    @cached_property
    def _client(self) -> "S3Client":
        import boto3
        from botocore.config import Config  # type: ignore[import-untyped]

        retries = {"mode": "standard", "total_max_attempts": 3}
        config = Config(connect_timeout=5, read_timeout=15, max_pool_connections=_THREADS, retries=retries)
        client: S3Client = boto3.session.Session().client("s3", config=config)
        return client

    def _check(self) -> None:
        found = self._client.get_object_lock_configuration(Bucket=self._bucket)
        if found.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") != "Enabled":
            raise self._unlocked()

    def _put(self, key: str, data: bytes) -> None:
        from botocore.exceptions import ClientError  # type: ignore[import-untyped]

        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=data,
                ContentType="text/plain; charset=utf-8",
                IfNoneMatch="*",
                ObjectLockMode="COMPLIANCE",
                ObjectLockRetainUntilDate=datetime.now(UTC) + self._retention,
            )
        except ClientError as error:
            if _code(error) not in _ALREADY:
                raise
            if self._read(key) != data:
                raise Differs(f"{self._named(key)} holds another checkpoint of the same size") from None

    def _origins(self) -> Iterator[str]:
        for host in self._folders(self._prefix):
            for folder in self._folders(host):
                with suppress(ArchiveError):  # whatever it is, it is none of ours
                    yield require_origin(folder.removeprefix(self._prefix).removesuffix("/"))

    def _folders(self, prefix: str) -> Iterator[str]:
        for page in self._pages(prefix, delimiter="/"):
            for folder in page.get("CommonPrefixes", []):
                yield folder["Prefix"]

    def _largest(self, origin: str, about: int) -> list[Published]:
        versions = self._newest_versions(f"{self._prefix}{origin}/", about)
        notes = {self._read(key, version): (size, key) for size, key, version in versions}
        return [Published(origin, size, note, self._named(key)) for note, (size, key) in notes.items()]

    def _newest_versions(self, folder: str, about: int) -> list[tuple[int, str, str]]:
        """Size, key and version id of the largest checkpoint in `folder`; several where it has several versions.

        Names sort upwards only, and there may be half a million a year. So this looks from `about` on, and then from
        further and further below, until there is something.
        """
        step = 1
        while True:
            start = max(about - step, 0)
            if found := list(self._versions(folder, start)):
                largest = max(size for size, _, _ in found)
                return [each for each in found if each[0] == largest]
            if start == 0:
                return []
            step *= 16

    def _versions(self, folder: str, start: int) -> Iterator[tuple[int, str, str]]:
        for page in self._pages(folder, after=folder + checkpoint_name(start) if start else ""):
            for version in page.get("Versions", []):
                size = parse_checkpoint_name(version["Key"].removeprefix(folder))
                if size is not None:
                    yield size, version["Key"], version["VersionId"]

    def _pages(
        self, prefix: str, *, delimiter: str = "", after: str = ""
    ) -> Iterator["ListObjectVersionsOutputTypeDef"]:
        """All versions of all names, also those that somebody hid behind a delete marker."""
        query: ListObjectVersionsRequestTypeDef = {"Bucket": self._bucket, "Prefix": prefix}
        if delimiter:
            query["Delimiter"] = delimiter
        if after:
            query["KeyMarker"] = after
        while True:
            page = self._client.list_object_versions(**query)
            yield page
            if not page.get("IsTruncated"):
                return
            query["KeyMarker"] = page["NextKeyMarker"]
            query.pop("VersionIdMarker", None)
            if version := page.get("NextVersionIdMarker"):
                query["VersionIdMarker"] = version

    def _read(self, key: str, version: str | None = None) -> bytes:
        """At most as much as a note may be long, and one byte more."""
        if version is None:
            found = self._client.get_object(Bucket=self._bucket, Key=key)
        else:
            found = self._client.get_object(Bucket=self._bucket, Key=key, VersionId=version)
        with closing(found["Body"]) as body:
            data: bytes = body.read(MAX_NOTE_BYTES + 1)
        return data

    def _named(self, key: str) -> str:
        return f"s3://{self._bucket}/{key}"

    def _unlocked(self) -> Unfit:
        return Unfit(
            f"the bucket {self._bucket} has no Object Lock, so whoever has its keys could delete checkpoints from it; "
            "make a bucket with Object Lock enabled and name that one"
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            yield
        except ClientError as error:
            raise self._explained(_code(error), error) from error
        except NoCredentialsError as error:
            raise ArchiveUnavailable(
                f"there are no credentials for the bucket {self._bucket}; set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or what else boto3 reads"
            ) from error
        except (BotoCoreError, OSError) as error:
            raise ArchiveUnavailable(f"the bucket {self._bucket} cannot be reached: {error}") from error

    def _explained(self, code: str, error: Exception) -> ArchiveError:
        if code == "ObjectLockConfigurationNotFoundError":
            return self._unlocked()
        if code == "NoSuchBucket":
            return Unfit(f"there is no bucket {self._bucket}; make it, with Object Lock enabled")
        if code in ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
            return ArchiveUnavailable(
                f"the bucket {self._bucket} refuses our credentials ({code}); they need s3:PutObject, "
                "s3:PutObjectRetention, s3:GetObject, s3:GetObjectVersion, s3:ListBucketVersions and "
                "s3:GetBucketObjectLockConfiguration"
            )
        return ArchiveUnavailable(f"the bucket {self._bucket} did not do it: {error}")


def _code(error: Exception) -> str:
    response = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))
