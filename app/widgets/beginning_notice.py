"""Says that the next run begins with what another has learned, and lets it begin anew."""

from __future__ import annotations

from app.document import Document
from app.widgets.buttons import Button
from app.widgets.notice import Notice
from core.errors import UserError
from core.store.store import Store

PATH = "adapter.begin"


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
            return
        try:
            row = self._store.run(begin)
        except UserError as error:
            self.set(error.text, hint=error.hint, tone="red")
            return
        hint = "Its layers, ranks and alphas must stay; everything else may differ."
        self.set(f"The run begins with what {row.name} has learned.", hint=hint, tone="accent")

    def _begin_anew(self) -> None:
        self._document.update({PATH: ""}, "Begin anew")
