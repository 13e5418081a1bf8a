"""What the columns of data are called and hold: the job behind the dialog that maps them.

It knows nothing of shapes, so that it answers for data of which no shape is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from core.data.files import find
from core.home import Home
from core.saying import Say

LOOKED_AT = 200
"""Rows that are looked at."""
_SAMPLE = 160
"""Characters of a sample."""
_SPEAKERS = 12
"""Different values up to which a text of messages may be the name of their speaker."""


def columns_job(home: Home, body: dict[str, Any], progress: Say) -> dict[str, Any]:
    """Look at the columns.

    Args:
        home: not needed.
        body: `config`: the run file's mapping, of which `data.path` is read.
        progress: told that the rows are read.

    Returns:
        `columns`: for each its `name`, a `sample` of what it holds, and where it holds lists of messages their `keys`
        `samples` of each, and `speakers`: key to its values, where there are only a few.

    Raises:
        UserError: the data cannot be read.
    """
    progress("Reading the columns", None)
    rows = [row.value for row in islice(find(body["config"]["data"]["path"]).rows(), LOOKED_AT)]
    names = dict.fromkeys(name for row in rows for name in row)
    return {"columns": [_column(name, [row[name] for row in rows if name in row]) for name in names]}


def _column(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """One column, from its values."""
    messages = [each for value in values if isinstance(value, list) for each in value if isinstance(each, dict)]
    sample = next((str(value) for value in values if value not in (None, "", [])), "")
    keys = list(dict.fromkeys(key for message in messages for key in message))
    speakers = {key: found for key in keys if (found := _few(messages, key))}
    samples = {key: next((str(one[key]) for one in messages if one.get(key)), "")[:_SAMPLE] for key in keys}
    return {"name": name, "sample": sample[:_SAMPLE], "keys": keys, "samples": samples, "speakers": speakers}


def _few(messages: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    """The different texts under a key; none where they are many, or no texts."""
    found = dict.fromkeys(message.get(key) for message in messages)
    texts = [value for value in found if isinstance(value, str)]
    return texts if len(texts) == len(found) <= _SPEAKERS else []
