"""The controls: what nobody touched is proven, by the very way on which the other files show what somebody did."""

from __future__ import annotations

import pytest

from tests.hostile.vendor import Vendor


@pytest.mark.parametrize("suffix", [".jsonl", ".zip"])
def test_an_untouched_ledger_is_proven(vendor: Vendor, suffix: str) -> None:
    kept = vendor.sign()
    vendor.log(3)
    done = vendor.verify(vendor.exported(suffix=suffix), "--after", str(kept))
    assert done.code == 0
    assert done.lines[0] == "PROVEN"
    assert "ntries 0 to 12 of the ledger" in done.out  # the last one records the export
    assert "none was altered, moved, added or left out" in done.out
    assert "The ledger continues the one of 9 entries of the earlier checkpoint." in done.out
    assert vendor.verify_database().code == 0
