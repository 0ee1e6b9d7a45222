"""Exports: what leaves the ledger as a file."""
