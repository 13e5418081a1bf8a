"""Kept tokens that are larger than the memory that a process may have are trained on all the same: they are mapped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.data import kept
from core.data.tokens import TokenList, Tokens

CHILD = """
import resource, sys
from pathlib import Path
import datasets, numpy as np
from core.data import kept

kept._tokens(Path(sys.argv[2]), {"files": ["a"], "weights": None, "counted": None})
held = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmData")) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (held + 10 * 2**20,) * 2)
tokens = kept._tokens(Path(sys.argv[1]), {"files": ["a"], "weights": None, "counted": None})
print(sum(int(tokens[at].ids.sum()) for at in np.random.default_rng(0).permutation(len(tokens)).tolist()))
try:
    np.concatenate([one.ids for one in tokens])
except MemoryError:
    print("does not fit")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such limit")
def test_kept_tokens_larger_than_the_memory_are_walked_through(tmp_path: Path) -> None:
    large, small = tmp_path / "large.arrow", tmp_path / "small.arrow"
    ids = np.arange(4096, dtype=np.int32)
    for path, count in ((large, 700), (small, 2)):
        tokens = TokenList(Tokens(ids + number, np.ones(4096, dtype=np.bool_), "a", number) for number in range(count))
        kept._write_table(path, kept._columns(tokens)[0], tokens)
    assert large.stat().st_size > 13 * 2**20
    wanted = sum(int(ids.sum()) + 4096 * number for number in range(700))
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(large), str(small)],
        capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stdout.split("\n")[:2] == [str(wanted), "does not fit"], done.stderr
