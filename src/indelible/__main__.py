"""The `indelible` command."""

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    # `python -m indelible` has the current directory before everything else, and evidence may have been unpacked there.
    del sys.path[0]


def main() -> None:
    try:
        from indelible.cli import run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("indelible"):
            raise
        sys.exit(f"indelible: the command needs the service's parts: pip install 'indelible[server]' (no {error.name})")
    run()


if __name__ == "__main__":
    main()
