"""A worker that is killed at a chosen moment: `python -m tests.whole.killed HOME RUN MOMENT COUNT`.

MOMENT is a function of the training; the process dies, as by `kill -9`, when it is called for the COUNTth time.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

from core import worker
from core.home import Home

MOMENTS = {
    "micro-batch": ("core.train.loss", "TokenLoss.__call__"),
    "optimizer": ("torch.optim", "AdamW.step"),
    "half written": ("core.train.checkpoint", "save_file"),
    "renamed": ("core.train.checkpoint", "prune"),
}


def main(home: Home, run: str, moment: str, count: int) -> None:
    """Train until the moment."""
    module, function = MOMENTS[moment]
    *classes, name = function.split(".")
    owner: Any = importlib.import_module(module)
    for part in classes:
        owner = getattr(owner, part)
    real, left = getattr(owner, name), [count]

    def die_in_time(*arguments: Any, **named: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        return real(*arguments, **named)

    setattr(owner, name, die_in_time)
    worker.main(home, run)


if __name__ == "__main__":
    main(Home(Path(sys.argv[1])), sys.argv[2], sys.argv[3], int(sys.argv[4]))
