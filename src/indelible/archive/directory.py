"""An archive in a directory, which is only as safe from being rewritten as whatever it is mounted from."""

import asyncio
import errno
import os
import secrets
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

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

__all__ = ["DirectoryArchive"]

T = TypeVar("T")

_NO_FILE = {errno.EACCES, errno.EISDIR, errno.ELOOP, errno.ENODEV, errno.ENXIO, errno.EPERM}
"""What is wrong with a single name, and not with the archive: a link, a socket, a file that is not for us."""


class DirectoryArchive:
    """Files `<host>/<ULID>/<size, 20 digits>.checkpoint`, read-only. A file is there as a whole, or not at all."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # Of its own: a file system that hangs must not use up the threads that others wait for.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="archive")

    async def check(self) -> None:
        await self._run(self._check)

    async def put(self, origin: str, size: int, note: str) -> None:
        await self._run(lambda: self._put(require_origin(origin), checkpoint_name(size), note.encode()))

    async def latest(self, about: Mapping[str, int]) -> AsyncIterator[Published]:  # noqa: ARG002 - listing is quick
        for origin in await self._run(lambda: list(self._origins())):
            published = await self._run(partial(self._largest, origin))
            if published is not None:
                yield published

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _check(self) -> None:
        # Not made here: where a volume is not mounted, an empty archive would pass for the real one.
        if not self._directory.is_dir():
            raise Unfit(f"the archive {self._directory} is no directory; make it, or mount what it is on")
        with self._errors(), self._new_file(self._directory, b""):
            pass

    def _put(self, origin: str, name: str, data: bytes) -> None:
        with self._errors():
            directory = self._directory / origin
            self._make(directory)
            file = directory / name
            with self._new_file(directory, data) as new:
                try:
                    os.link(new, file, follow_symlinks=False)
                except FileExistsError:
                    if _read(file) != data:
                        raise Differs(f"{file} holds another checkpoint of the same size") from None
            _sync(directory)

    def _make(self, directory: Path) -> None:
        for path in (directory.parent, directory):
            with suppress(FileExistsError):
                path.mkdir()
                _sync(path.parent)

    @contextmanager
    def _new_file(self, directory: Path, data: bytes) -> Iterator[Path]:
        """A file of this content, on the disk, under a name that nobody reads; gone at the end."""
        new = directory / f".{secrets.token_hex(8)}.new"
        try:
            with open(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield new
        finally:
            new.unlink(missing_ok=True)

    def _origins(self) -> Iterator[str]:
        with self._errors():
            for host in _directories(self._directory):
                for ulid in _directories(self._directory / host):
                    with suppress(ArchiveError):  # whatever it is, it is none of ours
                        yield require_origin(f"{host}/{ulid}")

    def _largest(self, origin: str) -> Published | None:
        with self._errors():
            directory = self._directory / origin
            try:
                names = os.listdir(directory)
            except PermissionError:
                return Published(origin, 0, b"", str(directory))  # nobody can tell what is in it
            size = max((s for s in map(parse_checkpoint_name, names) if s is not None), default=None)
            if size is None:
                return None
            file = directory / checkpoint_name(size)
            return Published(origin, size, _read(file), str(file))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ArchiveUnavailable(
                f"the archive {self._directory} cannot be used: {error.strerror} ({error.filename})"
            ) from error


def _directories(parent: Path) -> list[str]:
    with os.scandir(parent) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))


def _read(file: Path) -> bytes:
    """At most as much as a note may be long, and one byte more; nothing of what is no file, or cannot be read.

    No link is followed, and no pipe waited for.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in _NO_FILE:
            return b""
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        with open(descriptor, "rb", closefd=False) as opened:
            return opened.read(MAX_NOTE_BYTES + 1)
    finally:
        os.close(descriptor)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
