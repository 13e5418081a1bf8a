"""How the layer map looks: cells, heads, the outlines of what is chosen and the rings of what is marked."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPen

from app.style.scales import color, text_on
from app.style.theme import Theme
from app.widgets.map_grid import Cell

if TYPE_CHECKING:
    from app.widgets.layer_map import LayerMap

_NUMBER_FITS = 12
"""Cells at least this high (at scale 1) carry their rank; lower ones share one number over a run of equal ranks."""
_TALL = 44
"""Cells that high (at scale 1) carry it in a larger size."""
_FINE_FROM = 11
"""From this distance on, cells have round corners."""
_DIM = {True: 0.2, False: 0.27}
"""Strength of the colour of cells that are not chosen, on dark and on light ground."""


class MapPainter:
    """Paints one map. It reads the map's state and keeps none."""

    def __init__(self, map: LayerMap) -> None:
        self._map = map

    def rect(self, cell: Cell) -> QRectF:
        """Where a cell or head is in the viewport."""
        m, scale = self._map, self._map.scale
        row, column = cell
        x = scale.left + column * scale.pitch_x - m.horizontalScrollBar().value() if column >= 0 else 0
        y = scale.top + row * scale.pitch_y - m.verticalScrollBar().value() if row >= 0 else 0
        width = scale.pitch_x - scale.gap_x if column >= 0 else scale.left - 6
        height = scale.pitch_y - scale.gap_y if row >= 0 else scale.top - 6
        return QRectF(x, y, width, height)

    def paint(self, event: QPaintEvent) -> None:
        """Everything that can be seen."""
        m, scale, theme = self._map, self._map.scale, Theme.current()
        painter = QPainter(m.viewport())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        first = m.verticalScrollBar().value() // scale.pitch_y
        last = (m.verticalScrollBar().value() + m.viewport().height() - scale.top) // scale.pitch_y + 1
        rows = range(max(first, 0), min(last, len(m.grid.rows)))
        seen, shift = event.rect(), m.horizontalScrollBar().value() - scale.left
        left, right = (seen.left() + shift) // scale.pitch_x, (seen.right() + shift) // scale.pitch_x
        columns = range(max(left, 0), min(right + 1, len(m.grid.columns)))
        self._heads(painter, theme)
        self._blocks(painter, theme, rows)
        painter.setClipRect(QRect(scale.left - 4, scale.top - 4, m.viewport().width(), m.viewport().height()))
        self._cells(painter, theme, rows, columns)
        self._rings(painter, theme)
        painter.end()

    def _cells(self, painter: QPainter, theme: Theme, rows: range, columns: range) -> None:
        """The cells of these rows and columns: fill, outline, number."""
        m, scale, tokens = self._map, self._map.scale, theme.tokens
        # A little of a dark colour would sink into a dark panel: there it goes on a lighter ground.
        full, dim = _shades(), _shades(tokens.hover if tokens.dark else tokens.panel, _DIM[tokens.dark])
        faded, raised = _shades(tokens.panel, _DIM[tokens.dark] / 2.5), theme.color("raised")
        numbers = scale.pitch_y - scale.gap_y >= theme.px(_NUMBER_FITS)
        draw = _Fine(painter, theme, scale.pitch_y) if scale.pitch_y >= _FINE_FROM else _Coarse(painter, theme)
        painter.setFont(theme.font(11 if scale.pitch_y < theme.px(_TALL) else 14, 600, mono=True))
        origin = self.rect((0, 0))
        for (row, column), found in m.grid.cells.items():
            if row not in rows or column not in columns:
                continue
            x, y = origin.x() + column * scale.pitch_x, origin.y() + row * scale.pitch_y
            rect = QRectF(x, y, origin.width(), origin.height())
            rank, whole, share = self._state(found)
            away = m.matches is not None and m.matches.isdisjoint(found)
            shades = faded if away else full if rank else dim
            draw.cell(rect, raised if share is None else shades[round(share * 255)], rank > 0, whole)
            if rank and numbers:
                painter.setPen(theme.color("text") if away or share is None else text_on(share))
                painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, f"{rank}" if whole else f"{rank} +")
        if not numbers:
            self._runs(painter, theme, rows, columns)

    def _state(self, found: tuple[int, ...]) -> tuple[int, bool, float | None]:
        """Of a cell's layers: the highest rank, whether all have it, and the highest share of what colours them."""
        ranks, shares = self._map.ranks, self._map.shares
        if len(found) == 1:
            return ranks[found[0]], True, shares[found[0]]
        rank = max(ranks[index] for index in found)
        known = [share for index in found if (share := shares[index]) is not None]
        return rank, all(ranks[index] == rank for index in found), max(known, default=None)

    def _runs(self, painter: QPainter, theme: Theme, rows: range, columns: range) -> None:
        """One number over each run of equal ranks down a column, where single cells are too low for a number."""
        m = self._map
        for column in columns:
            start, rank = rows.start, 0
            for row in range(rows.start, rows.stop + 1):
                found = m.grid.cells.get((row, column), ()) if row < rows.stop else ()
                here = m.ranks[found[0]] if found else 0
                if here != rank or row == rows.stop:
                    if rank:
                        self._pill(painter, theme, start, row - 1, column, str(rank))
                    start, rank = row, here

    def _pill(self, painter: QPainter, theme: Theme, top: int, bottom: int, column: int, text: str) -> None:
        """A number on a plate in the middle of a run, where the run is high enough to stay visible beside it."""
        run = self.rect((top, column)).united(self.rect((bottom, column)))
        run = run.intersected(QRectF(self._map.viewport().rect()).adjusted(0, self._map.scale.top, 0, 0))
        height = theme.px(15)
        if run.height() < 2 * height:
            return
        width = max(QFontMetrics(painter.font()).horizontalAdvance(text) + theme.px(12), theme.px(24))
        plate = QRectF(run.center().x() - width / 2, run.center().y() - height / 2, width, height)
        painter.setPen(QPen(theme.color("text"), 1))
        painter.setBrush(theme.color("panel"))
        painter.drawRoundedRect(plate, 4, 4)
        painter.setPen(theme.color("text"))
        painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, text)

    def _heads(self, painter: QPainter, theme: Theme) -> None:
        """The roles across the top."""
        m, scale = self._map, self._map.scale
        painter.setFont(theme.font(12, mono=True))
        metrics = QFontMetrics(painter.font())
        painter.setClipRect(QRect(scale.left, 0, m.viewport().width(), scale.top))
        for column, head in enumerate(m.grid.columns):
            rect = self.rect((-1, column))
            self._hover(painter, theme, (-1, column), rect.adjusted(0, 3, 0, -5))
            lit = m.hovered is not None and m.hovered[1] == column
            painter.setPen(theme.color("text" if lit else "muted"))
            text = metrics.elidedText(head, Qt.TextElideMode.ElideMiddle, scale.pitch_x - scale.gap_x)
            painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, text)
        painter.setClipping(False)

    def _blocks(self, painter: QPainter, theme: Theme, rows: range) -> None:
        """The block numbers down the side; every second, fifth or tenth where they would touch."""
        m, scale = self._map, self._map.scale
        painter.setFont(theme.font(11, mono=True))
        step = next(step for step in (1, 2, 5, 10, 20) if step * scale.pitch_y >= theme.px(14) or step == 20)
        painter.setClipRect(QRect(0, scale.top - 2, scale.left, m.viewport().height()))
        for row in rows:
            block, rect = m.grid.rows[row], self.rect((row, -1))
            lit = m.hovered is not None and m.hovered[0] == row
            near = m.hovered is not None and abs(m.hovered[0] - row) * scale.pitch_y < theme.px(14)
            self._hover(painter, theme, (row, -1), rect.adjusted(8, 0, 0, 0))
            if not lit and (near or (block is not None and block % step)):
                continue
            painter.setPen(theme.color("text" if lit else "muted"))
            text = "–" if block is None else str(block)
            tall = rect.adjusted(0, -8, -10, 8)
            painter.drawText(tall, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
        painter.setClipping(False)

    def _hover(self, painter: QPainter, theme: Theme, head: Cell, rect: QRectF) -> None:
        """The ground of a head under the mouse, or under the keyboard."""
        m = self._map
        if head not in (m.hovered, m.current if m.hasFocus() else None):
            return
        painter.setPen(QPen(theme.color("accent"), 1) if m.hasFocus() and head == m.current else Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("hover"))
        painter.drawRoundedRect(rect, 4, 4)

    def _rings(self, painter: QPainter, theme: Theme) -> None:
        """What is marked, where the keyboard and the mouse are, and the rectangle that is being drawn."""
        m = self._map
        painter.setBrush(Qt.BrushStyle.NoBrush)
        grow = 1.5 if m.scale.gap_y >= 4 else 0.5
        painter.setPen(QPen(theme.color("accent"), 2))
        marked = m.marked_cells if len(m.marked_cells) < len(m.grid.cells) else {}
        for cell in marked:
            painter.drawRoundedRect(self.rect(cell).adjusted(-grow, -grow, grow, grow), 4, 4)
        if m.hovered is not None and m.hovered in m.grid.cells and m.drag is None:
            painter.setPen(QPen(theme.color("text", 0.55), 1))
            painter.drawRoundedRect(self.rect(m.hovered).adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)
        if m.hasFocus() and m.current in m.grid.cells:
            painter.setPen(QPen(theme.color("text"), 1.5, Qt.PenStyle.DashLine))
            painter.drawRoundedRect(self.rect(m.current).adjusted(-grow - 1, -grow - 1, grow + 1, grow + 1), 4, 4)
        if m.drag is not None and m.drag.rectangle:
            area = self.rect(m.drag.start).united(self.rect(m.drag.last)).adjusted(-3, -3, 3, 3)
            painter.setPen(QPen(theme.color("accent"), 1.5, Qt.PenStyle.DashLine))
            painter.setBrush(theme.color("accent", 0.12))
            painter.drawRoundedRect(area, 5, 5)


class _Fine:
    """Cells with round corners and a smooth outline, where they are large enough to show it."""

    def __init__(self, painter: QPainter, theme: Theme, pitch: int) -> None:
        self._painter = painter
        self._radius = 3 if pitch >= 14 else 2
        self._whole = QPen(theme.color("text"), 1.5 if pitch >= 14 else 1)
        self._partly = QPen(theme.color("text"), 1, Qt.PenStyle.DotLine)

    def cell(self, rect: QRectF, fill: QColor, chosen: bool, whole: bool) -> None:
        """Paint one."""
        self._painter.setBrush(fill)
        self._painter.setPen((self._whole if whole else self._partly) if chosen else Qt.PenStyle.NoPen)
        rect = rect.adjusted(0.5, 0.5, -0.5, -0.5) if chosen else rect
        self._painter.drawRoundedRect(rect, self._radius, self._radius)


class _Coarse:
    """Plain rectangles for maps of a thousand cells: several times faster, and no different to the eye."""

    def __init__(self, painter: QPainter, theme: Theme) -> None:
        self._painter = painter
        self._edges = {True: theme.color("text"), False: theme.color("muted")}

    def cell(self, rect: QRectF, fill: QColor, chosen: bool, whole: bool) -> None:
        """Paint one."""
        if chosen:
            self._painter.fillRect(rect, self._edges[whole])
            rect = rect.adjusted(1, 1, -1, -1)
        self._painter.fillRect(rect, fill)


@cache
def _shades(ground: str = "#000000", strength: float = 1.0) -> tuple[QColor, ...]:
    """Viridis in 256 steps, mixed into a ground colour where `strength` is below 1."""
    under = QColor(ground)
    return tuple(
        QColor(
            round(full.red() * strength + under.red() * (1 - strength)),
            round(full.green() * strength + under.green() * (1 - strength)),
            round(full.blue() * strength + under.blue() * (1 - strength)),
        )
        for full in (color(step / 255) for step in range(256))
    )
