"""`indelible evidence`: verifying an evidence file, offline, and the single file that does so without Indelible."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from indelible.cli.output import Progress, fail, note, say
from indelible.ledger.evidence_command import Unusable, escape_unprintable, open_evidence, read_checkpoint, read_keys
from indelible.ledger.evidence_verifier import verify as verify_evidence
from indelible.ledger.standalone import source

__all__ = ["evidence"]

evidence = typer.Typer(
    name="evidence", no_args_is_help=True, help="What `indelible export --evidence` wrote, verified offline."
)


@evidence.command()
def verify(
    file: Annotated[Path, typer.Argument(help="The evidence: NAME.zip, or NAME.jsonl.", metavar="FILE")],
    key: Annotated[
        list[str],
        typer.Option(
            help="The ledger's vkey, from elsewhere than the file; or a file with vkeys. May be repeated.",
            metavar="VKEY",
        ),
    ],
    after: Annotated[
        Path | None,
        typer.Option(help="A checkpoint that you kept earlier, which the ledger has to continue.", metavar="FILE"),
    ] = None,
    accept_withheld: Annotated[
        bool, typer.Option("--accept-withheld", help="Personal parts may be left out without a recorded erasure.")
    ] = False,
    accept_hidden: Annotated[
        bool, typer.Option("--accept-hidden", help="Entries outside of the filter may be there as hashes only.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The report as one JSON object.")] = False,
) -> None:
    """Prove from the file and a key alone that entries were not altered, moved, added or left out.

    Needs no database and no network. docs/evidence.md says what each verdict means.

    Exit code 0: proven; 1: contradicted; 2: not proven, or it could not be tried.
    """
    escape_unprintable()
    progress = Progress("verifying", " entries")
    try:
        keys = read_keys(key)
        kept = None if after is None else read_checkpoint(after)
        with open_evidence(file) as opened:
            report = verify_evidence(
                opened,
                keys,
                after=kept,
                accept_withheld=accept_withheld,
                accept_hidden=accept_hidden,
                progress=progress,
            )
    except Unusable as error:
        fail(str(error))
    finally:
        progress.close()
    if as_json:
        say(json.dumps(report.to_json()))
    else:
        typer.echo(str(report), nl=False)
    raise typer.Exit(report.exit_code)


@evidence.command()
def verifier(
    out: Annotated[
        Path | None, typer.Option(help="Where to write it; on standard output if absent.", metavar="FILE")
    ] = None,
) -> None:
    """Write verify.py: the same verification as one readable file, for a Python without any packages."""
    text = source()
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        with out.open("xb") as file:
            file.write(text.encode())
    except FileExistsError:
        fail(f"{out} exists already, and is not overwritten")
    except OSError as error:
        fail(f"{out} cannot be written: {error.strerror}")
    note(f"SHA-256 of {out}: {sha256(text.encode()).hexdigest()}")
