"""Jobs without a model, for tests of the service: each does one of the things that jobs do."""

from __future__ import annotations

import os
import time
from typing import Any

from core.errors import UserError
from core.home import Home
from core.saying import Say


def add(home: Home, body: dict[str, Any], progress: Say) -> dict[str, Any]:
    """Come to a result, offline."""
    progress("Adding", 0.5)
    return {"sum": sum(body["numbers"]), "home": str(home.root), "offline": os.environ["HF_HUB_OFFLINE"]}


def endless(home: Home, body: dict[str, Any], progress: Say) -> dict[str, Any]:
    """Never end by itself."""
    while True:
        progress("Counting", None)
        time.sleep(0.005)


def refuse(home: Home, body: dict[str, Any], progress: Say) -> dict[str, Any]:
    """The world is not as it must be."""
    raise UserError("The file is empty.", hint="Choose another.")


def stumble(home: Home, body: dict[str, Any], progress: Say) -> dict[str, Any]:
    """A mistake of ours."""
    raise ZeroDivisionError("by nothing")


def vanish(home: Home, body: dict[str, Any], progress: Say) -> dict[str, Any]:
    """Take the whole process down, as a crash below Python does."""
    os._exit(9)
