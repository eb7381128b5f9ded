"""The program ``certus``, as the wheel brings it: ``certus …`` and ``python -m certus …``."""

from __future__ import annotations

import sys

from . import _native


def main() -> int:
    """Run the program on the command line; its exit code."""
    again = [sys.executable, "-m", "certus"]
    code = _native.main(["certus", *sys.argv[1:]], again, str(_native.__file__))
    sys.stdout.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())
