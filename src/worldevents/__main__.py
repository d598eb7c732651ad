"""`python -m worldevents` and the `worldevents` script: the way into the command line, which is an extra."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> int:
    """Run the command line on this process's arguments; says the exit code."""
    if find_spec("typer") is None or find_spec("rich") is None:
        print("the command line needs typer and rich: pip install 'worldevents[cli]'", file=sys.stderr)  # noqa: T201
        return 1
    from worldevents.cli.main import run  # noqa: PLC0415 - it imports typer, which may be missing

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
