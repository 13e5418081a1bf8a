"""The map of a model's matrices: blocks down, roles across; colour is a measure, an outline with a number is a choice.

It paints every cell itself, because a thousand widgets would be slow where a thousand rectangles take milliseconds. It
holds no truth: what is chosen is told to it, and what the user paints is told to the page, cell by cell while the
stroke goes on.

    click, drag          choose or erase, whichever the first cell was not
    shift-drag           the same for a rectangle
    ctrl- or right-drag  mark cells for the panel beside the map, without choosing
    heads                a whole row or column
    arrows, space        move, choose or erase; beyond the edge stand the heads; shift marks; enter goes to the rank
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from PySide6.QtCore import QEvent, QPoint, QSize, Qt, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleEvent,
    QFocusEvent,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QToolTip, QWidget

from app.style.theme import Theme
from app.widgets.map_grid import Cell, Grid, Layout
from app.widgets.map_painter import MapPainter
from core.layers import LayerInfo

_LEAST, _ENOUGH = 320, 440
"""Height that the map has at least, where it makes use of it, and that it wants though it does not: there are panels
beside it. In unscaled pixels."""
_STROKES = count(1)
_MOVES = {
    Qt.Key.Key_Up: (-1, 0), Qt.Key.Key_Down: (1, 0), Qt.Key.Key_Left: (0, -1), Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_PageUp: (-10, 0), Qt.Key.Key_PageDown: (10, 0),
    Qt.Key.Key_Home: (0, -10_000), Qt.Key.Key_End: (0, 10_000),
}  # fmt: skip


@dataclass
class Drag:
    """A press of the mouse that is still held.

    Attributes:
        choose: whether it chooses or erases; None where it only marks.
        rectangle: whether it takes the rectangle from its start instead of the cells passed.
    """

    start: Cell
    choose: bool | None
    rectangle: bool
    stroke: int
    last: Cell
    passed: dict[Cell, None] = field(default_factory=dict)


class LayerMap(QAbstractScrollArea):
    """The map. See the module."""

    painted = Signal(object, bool, int)
    """frozenset of names, whether they are chosen (or erased), and the number of the stroke it belongs to."""
    marked_changed = Signal()
    """`marked` names other layers."""
    entered = Signal()
    """Enter was pressed: the user wants to edit what is marked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.grid = Grid.of(())
        self.ranks: list[int] = []
        self.shares: list[float | None] = []
        self.matches: frozenset[int] | None = None
        self.current: Cell = (0, 0)
        self.hovered: Cell | None = None
        self.drag: Drag | None = None
        self.marked_cells: dict[Cell, None] = {}
        self.read_only = False  # whether cells can be marked, but not chosen
        self.describe: Callable[[LayerInfo], str] = lambda layer: layer.name
        self._low = False
        self._index: dict[str, int] = {}
        self._painter = MapPainter(self)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.viewport().setMouseTracking(True)
        self.viewport().setAutoFillBackground(False)
        self.setAccessibleName("Map of layers")
        Theme.current().changed.connect(self._relay)
        self._relay()

    def set_layers(self, layers: Sequence[LayerInfo]) -> None:
        """Show another model's layers; nothing is chosen, coloured or marked then."""
        self.grid = Grid.of(layers)
        self._index = {layer.name: index for index, layer in enumerate(self.grid.layers)}
        self.ranks = [0] * len(self.grid.layers)
        self.shares = [None] * len(self.grid.layers)
        self.matches, self.drag, self.hovered = None, None, None
        self.current, self.marked_cells = (0, 0), {}
        self.updateGeometry()
        self._relay()
        self.marked_changed.emit()

    def set_ranks(self, ranks: Mapping[str, int]) -> None:
        """Show these layers as chosen, with their ranks."""
        fresh = [0] * len(self.grid.layers)
        for name, rank in ranks.items():
            if name in self._index:
                fresh[self._index[name]] = rank
        changed = {index for index, rank in enumerate(fresh) if rank != self.ranks[index]}
        if changed:
            self.ranks = fresh
            self._repaint_columns(changed)
            self._tell()

    def set_shares(self, shares: Mapping[str, float]) -> None:
        """Colour by these, 0 (lowest) to 1 (highest); layers that are not named have no colour."""
        self.shares = [shares.get(layer.name) for layer in self.grid.layers]
        self.viewport().update()

    def set_matches(self, names: Iterable[str] | None) -> None:
        """Let these stand out (the filter); None for all alike."""
        self.matches = None if names is None else frozenset(self._index[name] for name in names if name in self._index)
        self.viewport().update()

    def mark(self, cells: Iterable[Cell]) -> None:
        """Mark cells for the panel beside the map."""
        self.marked_cells = dict.fromkeys(cells)
        self.viewport().update()
        self.marked_changed.emit()

    @property
    def marked(self) -> tuple[LayerInfo, ...]:
        """The layers that the panel beside the map is about."""
        return tuple(self.grid.layers[index] for cell in self.marked_cells for index in self.grid.within(cell))

    @property
    def scale(self) -> Layout:
        """The present measures."""
        return self._layout

    def cell_at(self, place: QPoint) -> Cell | None:
        """The cell or head at a place of the viewport."""
        x, y = place.x(), place.y()
        if x >= self._layout.left:
            x += self.horizontalScrollBar().value()
        if y >= self._layout.top:
            y += self.verticalScrollBar().value()
        cell = self._layout.at(x, y, self.grid)
        return cell if cell is not None and self.grid.within(cell) else None

    def place_of(self, cell: Cell) -> QPoint:
        """The middle of a cell or head in the viewport."""
        return self._painter.rect(cell).center().toPoint()

    def keep_low(self, low: bool) -> None:
        """Whether it wants no more height than it needs: there is more below it on a page that scrolls."""
        self._low = low
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        """As tall as the blocks make use of: a model of few leaves the rest of the window alone."""
        px, height = Theme.current().px, Layout.height_of(self.grid, Theme.current().scale)
        return QSize(super().sizeHint().width(), min(height, px(_LEAST)) if self._low else max(height, px(_ENOUGH)))

    def minimumSizeHint(self) -> QSize:
        """Some of them can be seen, where the page scrolls."""
        height = Layout.height_of(self.grid, Theme.current().scale)
        return QSize(super().minimumSizeHint().width(), min(Theme.current().px(_LEAST), height))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint it."""
        self._painter.paint(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Divide the new room."""
        self._relay()

    def viewportEvent(self, event: QEvent) -> bool:
        """Tooltips and the end of hovering; the rest is the scroll area's."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            cell = self.cell_at(event.pos())
            text = self._tip(cell) if cell else ""
            QToolTip.showText(event.globalPos(), text, self.viewport(), self._painter.rect(cell).toRect()) if (
                cell and text
            ) else QToolTip.hideText()
            return True
        if event.type() == QEvent.Type.Leave:
            self.hovered = None
            self.viewport().update()
        return super().viewportEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a stroke, a rectangle or a marking; heads act at once."""
        cell = self.cell_at(event.position().toPoint())
        if cell is None:
            return
        self.current = cell
        marks = self.read_only or event.button() == Qt.MouseButton.RightButton
        marks = marks or bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if -1 in cell:
            self._toggle(cell, marks)
            return
        choose = None if marks else not self._all_chosen(cell)
        rectangle = marks or bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        self.drag = Drag(cell, choose, rectangle, next(_STROKES), cell)
        self._pass(cell)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with what the press began; otherwise hover."""
        cell = self.cell_at(event.position().toPoint())
        if self.drag is not None:
            if cell is not None and -1 not in cell and cell != self.drag.last:
                self._pass(cell)
        elif cell != self.hovered:
            self.hovered = cell
            hand = cell is not None
            self.viewport().setCursor(Qt.CursorShape.PointingHandCursor if hand else Qt.CursorShape.ArrowCursor)
            self.viewport().update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End it: a rectangle is chosen now, and what was touched is marked."""
        drag, self.drag = self.drag, None
        if drag is None:
            return
        if drag.rectangle and drag.choose is not None:
            self._emit(drag.passed, drag.choose, drag.stroke)
        self.current = drag.last
        self.mark(drag.passed if drag.choose is not False else [drag.last])
        self._tell()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move, choose, mark: see the module."""
        key = Qt.Key(event.key())
        if key in _MOVES and self.grid.rows:
            self._move(*_MOVES[key], extend=bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
        elif key == Qt.Key.Key_Space and self.read_only:
            self.mark([self.current])
        elif key == Qt.Key.Key_Space and self.grid.rows:
            cells = self.marked_cells if self.current in self.marked_cells else {self.current: None}
            self._emit(cells, not all(self._all_chosen(cell) for cell in cells), next(_STROKES))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.entered.emit()
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the keyboard's place."""
        self.viewport().update()
        self._tell()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Hide it."""
        self.viewport().update()

    def _pass(self, cell: Cell) -> None:
        """The mouse, held, has come to a cell."""
        drag = self.drag
        assert drag is not None
        if drag.rectangle:
            drag.passed = dict.fromkeys(self.grid.rectangle(drag.start, cell))
        else:
            fresh = [passed for passed in self.grid.line(drag.last, cell) if passed not in drag.passed]
            drag.passed.update(dict.fromkeys(fresh))
            if fresh and drag.choose is not None:
                self._emit(fresh, drag.choose, drag.stroke)
        drag.last = cell
        if drag.rectangle:
            self.viewport().update()

    def _repaint_columns(self, changed: set[int]) -> None:
        """Paint the columns of these layers anew: a number stands for a run of cells, but never for two columns."""
        for column in {cell[1] for cell, found in self.grid.cells.items() if not changed.isdisjoint(found)}:
            area = self._painter.rect((-1, column)).toRect()
            self.viewport().update(area.adjusted(-4, self._layout.top - 8 - area.top(), 4, self.viewport().height()))

    def _toggle(self, cell: Cell, marks: bool) -> None:
        """A head was clicked."""
        row, column = cell
        cells = [
            found for found in self.grid.cells if (row < 0 or found[0] == row) and (column < 0 or found[1] == column)
        ]
        if not marks:
            self._emit(cells, not self._all_chosen(cell), next(_STROKES))
        self.mark(cells)

    def _emit(self, cells: Iterable[Cell], choose: bool, stroke: int) -> None:
        names = frozenset(self.grid.layers[index].name for cell in cells for index in self.grid.within(cell))
        if names:
            self.painted.emit(names, choose, stroke)

    def _move(self, down: int, across: int, *, extend: bool) -> None:
        """Take the keyboard's place somewhere else; with `extend` the rectangle up to it is marked."""
        rows, columns = len(self.grid.rows), len(self.grid.columns)
        row = min(max(self.current[0] + down, -1 if abs(down) <= 1 else 0), rows - 1)
        column = min(max(self.current[1] + across, -1 if abs(across) <= 1 else 0), columns - 1)
        if (row < 0 and column < 0) or not self.grid.within((row, column)):
            return
        start = next(iter(self.marked_cells), self.current)
        self.current = (row, column)
        self._show(self.current)
        if extend and -1 not in self.current:
            others = [cell for cell in self.grid.rectangle(start, self.current) if cell != start]
            self.mark([start, *others])
        else:
            self.mark([self.current])
        self._tell()

    def _show(self, cell: Cell) -> None:
        """Scroll so that a cell can be seen."""
        rect, bar = self._painter.rect(cell), self.verticalScrollBar()
        if cell[0] >= 0 and rect.top() < self._layout.top:
            bar.setValue(bar.value() - round(self._layout.top - rect.top()) - self._layout.pitch_y)
        elif rect.bottom() > self.viewport().height():
            bar.setValue(bar.value() + round(rect.bottom() - self.viewport().height()) + self._layout.pitch_y)

    def _all_chosen(self, cell: Cell) -> bool:
        return all(self.ranks[index] for index in self.grid.within(cell))

    def _relay(self) -> None:
        """Work out the measures and the scroll bars."""
        room = self.viewport().size()
        self._layout = Layout.fit(self.grid, room.width(), room.height(), Theme.current().scale)
        vertical, horizontal = self.verticalScrollBar(), self.horizontalScrollBar()
        vertical.setRange(0, max(0, self._layout.height - room.height()))
        vertical.setPageStep(max(room.height() - self._layout.top, 1))
        vertical.setSingleStep(self._layout.pitch_y * 3)
        horizontal.setRange(0, max(0, self._layout.width - room.width()))
        horizontal.setPageStep(max(room.width() - self._layout.left, 1))
        self.viewport().update()

    def _tip(self, cell: Cell) -> str:
        """The tooltip of a cell: every layer in it, up to a few."""
        if -1 in cell:
            return ""
        layers = [self.grid.layers[index] for index in self.grid.within(cell)]
        more = f"\nand {len(layers) - 4} more" if len(layers) > 4 else ""
        return "\n\n".join(self.describe(layer) for layer in layers[:4]) + more

    def _tell(self) -> None:
        """Say to a screen reader where the keyboard is."""
        found = self.grid.within(self.current)
        if not found:
            return
        row, column = self.current
        if -1 in self.current:
            place = (
                f"Row head, block {self.grid.rows[row]}" if row >= 0 else f"Column head, {self.grid.columns[column]}"
            )
        else:
            place = f"Block {self.grid.rows[row]}, {self.grid.columns[column]}"
        ranks = {self.ranks[index] for index in found}
        state = "not chosen" if ranks == {0} else f"chosen, rank {max(ranks)}" if 0 not in ranks else "partly chosen"
        self.setAccessibleDescription(f"{place}, {state}")
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.DescriptionChanged))
