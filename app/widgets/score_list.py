"""The scores that can be measured, each with what it can tell and what it cannot."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QVBoxLayout, QWidget

from app.widgets.labels import label
from app.widgets.panel import Panel
from app.widgets.scroll import scrolled
from core.insight.importance import SCORES


class ScoreList(Panel):
    """One line a score, any number of them chosen."""

    changed = Signal()
    """`chosen` is another."""

    def __init__(self, chosen: Sequence[str]) -> None:
        super().__init__("What to measure", note="several, to see whether they agree")
        self.boxes: dict[str, QCheckBox] = {}
        inner = QWidget()
        rows = QVBoxLayout(inner)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(3)
        for member in SCORES.members:
            self.boxes[member.kind] = box = QCheckBox(member.label)
            box.setAccessibleDescription(member.help())
            box.setChecked(member.kind in chosen)
            box.toggled.connect(lambda _: self.changed.emit())
            head = QHBoxLayout()
            head.addWidget(box)
            head.addStretch(1)
            if not member.learned:
                head.addWidget(label("needs no training", "small", tone="accent"))
            elif member.paper:
                head.addWidget(label(f"arXiv:{member.paper}", "small", tone="muted"))
            rows.addLayout(head)
            tells = label(member.help(), "hint", wrap=True)
            tells.setContentsMargins(26, 0, 12, 9)
            rows.addWidget(tells)
        rows.addStretch(1)
        self.add(scrolled(inner), 1)

    @property
    def chosen(self) -> list[str]:
        """The kinds of the chosen scores, in the registry's order."""
        return [kind for kind, box in self.boxes.items() if box.isChecked()]

    @property
    def learned(self) -> bool:
        """Whether one of them looks at an adapter that has learned something."""
        return any(member.learned for member in SCORES.members if member.kind in self.chosen)
