"""VeRA trained with ranks that are drawn: any rank is cut off and exported as the LoRA that it is."""

from __future__ import annotations

import json
from pathlib import Path

from core import worker
from core.export.job import export_job
from core.home import Home
from core.store.store import Store
from tests.whole.small_runs import create


def test_a_rank_of_vera_is_exported_as_an_equal_lora(home: Home, tmp_path: Path) -> None:
    store = Store(home)
    run = create(store, tmp_path, adapter={"method": "vera", "rank": 8, "rank_schedule": "dylora"})
    assert worker.main(home, run) == 0
    body = {"run": run, "to": "adapter", "out": str(tmp_path / "out"), "verify": True, "rank": 3}

    result = export_job(home, body, lambda text, share: None)

    store.close()
    said = json.loads((tmp_path / "out" / "adapter_config.json").read_text(encoding="utf-8"))
    assert (said["peft_type"], said["r"]) == ("LORA", 3)
    assert result["verified"]["max_logit_gap"] < 1e-4
