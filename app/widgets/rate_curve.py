"""The learning rate over the run, drawn from the schedule itself while one chooses."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.forms.number import written
from app.style.theme import Theme
from core.config.run import TrainConfig
from core.optim.schedules import factor

_POINTS = 120


class RateCurve(QWidget):
    """A small line: steps to the right, the rate upwards."""

    def __init__(self) -> None:
        super().__init__()
        self._train = TrainConfig()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        Theme.current().changed.connect(self.updateGeometry)

    def show_train(self, train: TrainConfig) -> None:
        """Draw the rate of this training."""
        self._train = train
        last = train.learning_rate * factor(train.schedule, train.steps - 1, train.steps, train.warmup)
        self.setAccessibleName(
            f"Learning rate: up to {train.learning_rate:g}, {train.schedule.label.lower()}, {last:.2g} in the last step"
        )
        self.setToolTip(self.accessibleName())
        self.update()

    def sizeHint(self) -> QSize:
        """Grows with the text."""
        theme = Theme.current()
        return QSize(theme.px(200), theme.px(84))

    def paintEvent(self, event: QPaintEvent) -> None:
        """The curve over a base line, with its ends in figures."""
        theme, train = Theme.current(), self._train
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line = self.fontMetrics().height()
        area = QRectF(self.rect()).adjusted(1, 6, -1, -line - 4)
        painter.setPen(QPen(theme.color("line"), 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        steps = sorted({round(i * (train.steps - 1) / (_POINTS - 1)) for i in range(_POINTS)})
        points = QPolygonF()
        for step in steps:
            share = factor(train.schedule, step, train.steps, train.warmup)
            x = area.left() + area.width() * (step / max(1, train.steps - 1))
            points.append(QPointF(x, area.bottom() - area.height() * share))
        painter.setPen(QPen(theme.color("blue"), 2))
        painter.drawPolyline(points)
        painter.setPen(theme.color("muted"))
        below = QRectF(area.left(), area.bottom() + 2, area.width(), line + 2)
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, f"up to {written(train.learning_rate)}")
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, f"{train.steps} steps")
