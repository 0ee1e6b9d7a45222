"""The `indelible` command."""

import sys


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
