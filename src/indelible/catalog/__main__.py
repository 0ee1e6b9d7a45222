"""`python -m indelible.catalog [FILE]` prints the catalog as Markdown, with the vendor's FILE over it."""

import sys
from pathlib import Path

from indelible.catalog import Catalog, CatalogError
from indelible.catalog.markdown import render


def main(arguments: list[str]) -> int:
    """The exit code: 0, 1 where the catalog has problems, 2 for wrong arguments."""
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        sys.stderr.write("usage: python -m indelible.catalog [FILE]\n")
        return 2
    try:
        catalog = Catalog.load(Path(arguments[0]) if arguments else None)
    except CatalogError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(render(catalog))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
