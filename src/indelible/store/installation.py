"""What an installation keeps to itself, in the row of `indelible.installation`."""

from dataclasses import dataclass, field
from typing import cast

from indelible.store.errors import StoreError
from indelible.store.session import Database

__all__ = ["Installation"]


@dataclass(slots=True)
class Installation:
    database: Database
    _secret: bytes | None = field(default=None, init=False, repr=False)

    async def secret(self) -> bytes:
        """What nobody outside of the installation knows: the same for all its processes, read once and kept.

        Raises `StoreUnavailable`, and `StoreError` where it is gone.
        """
        if self._secret is None:
            async with self.database.transaction("control") as connection:
                row = await (await connection.execute("SELECT secret FROM indelible.installation")).fetchone()
            if row is None:
                raise StoreError("the row of indelible.installation is gone: restore it from a backup")
            self._secret = bytes(cast("bytes", row[0]))
        return self._secret
