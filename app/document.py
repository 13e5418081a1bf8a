"""The configuration that the window is editing: one frozen `RunConfig`, replaced on every change, with undo.

Pages never hold values of their own. They show `config`, ask for changes with `set` or `update`, and follow `changed`,
which names the dotted paths that are new. Every change is an entry of one undo stack; edits of the same field, and the
cells of one stroke on the map, melt into one entry. The draft is saved a moment after the last change, so that closing
the window loses nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from app.draft import Draft
from app.wording import labelled
from core.config.check import check_config
from core.config.edit import difference, replaced, sentence
from core.config.naming import fresh_name, is_suggested, suggested_name
from core.config.pace import RANK, RATE, at_pace
from core.config.run import RunConfig
from core.config.select import select
from core.errors import UserError
from core.home import Home
from core.layers import LayerPlan
from core.models.catalog import describe
from core.models.info import ModelInfo
from core.problem import Problem

_SAVE_AFTER = 400
"""Milliseconds without a change after which the draft is written."""
_PAUSE = 3.0
"""Seconds after which another edit of the same field is an undo step of its own."""
_CHECK_AFTER = 120
"""Milliseconds without a change after which values are checked against each other."""
_RECENT = 8
_NAMED_AFTER = ("adapter.method", "data.path")


class Document(QObject):
    """The configuration in the making, its model and its chosen layers.

    Args:
        home: where the draft lives; None keeps it in memory.
        taken: the names that runs already have.
    """

    changed = Signal(object)
    """frozenset of the dotted paths that have new values."""
    model_changed = Signal()
    """`model` or `model_error` is new."""
    plans_changed = Signal()
    """`plans` or `plans_error` is new."""
    problems_changed = Signal()
    """`problems()` may say something else."""
    reported = Signal()
    """`data_report` is new."""

    def __init__(
        self, home: Home | None = None, *, taken: Callable[[], Collection[str]] = tuple, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.taken = taken
        self.undo = QUndoStack(self)
        self.model: ModelInfo | None = None
        self.model_error: UserError | None = None
        self.plans: tuple[LayerPlan, ...] = ()
        self.plans_error: UserError | None = None
        self.warnings: tuple[Problem, ...] = ()
        self.data_report: Mapping[str, Any] | None = None
        self._unread: dict[str, str] = {}
        self._found: tuple[Problem, ...] = ()
        self._draft = Draft(home.root / "draft.yaml") if home else None
        kept = self._draft.read() if self._draft else None
        self._config = kept.config if kept else RunConfig()
        self.recent: dict[str, tuple[str, ...]] = dict(kept.recent) if kept else {}
        self._saving = QTimer(self, singleShot=True, interval=_SAVE_AFTER)
        self._saving.timeout.connect(self.flush)
        self._checking = QTimer(self, singleShot=True, interval=_CHECK_AFTER)
        self._checking.timeout.connect(self.check)
        self.read_model()

    @property
    def config(self) -> RunConfig:
        """What the form says now. It may be unsound: see `problems`."""
        return self._config

    def set(self, path: str, value: Any) -> None:
        """Change one value; another edit of it shortly after is the same undo step.

        Raises:
            UserError: the value is not allowed there; nothing has changed.
        """
        self.update({path: value}, merge=path)

    def update(self, values: Mapping[str, Any], text: str = "", *, merge: str = "") -> None:
        """Change several values in one undo step; where the method is another then, rate and rank keep their pace.

        Args:
            values: dotted path to value.
            text: what the undo menu calls it; by default what changed, in words.
            merge: edits that follow each other under the same key are one undo step.

        Raises:
            UserError: one of the values is not allowed; nothing has changed.
        """
        config = replaced(self._config, values)
        if "name" not in values and not set(values).isdisjoint(_NAMED_AFTER):
            config = self._renamed(self._config, config)
        if not {RATE, RANK} & values.keys():
            config = at_pace(self._config, config)
        for path in values:
            self.say(path, "")
        self._push(config, text, merge)

    def replace(self, config: RunConfig, text: str) -> None:
        """Take over a whole configuration as one undo step."""
        self._unread.clear()
        self._push(config, text, "")
        self.problems_changed.emit()

    def begin_from(self, config: RunConfig, text: str) -> None:
        """Take over an earlier run's configuration for a run of its own, under a name that is free."""
        self.replace(replaced(config, {"name": fresh_name(config, self.taken())}), text)

    def say(self, path: str, problem: str) -> None:
        """Note that the field at `path` holds a text that is no value (the last sound one stands); "" takes it back."""
        if self._unread.get(path, "") == problem:
            return
        self._unread.pop(path, None)
        if problem:
            self._unread[path] = problem
        self.problems_changed.emit()

    def blocking(self) -> list[Problem]:
        """Everything that keeps the configuration from being a run, in the window's words."""
        own = dict(self._unread)
        if self.model_error is not None:
            own.setdefault("model.path", self.model_error.text)
        elif self.model is None:
            own.setdefault("model.path", "No model is chosen yet.")
        if not self._config.data.path:
            own.setdefault("data.path", "No data is chosen yet.")
        if not self._config.adapter.layers:
            own.setdefault("adapter.layers", "No layer is chosen yet.")
        elif self.plans_error is not None:
            own.setdefault(self.plans_error.path or "adapter.layers", self.plans_error.text)
        others = [one for one in (*self._found, *_blocking(self.data_report)) if one.path not in own]
        return [_worded(one) for one in (*(Problem(path, text) for path, text in own.items()), *others)]

    def problems(self) -> dict[str, str]:
        """The first of them for each option, as dotted path to sentences."""
        found: dict[str, str] = {}
        for problem in self.blocking():
            found.setdefault(problem.path, f"{problem.text} {problem.hint}".strip())
        return found

    def check(self) -> dict[str, str]:
        """Check the values against each other now rather than a moment later; returns `problems`."""
        self._checking.stop()
        found, warnings = check_config(self._config, self.model, self.data_report)
        if not self._config.adapter.layers:
            found = [problem for problem in found if problem.path != "adapter.layers"]
        self._found = tuple(found)
        self.warnings = tuple(_worded(one) for one in warnings)
        self.problems_changed.emit()
        return self.problems()

    def take_report(self, report: Mapping[str, Any] | None) -> None:
        """What `inspect_data` has found about the present data; None while that is not known."""
        self.data_report = report
        self._checking.start()
        self.reported.emit()
        self.problems_changed.emit()

    def take_next_name(self) -> None:
        """After a run has started: a suggested name moves on to the next free number; not a step that can be undone."""
        self._apply(self._renamed(self._config, self._config))

    def remember(self, kind: str, path: str) -> None:
        """Put a model or data path first among the recent ones (`kind`: "model" or "data")."""
        others = [other for other in self.recent.get(kind, ()) if other != path]
        self.recent[kind] = (path, *others)[:_RECENT]
        self._saving.start()

    def read_model(self) -> None:
        """Read the headers of the model at `model.path` (again)."""
        self.model, self.model_error = None, None
        path = self._config.model.path
        if path:
            try:
                self.model = describe(Path(path))
            except UserError as error:
                self.model_error = error
        self._choose()
        self._checking.start()
        self.model_changed.emit()
        self.problems_changed.emit()

    def flush(self) -> None:
        """Write the draft now."""
        self._saving.stop()
        if self._draft:
            self._draft.write(self._config, self.recent)

    def _renamed(self, before: RunConfig, config: RunConfig) -> RunConfig:
        """The configuration with a fresh suggestion for its name, where nobody chose one."""
        if not is_suggested(before.name, before) or not config.data.path:
            return config
        return replaced(config, {"name": suggested_name(config, self.taken())})

    def _push(self, config: RunConfig, text: str, merge: str) -> None:
        if difference(self._config, config):
            self.undo.push(_Edit(self, self._config, config, text, merge))

    def _apply(self, config: RunConfig) -> None:
        """Make `config` the current one and tell everybody."""
        paths = difference(self._config, config)
        if not paths:
            return
        self._config = config
        for path in paths:
            self._unread.pop(path, None)
        self._saving.start()
        self._checking.start()
        if "model.path" in paths:
            self.read_model()
        elif any(path.startswith("adapter.") for path in paths):
            self._choose()
        self.changed.emit(paths)
        self.problems_changed.emit()

    def _choose(self) -> None:
        """Work out the chosen layers from the model and the adapter's part."""
        self.plans, self.plans_error = (), None
        if self.model is not None and self._config.adapter.layers:
            try:
                self.plans = tuple(select(self.model.layers, self._config.adapter))
            except UserError as error:
                self.plans_error = error
        self.plans_changed.emit()


def _blocking(report: Mapping[str, Any] | None) -> list[Problem]:
    """The problems of a data report that a run cannot start with."""
    found = [problem for problem in (report or {}).get("problems", ()) if problem["blocking"]]
    return [Problem(problem["path"], problem["text"], problem["hint"]) for problem in found]


def _worded(problem: Problem) -> Problem:
    return replace(problem, text=labelled(problem.text), hint=labelled(problem.hint))


class _Edit(QUndoCommand):
    """One step of the undo stack: the configuration before and after."""

    def __init__(self, document: Document, before: RunConfig, after: RunConfig, text: str, merge: str) -> None:
        super().__init__(text or sentence(before, after))
        self._document = document
        self._before = before
        self._after = after
        self._fixed = bool(text)
        self._merge = merge
        self._at = time.monotonic()

    def id(self) -> int:
        """Which steps may melt together: -1 for none."""
        return hash(self._merge) % (2**31 - 1) if self._merge else -1

    def mergeWith(self, other: QUndoCommand) -> bool:
        """Take up the step that follows, where it edits the same thing shortly after."""
        if not isinstance(other, _Edit) or other._merge != self._merge or other._at - self._at > _PAUSE:
            return False
        self._after = other._after
        self._at = other._at
        self.setObsolete(not difference(self._before, self._after))
        if not self._fixed:
            self.setText(sentence(self._before, self._after))
        return True

    def redo(self) -> None:
        """Make the change."""
        self._document._apply(self._after)

    def undo(self) -> None:
        """Take it back."""
        self._document._apply(self._before)
