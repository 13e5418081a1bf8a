"""A look at a run's data before it starts: the job behind the Data page.

The counts and the sentences are drawn up in `core.data.summary`; the run itself gets the same ones from `prepare`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.config.run import RunConfig
from core.data.fitting import fitting, room
from core.data.prepare import survey
from core.data.reading import Limit
from core.data.summary import Problem, Report
from core.home import Home
from core.saying import Say

__all__ = ["Problem", "Report", "inspect_job"]


def inspect_job(home: Home, body: dict[str, Any], progress: Say) -> dict[str, Any]:
    """Look at a run's data for the window.

    Args:
        home: for models that have to be converted first, and for tokens that are kept.
        body: `config`: the run file's mapping, of which `seed`, `task`, `model` and `data` are read. Without a model
            there are no token counts.
        progress: told how far it is.

    Returns:
        See `Report`.

    Raises:
        UserError: a file or a row that cannot be read.
    """
    given = body["config"]
    config = RunConfig.from_dict({key: given[key] for key in ("seed", "task", "model", "data") if key in given})
    if not config.model.path:
        return survey(config.data, None, config.seed, progress, limit=Limit(), task=config.task).report.to_dict()
    from core.models.catalog import describe
    from core.models.load import load_tokenizer, resolve

    model = resolve(home, Path(config.model.path), progress)
    info = describe(model)
    found = survey(
        fitting(config.data, info), load_tokenizer(model), config.seed, progress, limit=Limit(), task=config.task,
        vocabulary=info.vocabulary, context=room(info), home=home,
    )  # fmt: skip
    return found.report.to_dict()
