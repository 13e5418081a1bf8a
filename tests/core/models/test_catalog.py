"""Models are found where people keep them, and named as people name them."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import UserError
from core.home import Home
from core.models import catalog
from core.models.catalog import TINY, Found, describe, embedded_model, find_models
from tests.tiny import tiny_model

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's own folder with nothing in it."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("OLLAMA_MODELS", raising=False)
    monkeypatch.setattr(catalog, "EMBEDDED_PACKAGE", "a_package_that_is_not_there")
    return tmp_path / "user"


def cached(user: Path, name: str, *, revision: str = "abc", age: int = 0) -> Path:
    snapshot = user.parent / "hub" / f"models--{name.replace('/', '--')}" / "snapshots" / revision
    tiny_model("llama", snapshot)
    os.utime(snapshot, (1_000_000 - age, 1_000_000 - age))
    return snapshot


def test_without_the_embedded_package_the_tiny_model_is_offered(user: Path, tmp_path: Path) -> None:
    assert embedded_model() == TINY
    assert [found for found in find_models(Home(tmp_path / "home"), user=user) if found.origin != "Embedded"] == []


def test_the_embedded_package_is_found_without_being_imported(
    user: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "some_model"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')", encoding="utf-8")
    (package / "Model.Q4_1.gguf").write_bytes(b"GGUF")
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setattr(catalog, "EMBEDDED_PACKAGE", "some_model")
    assert embedded_model() == package / "Model.Q4_1.gguf"
    assert "some_model" not in sys.modules


def test_the_hub_cache_is_looked_for_where_its_library_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert catalog.hub_cache() == tmp_path / "huggingface" / "hub"


def test_a_hub_cache_folder_is_its_newest_snapshot_with_weights(user: Path) -> None:
    cached(user, "org/one", revision="old", age=900)
    newest = cached(user, "org/one", revision="new", age=100)
    (newest.parent / "tokenizer-only").mkdir()
    (newest.parent / "tokenizer-only" / "tokenizer.json").write_text("{}", encoding="utf-8")
    for path in (newest.parents[1], newest):
        assert (describe(path).path, describe(path).name) == (newest, "org/one")
    assert describe("org/one").path == newest


def test_a_hub_cache_folder_without_weights_says_so(user: Path) -> None:
    snapshot = cached(user, "org/one")
    (snapshot / "model.safetensors").rename(snapshot / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"org/one in the hub cache has no safetensors weights\. Only pickled ones"):
        describe(snapshot.parents[1])


def test_every_usual_place_is_searched_once(user: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    converted = tiny_model("llama", home.models / "file-12345678")
    (home.models / ".half.part").mkdir()
    tiny_model("llama", home.models / ".half.part")
    snapshot = cached(user, "org/one")
    studio = user / ".lmstudio" / "models" / "maker" / "model" / "model-Q4.gguf"
    studio.parent.mkdir(parents=True)
    studio.write_bytes(b"GGUF")
    (studio.parent / "mmproj-model.gguf").write_bytes(b"GGUF")
    blob = user / ".ollama" / "models" / "blobs" / "sha256-77"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"GGUF")
    manifest = user / ".ollama" / "models" / "manifests" / "registry" / "library" / "smollm" / "135m"
    manifest.parent.mkdir(parents=True)
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:77"}
    manifest.write_text(json.dumps({"layers": [layer]}), encoding="utf-8")
    manifest.with_name("broken").write_text("[", encoding="utf-8")
    own = tiny_model("gpt2", tmp_path / "mine" / "gpt2")
    found = find_models(home, [tmp_path / "mine", own, tmp_path / "absent"], user=user)
    assert [item for item in found if item.origin != "Embedded"] == [
        Found(converted, "file-12345678", "folder", "Converted"),
        Found(own, "gpt2", "folder", "Folder"),
        Found(snapshot, "org/one", "folder", "Hub cache"),
        Found(studio, "model-Q4", "gguf", "LM Studio"),
        Found(blob, "smollm:135m", "gguf", "Ollama"),
    ]


def test_a_model_of_many_shards_is_described_from_headers_alone(tmp_path: Path) -> None:
    """As many blocks and shards as 70 billion parameters come in, but narrow."""
    config = {"model_type": "llama", "num_hidden_layers": 80, "hidden_size": 64, "num_attention_heads": 64}
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_key_value_heads": 8}), encoding="utf-8")
    shapes = {"model.embed_tokens.weight": (256, 64), "lm_head.weight": (256, 64)}
    sizes = {"q": (64, 64), "k": (8, 64), "v": (8, 64), "o": (64, 64)}
    for block in range(80):
        for role, shape in sizes.items():
            shapes[f"model.layers.{block}.self_attn.{role}_proj.weight"] = shape
        for role, shape in {"gate": (128, 64), "up": (128, 64), "down": (64, 128)}.items():
            shapes[f"model.layers.{block}.mlp.{role}_proj.weight"] = shape
    places = {name: f"model-{index % 15 + 1:05}-of-00015.safetensors" for index, name in enumerate(shapes)}
    for shard in sorted(set(places.values())):
        header, end = {}, 0
        for name in (name for name, place in places.items() if place == shard):
            size = shapes[name][0] * shapes[name][1] * 2
            header[name] = {"dtype": "BF16", "shape": shapes[name], "data_offsets": [end, end + size]}
            end += size
        text = json.dumps(header).encode()
        with (tmp_path / shard).open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            file.truncate(8 + len(text) + end)
    index = {"weight_map": places}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    info = describe(tmp_path)
    assert (info.blocks, len(info.adaptable), info.parameters) == (
        80,
        560,
        80 * (64 * 144 + 3 * 128 * 64) + 2 * 256 * 64,
    )
    assert (info.dtype, info.tied, info.bytes) == ("bfloat16", False, 2 * info.parameters)


def test_describing_a_model_loads_neither_torch_nor_transformers(tmp_path: Path) -> None:
    folder = tiny_model("llama", tmp_path)
    program = (
        "import sys; from core.models.catalog import describe, find_models; from core.home import Home\n"
        f"describe({str(folder)!r}); find_models(Home(__import__('pathlib').Path({str(tmp_path / 'home')!r})))\n"
        "print([name for name in ('torch', 'transformers', 'numpy', 'gguf', 'tokenizers') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert done.stdout.strip() == "[]"
