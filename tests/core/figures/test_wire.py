"""Figures as JSON and back."""

from __future__ import annotations

import json

import numpy as np

from core.figures.wire import decode, encode


def test_arrays_travel_to_the_bit_and_those_that_were_kept_as_numbers_are_still_read() -> None:
    for array in (
        np.array([[0.1, np.nan], [np.inf, -0.0]]),
        np.array([1e-40, 3], np.float32),
        np.arange(6).reshape(2, 3).T,
    ):
        sent = decode(json.loads(json.dumps(encode({"values": array}), allow_nan=False)))["values"]
        np.testing.assert_array_equal(sent, array)
        assert sent.dtype == array.dtype and sent.tobytes() == array.tobytes()
    kept = {"kind": "array", "dtype": "float32", "shape": [2, 1], "data": [1.5, {"kind": "number", "value": "nan"}]}
    np.testing.assert_array_equal(decode(kept), np.array([[1.5], [np.nan]], np.float32))
