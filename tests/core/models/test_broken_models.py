"""What is wrong with a model's folder or file is said in a sentence that names the place and what to do."""

from __future__ import annotations

import errno
import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from core.errors import UserError
from core.models.catalog import describe
from core.models.headers import read_headers
from tests.tiny import random_model, tiny_model

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tiny_model("llama", tmp_path_factory.mktemp("whole"))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def folder(whole: dict[str, bytes], tmp_path: Path) -> Path:
    for name, content in whole.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def sharded(folder: Path) -> list[str]:
    (folder / WEIGHTS).unlink()
    random_model("llama").save_pretrained(folder, max_shard_size="20KB")
    return sorted(path.name for path in folder.glob("*.safetensors"))


def set_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **changes}), encoding="utf-8")


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def no_json(folder: Path) -> None:
    (folder / "config.json").write_text("{model_type: llama", encoding="utf-8")


def no_type(folder: Path) -> None:
    (folder / "config.json").write_text("[]", encoding="utf-8")


def unknown_type(folder: Path) -> None:
    set_config(folder, model_type="lama")


def own_program(folder: Path) -> None:
    set_config(folder, model_type="my_own", auto_map={"AutoModelForCausalLM": "modeling.Mine"})


def quantised(folder: Path) -> None:
    set_config(folder, quantization_config={"quant_method": "gptq", "bits": 4})


def no_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def pickled(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")


def cut_short(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-1000])


def cut_in_the_header(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:200])


def nothing_in_it(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"")


def pointer(folder: Path) -> None:
    (folder / WEIGHTS).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\n", encoding="utf-8")


def web_page(folder: Path) -> None:
    (folder / WEIGHTS).write_text("<!doctype html><html><body>Not found</body></html>", encoding="utf-8")


def scrambled(folder: Path) -> None:
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[20:40] = b"\xff" * 20
    (folder / WEIGHTS).write_bytes(bytes(data))


def too_long(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes() + b"\0" * 64)


def shard_missing(folder: Path) -> None:
    (folder / sharded(folder)[1]).unlink()


def shard_short(folder: Path) -> None:
    shard = folder / sharded(folder)[1]
    shard.write_bytes(shard.read_bytes()[:-1])


def shard_without_its_tensor(folder: Path) -> None:
    shard = folder / sharded(folder)[0]
    weights = load_file(shard)
    weights["elsewhere"] = weights.pop(sorted(weights)[0])
    save_file(weights, shard)


def tensor_twice(folder: Path) -> None:
    names = sharded(folder)
    save_file(load_file(folder / names[0]) | load_file(folder / names[1]), folder / names[1])


def no_index(folder: Path) -> None:
    sharded(folder)
    (folder / INDEX).unlink()


def broken_index(folder: Path) -> None:
    sharded(folder)
    (folder / INDEX).write_text('{"weight_map": [1, 2]}', encoding="utf-8")


def adapter(folder: Path) -> None:
    no_config(folder)
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}', encoding="utf-8")


def gguf_inside(folder: Path) -> None:
    no_config(folder)
    (folder / WEIGHTS).rename(folder / "model.gguf")


def no_layers(folder: Path) -> None:
    weights = {name: tensor for name, tensor in load_file(folder / WEIGHTS).items() if "layers" not in name}
    save_file(weights, folder / WEIGHTS)


def too_many_blocks(folder: Path) -> None:
    set_config(folder, num_hidden_layers=9)


def another_vocabulary(folder: Path) -> None:
    set_config(folder, vocab_size=10**12)


def broken_link(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    try:
        (folder / WEIGHTS).symlink_to(folder / "blobs" / "0123")
    except OSError:
        pytest.skip("this system lets nobody make links")


def half_a_length(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    header["model.norm.weight"]["shape"] = [32.5]
    text = json.dumps(header).encode()
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


CASES: dict[Callable[[Path], None], str] = {
    no_config: "no config.json",
    no_json: "config.json is not readable JSON",
    no_type: "no model_type",
    unknown_type: "'lama'.*knows.*Did you mean 'llama'",
    own_program: "needs a program of its own",
    quantised: "already quantised \\(gptq\\)",
    no_weights: "no weights",
    pickled: "no weights.*can run any program",
    cut_short: "cut short: 1,000 of its .* bytes of weights are missing",
    cut_in_the_header: "cut short.*less than its header",
    nothing_in_it: "is empty",
    pointer: "Git LFS pointer",
    web_page: "no safetensors file",
    scrambled: "damaged",
    too_long: "damaged",
    shard_missing: "lacks model-00002-of-",
    shard_short: "model-00002-of-.* is cut short: 1 of",
    shard_without_its_tensor: "lacks the tensor",
    tensor_twice: "a second time",
    no_index: "neither model.safetensors nor",
    broken_index: "is damaged: it does not say which shard",
    adapter: "an adapter, not a model.*org/base",
    gguf_inside: "choose that file itself",
    no_layers: "do not fit: it speaks of 2 blocks, and they hold 0",
    too_many_blocks: "do not fit: it speaks of 9 blocks, and they hold 2",
    another_vocabulary: "do not fit: it speaks of 1,000,000,000,000 tokens, and they hold 384",
    broken_link: "model.safetensors is a link to a file that is not there",
    half_a_length: "damaged: its header cannot be read",
}


@pytest.mark.parametrize("spoil", CASES, ids=lambda case: case.__name__)
def test_a_broken_folder_gets_a_sentence_with_its_place(spoil: Callable[[Path], None], folder: Path) -> None:
    spoil(folder)
    with pytest.raises(UserError, match=CASES[spoil]) as caught:
        describe(folder)
    assert str(folder) in str(caught.value)


def test_odd_words_beside_the_sizes_do_no_harm(folder: Path) -> None:
    set_config(folder, architectures={"one": "LlamaForCausalLM"})
    (folder / "source.json").write_text('{"exact": false}', encoding="utf-8")
    info = describe(folder)
    assert (info.architecture, info.notes) == ("", ())


def test_weights_behind_the_last_block_of_the_configuration_are_no_layers(folder: Path) -> None:
    set_config(folder, num_hidden_layers=1)
    assert {layer.block for layer in describe(folder).adaptable} == {0}


def test_an_empty_folder_is_called_empty(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is empty"):
        describe(tmp_path)


def test_a_folder_that_may_not_be_looked_into_is_a_users_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(UserError, match="cannot be read: Permission denied"):
        describe(tmp_path)


def test_a_path_that_leads_nowhere_is_followed_as_far_as_it_goes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no model at") as caught:
        describe(tmp_path / "some" / "where")
    assert caught.value.hint == f"The path is right up to {tmp_path}."


def test_no_path_at_all_asks_for_one() -> None:
    with pytest.raises(UserError, match="No model is chosen"):
        describe("")


@pytest.mark.parametrize("name", ["weights.bin", "notes.txt"])
def test_a_file_that_is_no_model_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"something")
    with pytest.raises(UserError, match="neither a model's folder nor a GGUF file"):
        describe(tmp_path / name)


def test_a_file_of_a_model_stands_for_its_folder(folder: Path) -> None:
    assert describe(folder / "config.json") == describe(folder)


def test_shards_are_one_model(folder: Path) -> None:
    before = describe(folder)
    assert len(sharded(folder)) > 3
    assert describe(folder) == before


def test_a_shard_outside_the_folder_is_never_read(folder: Path) -> None:
    sharded(folder)
    (folder / INDEX).write_text('{"weight_map": {"a": "../../elsewhere.safetensors"}}', encoding="utf-8")
    with pytest.raises(UserError, match=r"lacks elsewhere\.safetensors"):
        describe(folder)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 400), value=st.integers(0, 255), length=st.integers(0, 3000))
def test_damage_anywhere_in_a_header_is_a_sentence_or_harmless(
    place: int, value: int, length: int, whole: dict[str, bytes], tmp_path: Path
) -> None:
    data = bytearray(whole[WEIGHTS])
    data[place] = value
    path = tmp_path / WEIGHTS
    path.write_bytes(bytes(data[: len(data) - length]))
    try:
        found = read_headers(path)
    except UserError:
        return
    assert length == 0
    assert sum(tensor.bytes for tensor in found.values()) <= path.stat().st_size


def test_a_header_that_claims_more_than_the_file_holds_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / WEIGHTS
    path.write_bytes(struct.pack("<Q", 90_000_000) + b"{}")
    with pytest.raises(UserError, match="cut short"):
        read_headers(path)
