"""What a run measured, read back: curves, heat maps, events, samples, checkpoints.

Every read is complete (`fetchall`), because a reader that stays open keeps the journal from being emptied and it grows.
A view that follows a run asks each time for what lies behind what it has; on `Rewound` it starts again.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import UserError
from core.events import Event, decode
from core.home import Home
from core.layers import LayerInfo
from core.store.rows import CheckpointRow, SampleRow
from core.store.schema import connect, translated


class Readings:
    """The reading half of `Store`."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._database = connect(home)

    def curve(
        self, run: str, key: str, after: int = -1, *, most: int = -1
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """A curve's points behind a step: `(steps, values)`, both of shape (n,); nan and inf as they were measured.

        Args:
            run, key: which.
            after: the last step that is not wanted.
            most: so many points at most, the first ones; below 0 for all.
        """
        query = "SELECT step, value FROM points WHERE run = ? AND key = ? AND step > ? ORDER BY step LIMIT ?"
        table = np.array(self._rows(query, run, key, after, most), dtype=np.float64).reshape(-1, 2)
        return np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1])

    def curve_keys(self, run: str) -> list[str]:
        """The curves that a run has."""
        return self._keys("points", run)

    def vectors(
        self, run: str, key: str, after: int = -1, *, stride: int = 1, most: int = -1
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The rows of a heat map behind a step: `(steps, values)` of shapes (n,) and (n, layers), as in `layers`.

        Args:
            run, key: which.
            after: the last step that is not wanted.
            stride: every how manieth row, counted from `after` or else from the first, so that a long run stays
                readable.
            most: so many rows at most, the first ones; below 0 for all.
        """
        where = "FROM vectors WHERE run = ? AND key = ?"
        if stride == 1:
            rows = self._rows(f"SELECT step, data {where} AND step > ? ORDER BY step LIMIT ?", run, key, after, most)
        else:
            query = f"SELECT step {where} AND step > ? ORDER BY step LIMIT ?"
            passed = self._rows(query, run, key, after, most * stride if most >= 0 else -1)
            chosen = json.dumps([step for (step,) in passed[stride - 1 if after >= 0 else 0 :: stride]])
            rows = self._rows(
                f"SELECT step, data {where} AND step IN (SELECT value FROM json_each(?)) ORDER BY step",
                run, key, chosen,
            )  # fmt: skip
        matrix = np.frombuffer(b"".join(row[1] for row in rows), dtype="<f4").astype(np.float32, copy=False)
        width = len(rows[0][1]) // 4 if rows else 0
        return np.array([row[0] for row in rows], dtype=np.int64), matrix.reshape(len(rows), width)

    def vector_count(self, run: str, key: str) -> int:
        """How many rows a heat map has."""
        count: int = self._rows("SELECT count(*) FROM vectors WHERE run = ? AND key = ?", run, key)[0][0]
        return count

    def newest_vector(self, run: str, key: str) -> NDArray[np.float32] | None:
        """The last row of a heat map, of shape (layers,); None where nothing was measured."""
        query = "SELECT data FROM vectors WHERE run = ? AND key = ? ORDER BY step DESC LIMIT 1"
        rows = self._rows(query, run, key)
        return np.frombuffer(rows[0][0], dtype="<f4").astype(np.float32) if rows else None

    def vector_keys(self, run: str) -> list[str]:
        """The heat maps that a run has."""
        return self._keys("vectors", run)

    def layers(self, run: str) -> list[LayerInfo]:
        """The adapted layers, in the order of every vector; empty until the worker has made the adapter."""
        rows = self._rows("SELECT layers FROM runs WHERE id = ?", run)
        return [LayerInfo(**layer) for layer in json.loads(rows[0][0])] if rows else []

    def events(self, run: str, after_seq: int = 0) -> list[tuple[int, float, Event]]:
        """What happened behind a number: `(seq, seconds since 1970, event)`, in order."""
        query = "SELECT seq, time, kind, body FROM events WHERE run = ? AND seq > ? ORDER BY seq"
        rows = self._rows(query, run, after_seq)
        return [(seq, moment, decode(kind, json.loads(body))) for seq, moment, kind, body in rows]

    def samples(self, run: str) -> list[SampleRow]:
        """The answers of the model, by step and in the order in which they came."""
        query = "SELECT step, prompt, text FROM samples WHERE run = ? ORDER BY step, rowid"
        return [SampleRow(*row) for row in self._rows(query, run)]

    def checkpoints(self, run: str) -> list[CheckpointRow]:
        """The checkpoints that are on the disk, by step; none while the run is in the bin."""
        query = "SELECT step, folder, best, time FROM checkpoints WHERE run = ? ORDER BY step"
        rows = [
            CheckpointRow(step, self.home.run(run) / folder, bool(best), moment)
            for step, folder, best, moment in self._rows(query, run)
        ]
        return [row for row in rows if row.folder.is_dir()]

    def checkpoint(self, run: str, which: object = "best") -> CheckpointRow:
        """One checkpoint of a run.

        Args:
            run: its id.
            which: "best" (the lowest held-out loss; where nothing was held out, the last), "last", or a step.

        Raises:
            UserError: there is none, or none of that step.
        """
        rows = self.checkpoints(run)
        if not rows:
            raise UserError(f"The run {run} has no checkpoint yet.", hint="Let it reach one first.")
        if which == "best":
            return next((row for row in rows if row.best), rows[-1])
        found = rows[-1] if which == "last" else next((row for row in rows if str(row.step) == str(which)), None)
        if found is None:
            steps = ", ".join(str(row.step) for row in rows)
            raise UserError(f"The run {run} has no checkpoint '{which}'.", hint=f"There are: best, last, {steps}.")
        return found

    def _rows(self, query: str, *values: Any) -> list[Any]:
        with translated(self.home.database):
            return self._database.execute(query, values).fetchall()

    def _keys(self, table: str, run: str) -> list[str]:
        # One look into the index per key: DISTINCT would walk over every row.
        query = f"""WITH RECURSIVE found(key) AS (
            SELECT min(key) FROM {table} WHERE run = :run UNION ALL
            SELECT (SELECT min(key) FROM {table} WHERE run = :run AND key > found.key) FROM found WHERE key IS NOT NULL
        ) SELECT key FROM found WHERE key IS NOT NULL"""
        with translated(self.home.database):
            return [row[0] for row in self._database.execute(query, {"run": run}).fetchall()]
