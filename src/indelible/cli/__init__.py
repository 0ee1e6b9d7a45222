"""The `indelible` command.

Exit codes, for scripts: 0 done; 1 done, and something is wrong (lines refused, a ledger contradicted);
2 could not be done.
"""

from indelible.cli.command import run

__all__ = ["run"]
