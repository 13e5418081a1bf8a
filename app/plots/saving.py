"""Pictures (PNG, SVG) and tables (CSV) of a plot, through one small menu."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QMarginsF, QRectF, QSize, Qt
from PySide6.QtGui import QGuiApplication, QImage, QImageWriter, QPaintDevice, QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QFileDialog, QGraphicsView, QMenu, QWidget

from app.errors import show_error
from app.style.theme import Theme
from app.widgets import Button
from core.atomic import write_bytes
from core.errors import UserError
from core.figures.figure import Figure, Lines, Table, Words

Saved = Figure | Table | Words
"""What can be saved: all as numbers or text, and what is drawn as a picture too."""
_HEAD = 56
"""Room for title and legend above the plot in a saved picture, in pixels."""


def save_button(plot: QWidget, figure: Callable[[], Saved | None]) -> Button:
    """The button that opens the menu; put it in the head of the plot's panel."""
    button = Button("", "ghost", icon="download", name="Save this plot")
    button.clicked.connect(lambda: saving_menu(plot, figure).popup(button.mapToGlobal(button.rect().bottomLeft())))
    return button


def saving_menu(plot: QWidget, figure: Callable[[], Saved | None]) -> QMenu:
    """A menu that saves or copies what `plot` shows of `figure`."""
    menu = QMenu(plot)
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    add_saving(menu, plot, figure)
    return menu


def add_saving(menu: QMenu, plot: QWidget, figure: Callable[[], Saved | None]) -> None:
    """Add the ways to save and copy a plot to a menu."""
    if isinstance(figure(), Table | Words):
        menu.addAction("Save the table as CSV", partial(_ask_figure, plot, figure, "csv"))
        return
    for text, kind in (("Save as PNG", "png"), ("Save as SVG", "svg"), ("Save the numbers as CSV", "csv")):
        action = menu.addAction(text, partial(_ask_figure, plot, figure, kind))
        action.setEnabled(figure() is not None)
    menu.addAction("Copy the picture", lambda: QGuiApplication.clipboard().setImage(picture(plot, figure())))


def _ask_figure(plot: QWidget, figure: Callable[[], Saved | None], kind: str) -> None:
    _ask_and_save(plot, figure(), kind)


def save(plot: QWidget, figure: Saved, path: Path) -> None:
    """Write the plot to a file; the kind is the file's ending: png, svg or csv.

    Raises:
        UserError: the file cannot be written.
    """
    writers = {".csv": lambda: figure.csv().encode("utf-8"), ".svg": lambda: _svg(plot, figure)}
    data = writers.get(path.suffix.lower(), lambda: _png(plot, figure))()
    try:
        write_bytes(path, data)
    except OSError as error:
        raise UserError(
            f"{path} could not be written: {error.strerror or error}.",
            hint="Choose another folder, or make room on the disk.",
        ) from error


def picture(plot: QWidget, figure: Saved | None, *, ratio: float = 2.0) -> QImage:
    """The plot with its title and legend, at twice its size on the screen."""
    size = _whole(plot)
    image = QImage(size * ratio, QImage.Format.Format_ARGB32_Premultiplied)
    image.setDevicePixelRatio(ratio)
    _draw(plot, figure, image)
    return image


def _png(plot: QWidget, figure: Saved) -> bytes:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    QImageWriter(buffer, QByteArray(b"png")).write(picture(plot, figure))
    return bytes(buffer.data().data())


def _svg(plot: QWidget, figure: Saved) -> bytes:
    size = _whole(plot)
    buffer = QBuffer()
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setSize(size)
    generator.setViewBox(QRectF(0, 0, size.width(), size.height()))
    generator.setTitle(figure.title)
    generator.setDescription(figure.summary())
    _draw(plot, figure, generator)
    return bytes(buffer.data().data())


def _draw(plot: QWidget, figure: Saved | None, device: QPaintDevice) -> None:
    theme = Theme.current()
    size = _whole(plot)
    painter = QPainter(device)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.fillRect(QRectF(0, 0, size.width(), size.height()), theme.color("panel"))
    if figure is not None:
        _draw_head(painter, figure, size.width())
    body = QRectF(0, _HEAD, size.width(), size.height() - _HEAD).marginsRemoved(QMarginsF(8, 0, 8, 8))
    if isinstance(plot, QGraphicsView):
        plot.scene().prepareForPaint()  # type: ignore[attr-defined]  # pyqtgraph's own scene
        plot.render(painter, body)
    else:
        plot.render(painter, body.topLeft().toPoint())
    painter.end()


def _draw_head(painter: QPainter, figure: Saved, width: int) -> None:
    theme = Theme.current()
    painter.setPen(theme.color("text"))
    painter.setFont(theme.font(14, 600))
    painter.drawText(QRectF(16, 8, width - 32, 24), Qt.AlignmentFlag.AlignVCenter, figure.title)
    painter.setFont(theme.font(12))
    x = 16.0
    for series in figure.series if isinstance(figure, Lines) else ():
        painter.setPen(theme.color(series.color))
        text = f"— {series.name}"
        painter.drawText(QRectF(x, 30, width - x, 20), Qt.AlignmentFlag.AlignVCenter, text)
        x += painter.fontMetrics().horizontalAdvance(text) + 18


def _whole(plot: QWidget) -> QSize:
    return QSize(plot.width() + 16, plot.height() + _HEAD + 8)


def _ask_and_save(plot: QWidget, figure: Saved | None, kind: str) -> None:
    if figure is None:
        return
    name = re.sub(r"[^a-z0-9]+", "-", figure.title.lower()).strip("-")
    chosen, _ = QFileDialog.getSaveFileName(plot, "Save the plot", f"{name}.{kind}", f"{kind.upper()} (*.{kind})")
    if not chosen:
        return
    path = Path(chosen)
    try:
        save(plot, figure, path if path.suffix else path.with_suffix(f".{kind}"))
    except UserError as error:
        show_error(error, plot.window())
