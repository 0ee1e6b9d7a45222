"""The ledger's format: bytes in, bytes out, no I/O. Version 1 is written down in docs/format.md."""
