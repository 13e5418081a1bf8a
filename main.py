"""The one way in: `python main.py` opens the window, `python main.py train RUN.yaml` and the like work without it."""

from __future__ import annotations

import sys

from core.commandline.entry import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
