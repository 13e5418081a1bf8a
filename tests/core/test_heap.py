"""Whether memory that is freed stays with the process while it trains, and leaves it afterwards."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from core import heap
from tests.source import ROOT

FREES = """
import os, psutil
from core import heap

def held():
    return psutil.Process().memory_info().rss

before = held()
if {keep}:
    heap.keep()
blocks = [os.urandom(4 << 20) for _ in range(25)]
del blocks
freed = held() - before
heap.give_back()
print(freed, held() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left to themselves")
def test_what_is_freed_is_kept_only_where_that_was_asked_for_and_until_it_is_given_back() -> None:
    found = {}
    for keep in (True, False):
        code = FREES.format(keep=keep)
        said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
        found[keep] = [int(number) >> 20 for number in said.stdout.split()]

    assert found[True][0] > 90
    assert found[True][1] < 10
    assert found[False][0] < 10


def test_other_systems_are_left_to_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    heap._glibc.cache_clear()
    monkeypatch.setattr(heap.sys, "platform", "darwin")
    try:
        heap.keep()
        heap.give_back()
        assert heap._glibc() is None
    finally:
        heap._glibc.cache_clear()
