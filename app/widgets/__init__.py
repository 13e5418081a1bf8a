"""The window's own small widgets: what pages are made of. Import them from here."""

from app.widgets.badge import Badge
from app.widgets.bar import Bar, Legend, Part, ProgressLine, Swatch
from app.widgets.buttons import Button, Chip, danger, ghost, plain, primary
from app.widgets.empty_state import EmptyState
from app.widgets.labels import ElidedLabel, label, set_property
from app.widgets.notice import Notice
from app.widgets.panel import Panel, Tile
from app.widgets.stat_row import StatRow

__all__ = [
    "Badge", "Bar", "Button", "Chip", "ElidedLabel", "EmptyState", "Legend", "Notice", "Panel", "Part",
    "ProgressLine", "StatRow", "Swatch", "Tile", "danger", "ghost", "label", "plain", "primary", "set_property",
]  # fmt: skip
