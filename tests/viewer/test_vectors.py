"""The viewer's verifier is tested against what this ledger writes today."""

import json
from pathlib import Path

from tests.viewer.vectors import vectors

_FILE = Path(__file__).parents[2] / "viewer" / "test" / "proof" / "vectors.json"


def test_the_viewers_vectors_are_those_of_the_ledger() -> None:
    """If not: `python -m tests.viewer.vectors > viewer/test/proof/vectors.json`, and `npm test` in viewer/."""
    assert json.loads(_FILE.read_text()) == json.loads(json.dumps(vectors()))
