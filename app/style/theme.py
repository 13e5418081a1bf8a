"""The theme: palette, fonts and stylesheet of the whole window, live.

It follows the system's light or dark scheme unless the user chose one, scales all text with Ctrl +/-/0, and remembers
both. Everything that paints itself asks `Theme.current()` for colours and sizes and repaints on `changed`, or enlists
where that takes longer; everything else is coloured by one stylesheet, chosen by dynamic properties (`kind`, `tone`,
`type`) and never by its own colours.

Each page of the window wears that stylesheet, and what is put into it is styled then, once. Worn by the application
it would style every widget anew, with all that is inside, each time that one is put into another: a page took three
times as long to make. And where colours or sizes change, the page in front takes them first and its plots one after
another, while the window keeps its picture to show all of it as one; the hidden pages follow one by one, or as soon as
they come to the front.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol, cast
from weakref import WeakSet

from PySide6.QtCore import QObject, QSettings, Qt, QTemporaryDir, QTimer, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QFontInfo, QGuiApplication, QIcon, QPalette
from PySide6.QtWidgets import QApplication, QWidget
from shiboken6 import isValid

from app.style import icons
from app.style.sheet import sheet
from app.style.tokens import DARK, LIGHT, Tokens

Choice = Literal["system", "dark", "light"]
CHOICES: tuple[Choice, ...] = ("system", "dark", "light")
FONTS = Path(__file__).resolve().parents[2] / "resources" / "fonts"
SCALES = (0.85, 0.9, 1.0, 1.1, 1.25, 1.4, 1.6, 1.8, 2.0)
SMALLEST = 11
"""No text is smaller than this many pixels, whatever the scale."""


class Painter(Protocol):
    """A widget that paints with what it makes of the theme's colours and sizes."""

    def restyle(self) -> None:
        """Make it anew."""


class Theme(QObject):
    """The one theme of the application; made once by `app.start`, found with `Theme.current()`.

    Args:
        settings: where choices are remembered; None for nowhere.
        undressed: whether the stylesheet waits for somebody to wear it, instead of being put on the application.
    """

    changed = Signal()
    _current: Theme | None = None

    def __init__(self, settings: QSettings | None = None, *, undressed: bool = False) -> None:
        super().__init__()
        self._settings = settings
        self._icons = QTemporaryDir()
        self.family, self.mono_family = _load_fonts()
        self.choice: Choice = self._remembered_choice()
        self.scale = float(cast(str, settings.value("text_scale", 1.0))) if settings else 1.0
        self.tokens: Tokens = DARK
        self._applied: tuple[Tokens, float] | None = None
        self._undressed = undressed
        self._text = ""
        self._wearers: list[QWidget] = []
        self._painters: WeakSet[QWidget] = WeakSet()
        self._late: list[QWidget] = []
        self._held: set[QWidget] = set()
        self._dressing = QTimer(self, singleShot=True, interval=0)
        self._dressing.timeout.connect(self._dress_next)
        Theme._current = self
        hints = QGuiApplication.styleHints()
        hints.setColorScheme(_scheme(self.choice))
        hints.colorSchemeChanged.connect(self.apply)
        self.apply()

    @classmethod
    def current(cls) -> Theme:
        """The application's theme; one that remembers nothing where none was made (tests of single widgets)."""
        if cls._current is None:
            cls._current = cls()
        return cls._current

    def dress(self, widget: QWidget) -> None:
        """Let a widget and all that is in it wear the stylesheet, instead of the application."""
        app = cast(QApplication, QApplication.instance())
        if app.styleSheet():
            app.setStyleSheet("")
        self._wearers.append(widget)
        widget.destroyed.connect(self._forget_gone)
        widget.setStyleSheet(self._text)

    def enlist(self, painter: Painter) -> None:
        """Have a widget restyled whenever colours or sizes change; see the module for when."""
        self._painters.add(cast(QWidget, painter))

    def freshen(self, widget: QWidget) -> None:
        """It is about to be seen: let it wear what is in force now, and its painters come next."""
        if widget in self._late:
            self._renew(widget)
        self._hold(any(isValid(late) and widget.isAncestorOf(late) for late in self._late))

    def choose(self, choice: Choice) -> None:
        """Follow the system, or stay dark or light."""
        self.choice = choice
        self._remember("scheme", choice)
        QGuiApplication.styleHints().setColorScheme(_scheme(choice))
        self.apply()

    def zoom(self, direction: int) -> None:
        """Make all text larger (1), smaller (-1), or as it was made (0)."""
        nearest = min(range(len(SCALES)), key=lambda index: abs(SCALES[index] - self.scale))
        index = SCALES.index(1.0) if direction == 0 else min(max(nearest + direction, 0), len(SCALES) - 1)
        self.scale = SCALES[index]
        self._remember("text_scale", self.scale)
        self.apply()

    def px(self, size: float) -> int:
        """A length that grows with the text, in pixels."""
        return round(size * self.scale)

    def text_px(self, size: float) -> int:
        """A text size in pixels; never below the smallest readable one."""
        return max(self.px(size), SMALLEST)

    def font(self, size: float = 13, weight: int = 400, *, mono: bool = False) -> QFont:
        """A font for painted text: sized with the scale, digits of equal width."""
        font = QFont(self.mono_family if mono else self.family)
        font.setPixelSize(self.text_px(size))
        font.setWeight(QFont.Weight(weight))
        if not mono:
            font.setFeature(QFont.Tag("tnum"), 1)
        return font

    def color(self, name: str, alpha: float = 1.0) -> QColor:
        """A token (or `#rrggbb`) as a colour, `alpha` from 0 to 1."""
        color = QColor(self.tokens.color(name))
        color.setAlphaF(alpha)
        return color

    def icon(self, name: str, color: str = "muted", size: int = 16) -> QIcon:
        """An icon in a token's colour."""
        return icons.icon(name, self.tokens.color(color), self.px(size))

    def apply(self) -> None:
        """Put palette, font and stylesheet on the application and tell everybody who paints."""
        if Theme._current is not self:
            return  # Another theme has taken over; the system's change of scheme is its affair.
        app = cast(QApplication, QApplication.instance())
        dark = self.choice == "dark" or (
            self.choice == "system" and QGuiApplication.styleHints().colorScheme() != Qt.ColorScheme.Light
        )
        self.tokens = DARK if dark else LIGHT
        if (self.tokens, self.scale) == self._applied:
            return  # Styling a window of many widgets anew takes seconds.
        self._applied = self.tokens, self.scale
        app.setPalette(_palette(self.tokens))
        app.setFont(self.font())
        self._text = sheet(self.tokens, self.text_px, self.px, self.mono_family, self._icon_url)
        if not self._wearers and not self._undressed:
            app.setStyleSheet(self._text)
        self._late = [*self._wearers, *self._painters]
        self._hold(True)
        self._dressing.start()
        self.changed.emit()

    def _dress_next(self) -> None:
        """Let one more take what is in force now, first of those that can be seen; after these the windows paint."""
        self._late = [widget for widget in self._late if isValid(widget)]
        seen = [widget for widget in self._late if widget.isVisible()]
        if self._late or self._held:
            self._dressing.start()  # first: what fails here must not keep the others from their turn
        if self._held and not seen:
            self._hold(False)
        elif self._late:
            self._renew((seen or self._late)[0])

    def _renew(self, widget: QWidget) -> None:
        self._late.remove(widget)
        if widget in self._wearers:
            widget.setStyleSheet(self._text)
        else:
            cast(Painter, widget).restyle()

    def _hold(self, held: bool) -> None:
        """Let the windows that can be seen keep their picture, or paint again."""
        windows = {widget.window() for widget in self._wearers if widget.isVisible()} if held else set()
        for window in self._held - windows:
            if isValid(window):
                window.setUpdatesEnabled(True)
        for window in windows - self._held:
            window.setUpdatesEnabled(False)
        self._held = windows

    def _forget_gone(self) -> None:
        self._wearers = [widget for widget in self._wearers if isValid(widget)]
        self._late = [widget for widget in self._late if isValid(widget)]

    def _icon_url(self, name: str, color: str) -> str:
        """A recoloured icon as a file, because stylesheets take pictures from files only."""
        value = self.tokens.color(color)
        path = Path(self._icons.path()) / f"{name}-{value.removeprefix('#')}.svg"
        if not path.exists():
            path.write_bytes(icons.source(name, value))
        return path.as_posix()

    def _remembered_choice(self) -> Choice:
        value = self._settings.value("scheme", "system") if self._settings else "system"
        return value if value in CHOICES else "system"

    def _remember(self, key: str, value: object) -> None:
        if self._settings is not None:
            self._settings.setValue(key, value)


def _scheme(choice: Choice) -> Qt.ColorScheme:
    return {"dark": Qt.ColorScheme.Dark, "light": Qt.ColorScheme.Light}.get(choice, Qt.ColorScheme.Unknown)


def _load_fonts() -> tuple[str, str]:
    """Register the shipped fonts; returns the text and the monospace family."""
    for path in sorted(FONTS.glob("*.otf")):
        QFontDatabase.addApplicationFont(str(path))
    families = set(QFontDatabase.families())
    wanted = ("DejaVu Sans Mono", "Cascadia Mono", "Menlo", "Consolas", "Noto Sans Mono")
    fixed = QFontInfo(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)).family()
    mono = next((family for family in wanted if family in families), fixed)
    return ("Inter" if "Inter" in families else QFontInfo(QFont()).family()), mono


def _palette(t: Tokens) -> QPalette:
    """Fusion's palette, for whatever the stylesheet leaves to the style."""
    role = QPalette.ColorRole
    colors = {
        role.Window: t.ground, role.Base: t.raised, role.AlternateBase: t.panel, role.Button: t.raised,
        role.WindowText: t.text, role.Text: t.text, role.ButtonText: t.text, role.BrightText: t.red,
        role.ToolTipBase: t.raised, role.ToolTipText: t.text, role.PlaceholderText: t.muted,
        role.Highlight: t.button, role.HighlightedText: t.on_button, role.Accent: t.accent,
        role.Link: t.accent_text, role.LinkVisited: t.accent_text,
        role.Light: t.hover, role.Midlight: t.hover, role.Mid: t.line, role.Dark: t.line, role.Shadow: t.ground,
    }  # fmt: skip
    palette = QPalette()
    for color_role, value in colors.items():
        palette.setColor(color_role, QColor(value))
    for color_role in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, color_role, QColor(t.faint))
    return palette
