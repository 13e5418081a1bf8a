"""The one stylesheet, written from the tokens.

Widgets say what they are with dynamic properties: `kind` (buttons, frames), `type` (text), `tone` (colour of a badge
or a line of text). Sizes come through two functions so that all of it scales with Ctrl +/-.
"""

from __future__ import annotations

from collections.abc import Callable

from app.style.tokens import Tokens

Size = Callable[[float], int]


def sheet(t: Tokens, text: Size, px: Size, mono: str, icon: Callable[[str, str], str]) -> str:
    """The stylesheet of the application.

    Args:
        t: the colours.
        text: text size in pixels at the present scale.
        px: length in pixels at the present scale.
        mono: family for names of layers.
        icon: path of an icon's file in a token's colour.
    """
    return "\n".join(
        (
            _text(t, text, mono),
            _frames(t, px),
            _buttons(t, text, px),
            _inputs(t, px, icon),
            _views(t, text, px),
            _rest(t, text, px),
        )
    )


def _text(t: Tokens, text: Size, mono: str) -> str:
    tones = "\n".join(
        f'QLabel[tone="{tone}"] {{ color: {color}; }}'
        for tone, color in (
            ("muted", t.muted), ("text", t.text), ("accent", t.accent_text), ("amber", t.amber_text),
            ("red", t.red_text), ("blue", t.blue_text),
        )
    )  # fmt: skip
    return f"""
QWidget {{ font-size: {text(13)}px; color: {t.text}; }}
QLabel {{ background: transparent; }}
QLabel[type="brand"] {{ font-size: {text(17)}px; font-weight: 700; }}
QLabel[type="title"] {{ font-size: {text(22)}px; font-weight: 700; }}
QLabel[type="heading"] {{ font-size: {text(14)}px; font-weight: 600; }}
QLabel[type="figure"] {{ font-size: {text(20)}px; font-weight: 600; }}
QLabel[type="value"] {{ font-weight: 500; }}
QLabel[type="label"] {{ color: {t.muted}; }}
QLabel[type="hint"] {{ color: {t.muted}; font-size: {text(12)}px; }}
QLabel[type="small"] {{ color: {t.muted}; font-size: {text(11)}px; }}
QLabel[type="mono"] {{ font-family: "{mono}"; font-size: {text(12)}px; }}
QLabel[type="code"] {{ font-family: "{mono}"; font-size: {text(13)}px; font-weight: 600; }}
{tones}"""


def _frames(t: Tokens, px: Size) -> str:
    return f"""
QMainWindow, QDialog, QWidget[kind="page"] {{ background: {t.ground}; }}
QFrame[kind="panel"], QFrame[kind="tile"] {{
    background: {t.panel}; border: 1px solid {t.line}; border-radius: 8px;
}}
QFrame[kind="notice"] {{ background: {t.raised}; border: 1px solid {t.line}; border-radius: 5px; }}
QFrame[kind="notice"][tone="amber"] {{ border-left: 3px solid {t.amber}; }}
QFrame[kind="notice"][tone="red"] {{ border-left: 3px solid {t.red}; }}
QFrame[kind="notice"][tone="accent"] {{ border-left: 3px solid {t.accent}; }}
QFrame[kind="side"] {{ background: {t.side}; border: none; border-right: 1px solid {t.line}; }}
QFrame[kind="drop"] {{ background: {t.panel}; border: 2px dashed {t.accent}; border-radius: 8px; }}
"""


def _round(height: int, padding: int) -> int:
    """The radius of round ends; one that is larger than half of what it rounds would not be used at all."""
    return (height + 2 * padding + 2) // 2


def _buttons(t: Tokens, text: Size, px: Size) -> str:
    return f"""
QPushButton, QToolButton {{ icon-size: {px(16)}px; outline: 0; }}
QPushButton {{
    background: {t.raised}; border: 1px solid {t.line}; border-radius: 6px; font-weight: 500;
    padding: {px(6)}px {px(14)}px; min-height: {px(18)}px;
}}
QPushButton:hover {{ background: {t.hover}; }}
QPushButton:pressed {{ background: {t.line}; }}
QPushButton:disabled {{ color: {t.faint}; background: {t.panel}; }}
QPushButton:focus {{ border: 1px solid {t.accent}; }}
QPushButton[kind="primary"] {{
    background: {t.button}; color: {t.on_button}; border: 1px solid {t.button}; font-weight: 600;
}}
QPushButton[kind="primary"]:hover {{ background: {t.accent}; }}
QPushButton[kind="primary"]:focus {{ border: 2px solid {t.text}; }}
QPushButton[kind="primary"]:disabled {{ background: {t.raised}; color: {t.faint}; border-color: {t.line}; }}
QPushButton[kind="danger"] {{ color: {t.red_text}; }}
QPushButton[kind="danger"]:disabled {{ color: {t.faint}; }}
QPushButton[kind="danger"]:focus {{ border: 1px solid {t.red}; }}
QPushButton[kind="ghost"] {{ background: transparent; border: 1px solid transparent; color: {t.muted};
    padding: {px(4)}px {px(8)}px; }}
QPushButton[kind="ghost"]:hover {{ background: {t.hover}; color: {t.text}; }}
QPushButton[kind="ghost"]:checked {{ color: {t.text}; background: {t.raised}; }}
QPushButton[kind="ghost"]:focus {{ border: 1px solid {t.accent}; }}
QPushButton[kind="ghost"]:disabled {{ color: {t.faint}; background: transparent; }}
QPushButton[look="link"] {{ color: {t.accent_text}; border-width: 1px 0; padding: 0; }}
QPushButton[look="link"]:hover {{ color: {t.accent_text}; }}
QPushButton[kind="chip"] {{ border-radius: {_round(px(20), px(5))}px; background: {t.panel}; color: {t.muted};
    padding: {px(5)}px {px(16)}px; min-height: {px(20)}px; }}
QPushButton[kind="chip"]:hover {{ color: {t.text}; background: {t.raised}; }}
QPushButton[kind="chip"]:checked {{ color: {t.text}; background: {t.raised}; border: 1px solid {t.accent}; }}
QPushButton[kind="chip"]:focus {{ border: 1px solid {t.text}; color: {t.text}; }}
QPushButton[kind="chip"]:disabled {{ color: {t.faint}; }}
QToolButton {{ background: transparent; border: 1px solid transparent; border-radius: 6px; padding: {px(3)}px; }}
QToolButton:hover {{ background: {t.hover}; }}
QToolButton:focus {{ border: 1px solid {t.accent}; }}
QPushButton[legend="true"], QPushButton[legend="true"]:checked {{ background: transparent; color: {t.muted};
    padding: {px(3)}px {px(5)}px; font-weight: 400; }}
QPushButton[legend="true"]:hover {{ color: {t.text}; }}
QPushButton[legend="true"]:!checked {{ color: {t.faint}; }}
QLabel[kind="badge"] {{ border: 1px solid {t.line}; border-radius: {_round(px(18), px(2))}px;
    padding: {px(2)}px {px(12)}px; min-height: {px(18)}px;
    font-size: {text(12)}px; font-weight: 600; }}
QLabel[kind="badge"][tone="accent"] {{ border-color: {t.accent}; }}
QLabel[kind="badge"][tone="amber"] {{ border-color: {t.amber}; }}
QLabel[kind="badge"][tone="red"] {{ border-color: {t.red}; }}
QLabel[kind="badge"][tone="blue"] {{ border-color: {t.blue}; }}
"""


def _inputs(t: Tokens, px: Size, icon: Callable[[str, str], str]) -> str:
    fields = "QLineEdit, QPlainTextEdit, QTextEdit, QComboBox"
    focus = ", ".join(f"{name}:focus" for name in fields.split(", "))
    disabled = ", ".join(f"{name}:disabled" for name in fields.split(", "))
    return f"""
{fields} {{
    background: {t.raised}; border: 1px solid {t.line}; border-radius: 6px; padding: {px(5)}px {px(8)}px;
    selection-background-color: {t.button}; selection-color: {t.on_button};
}}
QTextEdit[kind="reading"], QTextEdit[kind="reading"]:focus {{ background: transparent; border: none; padding: 0px; }}
QLineEdit, QComboBox {{ min-height: {px(18)}px; }}
{focus} {{ border: 1px solid {t.accent}; }}
{disabled} {{ color: {t.faint}; background: {t.panel}; }}
QLineEdit[wrong="true"], QComboBox[wrong="true"] {{ border: 1px solid {t.red}; }}
QComboBox {{ padding-right: {px(24)}px; combobox-popup: 0; }}
QComboBox:hover {{ background: {t.hover}; }}
QComboBox::drop-down {{ border: none; width: {px(24)}px; }}
QComboBox::down-arrow {{ image: url("{icon("chevron-down", "muted")}"); width: {px(12)}px; height: {px(12)}px; }}
QComboBox QAbstractItemView, QComboBox QAbstractItemView:focus {{ background: {t.raised}; border: 1px solid {t.line};
    border-radius: 0; padding: 4px; outline: 0; }}
QComboBox QAbstractItemView::item:disabled {{ color: {t.faint}; }}
QCheckBox, QRadioButton {{ spacing: {px(8)}px; padding: 2px; border: 1px solid transparent; border-radius: 4px;
    outline: 0; }}
QCheckBox:focus, QRadioButton:focus {{ border: 1px solid {t.accent}; }}
QCheckBox:disabled, QRadioButton:disabled {{ color: {t.faint}; }}
QCheckBox::indicator, QRadioButton::indicator {{
    width: {px(15)}px; height: {px(15)}px; border: 1px solid {t.faint}; background: {t.raised};
}}
QCheckBox::indicator {{ border-radius: 4px; }}
QRadioButton::indicator {{ border-radius: {px(8)}px; }}
QCheckBox::indicator:checked {{ background: {t.button}; border-color: {t.button}; image: url("{icon("check", "on_button")}"); }}
QRadioButton::indicator:checked {{ background: {t.button}; border-color: {t.button}; image: url("{icon("dot", "on_button")}"); }}
QSlider::groove:horizontal {{ height: 4px; background: {t.line}; border-radius: 2px; }}
QSlider::sub-page:horizontal {{ background: {t.accent}; border-radius: 2px; }}
QSlider::handle:horizontal {{ background: {t.text}; width: {2 * px(4) + 4}px; margin: -{px(4)}px 0;
    border-radius: {px(4) + 2}px; }}
QSlider::handle:horizontal:focus {{ background: {t.accent}; }}
"""  # noqa: E501


def _views(t: Tokens, text: Size, px: Size) -> str:
    return f"""
QTableView, QTreeView, QListView {{
    background: {t.panel}; alternate-background-color: {t.panel}; border: none; outline: 0; gridline-color: {t.line};
    selection-background-color: {t.chosen}; selection-color: {t.text};
}}
QTableView::item, QTreeView::item, QListView::item {{ padding: {px(4)}px {px(8)}px; border: none; }}
QListView::item {{ border-radius: 4px; }}
QTableView[kind="numbers"]::item {{ padding: {px(4)}px {px(5)}px; }}
QTableView::item:selected, QTreeView::item:selected, QListView::item:selected {{ background: {t.chosen};
    color: {t.text}; }}
QTableView:focus, QTreeView:focus, QListView:focus {{ border: 1px solid {t.accent}; border-radius: 6px; }}
QHeaderView {{ background: {t.panel}; border: none; }}
QHeaderView::section {{ background: {t.panel}; color: {t.muted}; border: none; border-bottom: 1px solid {t.line};
    padding: {px(6)}px {px(11)}px; font-weight: 500; font-size: {text(12)}px; }}
QTableView[kind="numbers"] QHeaderView::section {{ padding: {px(6)}px {px(8)}px; }}
QHeaderView::section:hover {{ color: {t.text}; }}
QHeaderView::up-arrow, QHeaderView::down-arrow {{ width: 0; height: 0; }}
QScrollArea, QScrollArea > QWidget > QWidget {{ background: transparent; border: none; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle {{ background: {t.line}; border-radius: 4px; margin: 1px; min-height: 32px; min-width: 32px; }}
QScrollBar::handle:hover {{ background: {t.faint}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
QSplitter::handle {{ background: transparent; }}
"""


def _rest(t: Tokens, text: Size, px: Size) -> str:
    return f"""
QToolTip {{ background: {t.raised}; color: {t.text}; border: 1px solid {t.line}; padding: {px(5)}px;
    font-size: {text(12)}px; }}
QMenu {{ background: {t.raised}; border: 1px solid {t.line}; border-radius: 6px; padding: 4px; }}
QMenu::item {{ padding: {px(6)}px {px(28)}px {px(6)}px {px(14)}px; border-radius: 4px; background: transparent; }}
QMenu::item:selected {{ background: {t.hover}; }}
QMenu::item:disabled {{ color: {t.faint}; }}
QMenu::separator {{ height: 1px; background: {t.line}; margin: 4px 8px; }}
"""
