"""The page that lies beside the evidence, for whoever gets the file."""

from hashlib import sha256

from indelible import __version__
from indelible.ledger.standalone import source

__all__ = ["readme"]


def readme() -> str:
    digest = sha256(source().encode()).hexdigest()
    return f"""\
Evidence from an audit log
==========================

evidence.jsonl   what was recorded, an entry a line, with what proves it
verify.py        checks it: one readable file, for Python 3.11 or newer, without network and without packages
README.txt       this page

To check it you need two things, and both are worth nothing if they come with this file:

- the ledger's public key (a "vkey"). Take it from where it was published to you: your contract, the vendor's trust
  page, your own notes.
- verify.py. Whoever gave you this file could have given you one that says yes to everything. Take yours from the
  project (Indelible {__version__}, docs/verify.py). The SHA-256 of the genuine one is

      {digest}

  and it is worth as much as the place that you read it in.

Then, with the zip as you got it (here evidence.zip), in a folder of your own:

    python3 -I verify.py evidence.zip --key 'THE VKEY'

Do not run anything in the folder where you unpacked the zip. A zip can bring files that Python takes for parts of
itself; -I keeps it from that.

It prints what is proven, and ends with

    0   everything is proven
    1   something contradicts the signed checkpoint, or itself: it was altered
    2   something needed for the proof is missing

If you kept a checkpoint from earlier, add --after FILE: it then also proves that nothing up to that checkpoint was
altered since. Keep the checkpoint of this file for next time; it is in the first line of evidence.jsonl.

What is claimed and what is not: docs/evidence.md of the project. What exactly is checked, and how to check it with
tools of your own: docs/format.md.
"""
