"""The map of layers: where cells are, and what mouse and keyboard do to them."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QHelpEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QToolTip
from pytestqt.qtbot import QtBot

from app.widgets.layer_map import LayerMap
from app.widgets.map_grid import Cell, Grid, Layout
from core.layers import LayerInfo
from tests.app.fake_models import GPT2, LLAMA, NINE, fake_model

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
NONE, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier
CONTROL = Qt.KeyboardModifier.ControlModifier


class Painted:
    """A map that is shown, and everything that was painted on it, applied as a page would."""

    def __init__(self, qtbot: QtBot, blocks: int = 6, size: tuple[int, int] = (700, 420)) -> None:
        self.map = LayerMap()
        qtbot.addWidget(self.map)
        self.map.set_layers(fake_model(blocks).layers)
        self.map.resize(*size)
        self.map.show()
        self.strokes: list[tuple[frozenset[str], bool, int]] = []
        self.chosen: set[str] = set()
        self.map.painted.connect(self._take)

    def _take(self, names: frozenset[str], choose: bool, stroke: int) -> None:
        self.strokes.append((names, choose, stroke))
        self.chosen = self.chosen | names if choose else self.chosen - names
        self.map.set_ranks(dict.fromkeys(self.chosen, 8))

    def at(self, cell: Cell) -> QPoint:
        """The middle of a cell."""
        return self.map.place_of(cell)

    def drag(self, *cells: Cell, button: Qt.MouseButton = LEFT, keys: Qt.KeyboardModifier = NONE) -> None:
        """Press on the first cell, move over the others, let go."""
        view = self.map.viewport()
        QTest.mousePress(view, button, keys, self.at(cells[0]))
        for cell in cells[1:]:
            QTest.mouseMove(view, self.at(cell))
            QApplication.processEvents()
        QTest.mouseRelease(view, button, keys, self.at(cells[-1]))

    def key(self, *keys: Qt.Key, modifier: Qt.KeyboardModifier = NONE) -> None:
        """Press keys."""
        for key in keys:
            QTest.keyClick(self.map, key, modifier)

    def names(self, *cells: Cell) -> set[str]:
        """The layers of cells."""
        grid = self.map.grid
        return {grid.layers[index].name for cell in cells for index in grid.within(cell)}


@pytest.fixture
def painted(qtbot: QtBot) -> Painted:
    """A map of six blocks and seven roles."""
    return Painted(qtbot)


def test_blocks_go_down_with_the_last_on_top_and_roles_across() -> None:
    grid = Grid.of(fake_model(3).layers)
    assert grid.rows == (2, 1, 0)
    assert grid.columns == ("q", "k", "v", "o", "gate", "up", "down")
    assert len(grid.layers) == 21, "embedding and head are no cells"
    assert Grid.of(fake_model(1, GPT2).layers).columns == ("qkv", "o", "fc1", "fc2")


def test_roles_without_a_name_get_columns_by_the_last_part_of_their_name() -> None:
    assert Grid.of(fake_model(2, NINE).layers).columns[-2:] == ("in_proj", "out_proj")


def test_layers_outside_the_blocks_have_a_row_of_their_own() -> None:
    grid = Grid.of([LayerInfo("pooler.dense", "other", None, 8, 8), LayerInfo("layer.0.q", "q", 0, 8, 8)])
    assert grid.rows == (None, 0)


def test_experts_of_a_block_share_a_cell() -> None:
    experts = [LayerInfo(f"layers.0.experts.{n}.up_proj", "up", 0, 8, 8) for n in range(4)]
    assert Grid.of(experts).cells == {(0, 0): (0, 1, 2, 3)}


def test_with_large_text_all_roles_of_a_llama_stand_beside_a_panel() -> None:
    assert Layout.fit(Grid.of(fake_model(4, LLAMA).layers), 548, 600, 1.6).width <= 548


@pytest.mark.parametrize("blocks", [30, 80, 120])
@pytest.mark.parametrize("roles", [GPT2, LLAMA, NINE])
@pytest.mark.parametrize("size", [(640, 480), (760, 680), (1850, 1250)])
def test_every_cell_is_large_enough_to_hit_and_found_where_it_is_painted(
    blocks: int, roles: tuple[tuple[str, str], ...], size: tuple[int, int]
) -> None:
    grid = Grid.of(fake_model(blocks, roles).layers)  # type: ignore[arg-type]
    layout = Layout.fit(grid, *size)
    assert layout.pitch_y - layout.gap_y >= 7
    assert layout.pitch_x - layout.gap_x >= 40
    assert layout.width <= size[0]
    for cell in grid.cells:
        x = layout.left + cell[1] * layout.pitch_x + layout.pitch_x // 2
        y = layout.top + cell[0] * layout.pitch_y + layout.pitch_y // 2
        assert layout.at(x, y, grid) == cell


def test_cells_shrink_before_the_map_scrolls(qtbot: QtBot) -> None:
    fits, scrolls = Painted(qtbot, 30), Painted(qtbot, 120)
    assert fits.map.verticalScrollBar().maximum() == 0
    assert scrolls.map.verticalScrollBar().maximum() > 0
    assert scrolls.map.scale.pitch_y < fits.map.scale.pitch_y


def test_a_click_chooses_and_another_one_erases(painted: Painted) -> None:
    painted.drag((1, 2))
    assert painted.chosen == {"model.layers.4.self_attn.v_proj"}
    painted.drag((1, 2))
    assert painted.chosen == set()


def test_dragging_paints_what_it_passes_in_one_stroke(painted: Painted) -> None:
    painted.drag((0, 1), (1, 1), (2, 1))
    assert painted.chosen == painted.names((0, 1), (1, 1), (2, 1))
    assert len({stroke for _, _, stroke in painted.strokes}) == 1
    assert {layer.name for layer in painted.map.marked} == painted.chosen


def test_a_quick_stroke_leaves_no_gaps(painted: Painted) -> None:
    painted.drag((0, 3), (5, 3))
    assert painted.chosen == painted.names(*((row, 3) for row in range(6)))


def test_a_stroke_that_begins_on_a_chosen_cell_erases(painted: Painted) -> None:
    painted.drag((0, 0), (0, 4))
    painted.drag((0, 1), (0, 2), (1, 2))
    assert painted.chosen == painted.names((0, 0), (0, 3), (0, 4))


def test_a_rectangle_is_chosen_when_it_is_let_go(painted: Painted) -> None:
    painted.drag((1, 1), (4, 4), (3, 2), keys=SHIFT)
    assert painted.chosen == painted.names(*((row, column) for row in (1, 2, 3) for column in (1, 2)))
    assert len(painted.strokes) == 1


@pytest.mark.parametrize(("button", "keys"), [(RIGHT, NONE), (LEFT, CONTROL)])
def test_looking_marks_without_choosing(painted: Painted, button: Qt.MouseButton, keys: Qt.KeyboardModifier) -> None:
    painted.drag((1, 1), (2, 2), button=button, keys=keys)
    assert painted.strokes == []
    assert {layer.name for layer in painted.map.marked} == painted.names((1, 1), (1, 2), (2, 1), (2, 2))


def test_heads_toggle_rows_and_columns(painted: Painted) -> None:
    painted.drag((-1, 2))
    assert painted.chosen == painted.names(*((row, 2) for row in range(6)))
    painted.drag((0, -1))
    assert painted.chosen >= painted.names(*((0, column) for column in range(7)))
    painted.drag((-1, 2))
    assert not painted.chosen & painted.names(*((row, 2) for row in range(6)))


def test_a_press_beside_the_map_does_nothing(painted: Painted) -> None:
    QTest.mouseClick(painted.map.viewport(), LEFT, NONE, QPoint(2, 2))
    assert painted.strokes == []


def test_the_keyboard_moves_chooses_and_marks(painted: Painted) -> None:
    painted.map.setFocus()
    painted.key(Qt.Key.Key_Down, Qt.Key.Key_Right, Qt.Key.Key_Space)
    assert painted.chosen == painted.names((1, 1))
    assert painted.map.accessibleDescription() == "Block 4, k, chosen, rank 8"
    painted.key(Qt.Key.Key_Down, Qt.Key.Key_Right, modifier=SHIFT)
    assert {layer.name for layer in painted.map.marked} == painted.names((1, 1), (1, 2), (2, 1), (2, 2))
    painted.key(Qt.Key.Key_Space)
    assert painted.chosen == painted.names((1, 1), (1, 2), (2, 1), (2, 2))
    painted.key(Qt.Key.Key_Space)
    assert painted.chosen == set()


def test_beyond_the_edge_the_keyboard_stands_on_the_heads(painted: Painted) -> None:
    painted.map.setFocus()
    painted.key(Qt.Key.Key_Up)
    assert painted.map.accessibleDescription() == "Column head, q, not chosen"
    painted.key(Qt.Key.Key_Space, Qt.Key.Key_Down, Qt.Key.Key_Left)
    assert painted.chosen == painted.names(*((row, 0) for row in range(6)))
    assert painted.map.accessibleDescription() == "Row head, block 5, partly chosen"
    painted.key(Qt.Key.Key_Left, Qt.Key.Key_Space)
    assert painted.chosen >= painted.names(*((0, column) for column in range(7)))


def test_home_and_end_go_to_the_sides_and_pages_to_the_ends(painted: Painted) -> None:
    painted.map.setFocus()
    painted.key(Qt.Key.Key_End, Qt.Key.Key_PageDown)
    assert painted.map.current == (5, 6)
    painted.key(Qt.Key.Key_Home, Qt.Key.Key_PageUp)
    assert painted.map.current == (0, 0)


def test_the_map_scrolls_with_the_keyboard(qtbot: QtBot) -> None:
    painted = Painted(qtbot, 120)
    painted.map.setFocus()
    painted.key(*[Qt.Key.Key_PageDown] * 12)
    assert painted.map.verticalScrollBar().value() == painted.map.verticalScrollBar().maximum()
    assert painted.map.viewport().rect().contains(painted.at((119, 0)))
    painted.key(*[Qt.Key.Key_PageUp] * 12)
    assert painted.map.verticalScrollBar().value() == 0


def test_a_scrolled_map_is_hit_where_it_is_painted(qtbot: QtBot) -> None:
    painted = Painted(qtbot, 120)
    painted.map.verticalScrollBar().setValue(200)
    painted.drag((60, 3))
    assert painted.chosen == {"model.layers.59.self_attn.o_proj"}


def test_enter_asks_for_the_editor(painted: Painted, qtbot: QtBot) -> None:
    with qtbot.waitSignal(painted.map.entered, timeout=30_000):
        painted.key(Qt.Key.Key_Return)


def test_the_tooltip_has_the_whole_name(painted: Painted) -> None:
    place = painted.at((2, 4))
    event = QHelpEvent(QHelpEvent.Type.ToolTip, place, painted.map.viewport().mapToGlobal(place))
    QApplication.sendEvent(painted.map.viewport(), event)
    assert QToolTip.text() == "model.layers.3.mlp.gate_proj"
    QToolTip.hideText()


def test_another_model_starts_with_nothing_chosen_or_marked(painted: Painted) -> None:
    painted.drag((0, 0), (2, 0))
    painted.map.set_layers(fake_model(2, GPT2).layers)
    assert painted.map.marked == ()
    assert painted.map.ranks == [0] * 8


def test_chosen_and_matching_cells_stand_out(painted: Painted) -> None:
    every = {layer.name: 1.0 for layer in painted.map.grid.layers}
    painted.map.set_shares(every)
    first, second = painted.at((0, 0)), painted.at((0, 1))
    plain = painted.map.viewport().grab().toImage().pixelColor(first + QPoint(20, 0))
    painted.drag((0, 0))
    painted.map.mark([])
    image = painted.map.viewport().grab().toImage()
    assert image.pixelColor(first + QPoint(20, 0)).name() == "#fde725"
    assert image.pixelColor(second + QPoint(20, 0)) == plain
    painted.map.set_matches(painted.names((0, 1)))
    faded = painted.map.viewport().grab().toImage().pixelColor(first + QPoint(20, 0))
    assert faded.lightness() < plain.lightness()


def test_low_cells_share_one_number_over_a_run(qtbot: QtBot) -> None:
    painted = Painted(qtbot, 80)
    painted.map.set_shares({layer.name: 0.0 for layer in painted.map.grid.layers})
    before = painted.map.viewport().grab().toImage()
    painted.drag((0, 0), (20, 0))
    painted.map.mark([])
    middle = painted.at((10, 0))
    after = painted.map.viewport().grab().toImage()
    beside = {after.pixelColor(middle + QPoint(x, 0)).name() for x in range(-10, 11)}
    assert len(beside) > 3, "a number on its plate"
    assert before.pixelColor(middle) != after.pixelColor(middle)


def test_an_empty_map_is_painted_and_takes_keys(qtbot: QtBot) -> None:
    empty = LayerMap()
    qtbot.addWidget(empty)
    empty.show()
    QTest.keyClick(empty, Qt.Key.Key_Space)
    QTest.keyClick(empty, Qt.Key.Key_Down)
    assert empty.marked == ()
    assert not empty.grab().isNull()
