"""Work in parts: one a frame, none lost, none of what has been dropped."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.parts import Parts


class Shown:
    """Three parts that show what is new, if anything is."""

    def __init__(self) -> None:
        self.new = ""
        self.done: list[str] = []
        self.owner = QObject()
        self.parts = Parts(self.owner, self.begin)

    def begin(self) -> Iterator[None]:
        new, self.new = self.new, ""
        if not new:
            return
        for part in "123":
            self.done.append(new + part)
            if part != "3":
                yield

    def change(self, new: str) -> None:
        self.new = new
        self.parts.soon()


def test_each_part_has_a_turn_of_its_own(qtbot: QtBot) -> None:
    shown = Shown()
    shown.change("a")
    assert shown.done == ["a1"]
    seen = []
    while shown.done[-1] != "a3":
        QApplication.processEvents()
        seen.append(len(shown.done))
    assert seen.count(2) > 1, "the third came in the same turn as the second"


def test_what_is_new_meanwhile_comes_after_and_nothing_is_shown_twice(qtbot: QtBot) -> None:
    shown = Shown()
    for new in "abc":
        shown.change(new)
    qtbot.waitUntil(lambda: "c3" in shown.done)
    assert shown.done == ["a1", "a2", "a3", "c1", "c2", "c3"]
    qtbot.wait(60)
    assert len(shown.done) == 6


def test_all_at_once_leaves_nothing_for_later(qtbot: QtBot) -> None:
    shown = Shown()
    shown.change("a")
    shown.new = "b"
    shown.parts.now()
    assert shown.done == ["a1", "a2", "a3", "b1", "b2", "b3"]
    qtbot.wait(60)
    assert len(shown.done) == 6


def test_what_is_dropped_is_not_shown(qtbot: QtBot) -> None:
    shown = Shown()
    shown.change("a")
    shown.parts.drop()
    qtbot.wait(60)
    assert shown.done == ["a1"]
    shown.change("b")
    qtbot.waitUntil(lambda: shown.done == ["a1", "b1", "b2", "b3"])
