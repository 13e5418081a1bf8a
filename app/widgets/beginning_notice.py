"""Says that the next run begins with what another has learned, what keeps it from that, and lets it begin anew."""

from __future__ import annotations

from app.document import Document
from app.widgets.buttons import Button
from app.widgets.notice import Notice
from core.config.beginning import MADE_OF, PATH, refuse_other_layers, refuse_other_making
from core.config.run import AXES
from core.config.select import trained
from core.errors import UserError
from core.store.rows import RunRow
from core.store.store import Store

_ALIKE = ", ".join(AXES[axis].label for axis in MADE_OF)


class BeginningNotice(Notice):
    """Seen while the configuration names a run to begin from."""

    def __init__(self, document: Document, store: Store) -> None:
        super().__init__(tone="accent")
        self._document = document
        self._store = store
        self.add_button(Button("Begin anew", do=self._begin_anew))
        document.changed.connect(lambda _: self._follow())
        self._follow()

    def _follow(self) -> None:
        begin = self._document.config.adapter.begin
        self.setVisible(bool(begin))
        if not begin:
            self._document.say(PATH, "")
            return
        try:
            row = self._store.run(begin)
        except UserError as error:
            self.set(error.text, hint=error.hint, tone="red")
            return
        hint = f"Its layers, ranks, alphas and what it is made of must stay ({_ALIKE}); everything else may differ."
        self.set(f"The run begins with what {row.name} has learned.", hint=hint, tone="accent")
        self._document.say(PATH, self._why_not(row))

    def _why_not(self, row: RunRow) -> str:
        """What keeps the configuration from beginning with that run; empty where nothing does, or nobody knows."""
        config, model = self._document.config, self._document.model
        if model is None or not self._document.plans:
            return ""
        try:
            earlier = row.config.adapter
            refuse_other_making(earlier, config)
            refuse_other_layers(trained(model, earlier), trained(model, config.adapter), config)
        except UserError as error:
            return f"{error.text} {error.hint}".replace(row.id, row.name)
        return ""

    def _begin_anew(self) -> None:
        self._document.update({PATH: ""}, "Begin anew")
