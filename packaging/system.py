"""Which system packages a window needs and which of them are missing; prints the missing ones, one a line.

Looks for what a package brings (a library, a program, a module) rather than asking a package manager, so that the
answer is right on any Linux. On Windows and macOS nothing is ever missing. With `--window`, it answers for opening
the window alone and ends with 1 and a sentence where something is missing.
"""

from __future__ import annotations

import ctypes
import importlib.util
import shutil
import sys
from pathlib import Path

LIST = Path(__file__).with_name("system-packages.txt")


def missing(*, window_only: bool = False) -> list[str]:
    """The Debian packages that this system lacks; `window_only` leaves out what set-up and tests alone want."""
    if not sys.platform.startswith("linux"):
        return []
    rows = [line.split() for line in LIST.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return [package for package, kind, name in rows if not (window_only and kind != "library") and not _has(kind, name)]


def _has(kind: str, name: str) -> bool:
    if kind == "program":
        return shutil.which(name) is not None
    if kind == "module":
        return importlib.util.find_spec(name) is not None
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def main() -> int:
    """Print what is missing; see the module's docstring."""
    window = "--window" in sys.argv[1:]
    packages = missing(window_only=window)
    if window and packages:
        print(
            "The window cannot open: Qt needs system packages that are missing here.\n"
            f"Install them with: sudo apt-get install {' '.join(packages)}",
            file=sys.stderr,
        )
        return 1
    if packages:
        print("\n".join(packages))
    return 0


if __name__ == "__main__":
    sys.exit(main())
