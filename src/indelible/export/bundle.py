"""Evidence as people get it: a zip with the file, the program that checks it, and a page that says how."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from indelible.export.readme import readme
from indelible.ledger.standalone import source

__all__ = ["bundled"]


@contextmanager
def bundled(file: BinaryIO) -> Iterator[BinaryIO]:
    """Where the evidence goes; `file` is a zip with it at the end."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as folder:
        folder.writestr("README.txt", readme())
        folder.writestr("verify.py", source())
        with (
            folder.open("evidence.jsonl", "w", force_zip64=True) as member,
            io.BufferedWriter(cast("io.RawIOBase", member), 1 << 20) as buffered,
        ):
            yield buffered
