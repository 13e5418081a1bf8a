"""What is learned of an example is the assistant's words and their end, whatever the template and the text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken

from core.data.example import Example, Role, Turn
from core.data.template import Encoder, tokenise
from core.data.tokens import Tokens
from core.data.windows import windows
from core.errors import UserError
from tests.core.data.chats import (
    CHATML,
    ENDS,
    GEMMA,
    LLAMA,
    MISTRAL,
    PHI,
    SMOLLM,
    SPECIAL,
    STOCK,
    THINKING,
    TRIMS,
    UNMARKED,
    byte_level,
    sentence_piece,
)  # fmt: skip

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ue000"), max_size=40).filter(
    lambda text: not any(special in text for special in SPECIAL)
)
ROUNDS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3)


def chat(*said: tuple[Role, str]) -> Example:
    return Example(tuple(Turn(role, text, role == "assistant") for role, text in said), "chats.jsonl", 17)


def plain(prompt: str, completion: str) -> Example:
    return Example((Turn("prompt", prompt), Turn("completion", completion, True)), "pairs.jsonl", 2, style="plain")


def of_rounds(rounds: list[tuple[str, str]]) -> Example:
    return chat(*((role, text) for pair in rounds for role, text in zip(("user", "assistant"), pair, strict=True)))


def learned(example: Example, tokenizer: object, train_on: str = "completions") -> str:
    tokens = tokenise(example, tokenizer, train_on=train_on)  # type: ignore[arg-type]
    return tokenizer.decode(tokens.ids[tokens.trained].tolist())  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("name", STOCK)
@settings(deadline=None, max_examples=60)
@given(rounds=ROUNDS)
def test_what_is_learned_is_every_answer_with_its_end(name: str, rounds: list[tuple[str, str]]) -> None:
    answers = [answer.strip() if name in TRIMS else answer for _, answer in rounds]
    lead = " " if name == "mistral" else ""  # which the template writes and the prompt does not end with
    wanted = "".join(lead + answer + ENDS[name] for answer in answers)
    assert learned(of_rounds(rounds), byte_level(STOCK[name])) == wanted


@settings(deadline=None, max_examples=60)
@given(rounds=ROUNDS)
def test_without_a_template_every_answer_ends_with_the_end_of_text(rounds: list[tuple[str, str]]) -> None:
    assert learned(of_rounds(rounds), byte_level(None)) == "".join(answer + "</s>" for _, answer in rounds)


@pytest.mark.parametrize("begins", [False, True])
@settings(deadline=None, max_examples=100)
@given(prompt=TEXT, completion=TEXT)
def test_a_completion_is_learned_with_the_end_of_text(begins: bool, prompt: str, completion: str) -> None:
    tokenizer = byte_level(begins=begins)
    assert learned(plain(prompt, completion), tokenizer) == completion + "</s>"
    whole = tokenizer.decode(tokenise(plain(prompt, completion), tokenizer).ids.tolist())
    assert whole == "<s>" * begins + prompt + completion + "</s>"


@pytest.mark.parametrize("name", STOCK)
@settings(deadline=None, max_examples=40)
@given(asked=TEXT, answer=TEXT.filter(lambda text: "▁" not in text))
def test_a_tokenizer_that_glues_blanks_to_words_learns_the_answer_too(name: str, asked: str, answer: str) -> None:
    # its decoder drops a first blank, and a line break may hang together with one of the answer's
    text = learned(chat(("user", asked), ("assistant", answer)), sentence_piece(STOCK[name]))
    assert text.endswith(ENDS[name])
    assert text.removesuffix(ENDS[name]).strip() == answer.strip()


@pytest.mark.parametrize("name", STOCK)
def test_the_ids_are_those_that_the_template_gives(name: str) -> None:
    tokenizer = byte_level(STOCK[name])
    turns = [("user", "What is it?"), ("assistant", "A noun."), ("user", "Sure?"), ("assistant", "Yes, it is.")]
    messages = [{"role": role, "content": text} for role, text in turns]
    wanted = tokenizer.apply_chat_template(messages, return_dict=False)
    assert tokenise(chat(*turns), tokenizer).ids.tolist() == wanted  # type: ignore[arg-type]


def test_the_default_system_prompt_of_a_template_is_kept_and_not_learned() -> None:
    example = chat(("user", "Who?"), ("assistant", "Me."))
    tokens = tokenise(example, byte_level(SMOLLM))
    assert "You are a helpful machine." in byte_level(SMOLLM).decode(tokens.ids.tolist())
    assert learned(example, byte_level(SMOLLM)) == "Me.<|im_end|>"


def test_thoughts_of_the_last_answer_are_learned_and_earlier_ones_are_gone_as_in_the_template() -> None:
    first, last = "<think>\none\n</think>\n\nFirst.", "<think>\ntwo\n</think>\n\nLast."
    example = chat(("user", "a"), ("assistant", first), ("user", "b"), ("assistant", last))
    assert learned(example, byte_level(THINKING)) == "First.<|im_end|><think>\ntwo\n</think>\n\nLast.<|im_end|>"


def test_a_template_without_end_marks_gets_the_end_of_text_behind_the_last_answer() -> None:
    example = chat(("user", "a"), ("assistant", "First."), ("user", "b"), ("assistant", "Last."))
    assert learned(example, byte_level(UNMARKED)) == "First.Last.</s>"


def test_an_answer_that_is_already_ended_is_not_ended_twice() -> None:
    tokens = tokenise(plain("Q:", " foo</s>"), byte_level())
    assert (tokens.ids == byte_level().eos_token_id).sum() == 1
    assert learned(plain("Q:", " foo</s>"), byte_level()) == " foo</s>"


def test_a_text_that_begins_with_the_begin_token_has_it_once() -> None:
    tokens = tokenise(plain("<s>Q:", " foo"), byte_level(begins=True))
    assert (tokens.ids == byte_level().bos_token_id).sum() == 1
    assert tokens.ids[0] == byte_level().bos_token_id


def test_a_chat_template_writes_its_begin_token_once() -> None:
    for tokenizer in (byte_level(GEMMA, begins=True), byte_level(MISTRAL, begins=True)):
        tokens = tokenise(chat(("user", "a"), ("assistant", "b")), tokenizer)
        assert (tokens.ids == tokenizer.bos_token_id).sum() == 1


def test_a_prompt_ends_as_it_does_when_the_model_is_asked() -> None:
    tokenizer = byte_level()
    asked = tokenizer("Q: ", add_special_tokens=False)["input_ids"]
    tokens = tokenise(plain("Q: ", "foo"), tokenizer)
    assert tokens.ids[: len(asked)].tolist() == asked
    assert not tokens.trained[: len(asked)].any()
    assert tokens.trained[len(asked) :].all()


def test_the_end_is_learned_even_where_it_is_the_padding_token() -> None:
    tokenizer = byte_level(PHI)
    before = tokenizer.pad_token
    tokenizer.pad_token = "<|end|>"
    try:
        assert learned(chat(("user", "a"), ("assistant", "b")), tokenizer) == "b<|end|>"
    finally:
        tokenizer.pad_token = before


def test_a_header_that_swallows_the_white_space_behind_it_is_not_learned() -> None:
    tokenizer = byte_level(PHI)
    greedy = type(tokenizer)(tokenizer_object=tokenizer.backend_tokenizer, chat_template=PHI, eos_token="</s>")
    greedy.add_special_tokens(
        {"additional_special_tokens": [AddedToken("<|assistant|>", rstrip=True), AddedToken("<|end|>", lstrip=True)]}
    )
    text = learned(chat(("user", "a"), ("assistant", "  b  ")), greedy)
    assert text.startswith("b")
    assert text.endswith("<|end|>")


def test_everything_learns_prompts_as_well_but_not_the_begin_token() -> None:
    tokenizer = byte_level(LLAMA)
    text = learned(chat(("user", "a"), ("assistant", "b")), tokenizer, "everything")
    assert text == "<|begin|><|header|>user<|/header|>\n\na<|eot|><|header|>assistant<|/header|>\n\nb<|eot|>"
    assert not tokenise(plain("a", "b"), byte_level(begins=True), train_on="everything").trained[0]


def test_turns_that_are_context_are_not_learned() -> None:
    turns = (Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c"), Turn("assistant", "d", trained=True))
    assert learned(Example(turns, "f", 1), byte_level(CHATML)) == "d<|im_end|>"
    assert learned(Example(turns[:3], "f", 1), byte_level(CHATML)) == ""


def test_what_does_not_fit_is_cut_and_counted() -> None:
    example = chat(("user", "a"), ("assistant", "one two three four five six"))
    whole = tokenise(example, byte_level())
    short = tokenise(example, byte_level(), max_tokens=8)
    assert short.truncated
    assert not whole.truncated
    assert len(short) == 8
    assert short.cut == len(whole) - 8
    assert short.cut_trained == whole.trained.sum() - short.trained.sum() > 0


def test_a_conversation_that_the_template_refuses_is_named() -> None:
    with pytest.raises(UserError, match=r"chats\.jsonl, row 17: .* refuses .*System role not supported"):
        tokenise(chat(("system", "s"), ("user", "a"), ("assistant", "b")), byte_level(GEMMA))
    with pytest.raises(UserError, match=r"row 17.*alternate"):
        tokenise(chat(("user", "a"), ("user", "b"), ("assistant", "c")), byte_level(MISTRAL))


def test_a_template_that_would_run_a_program_stays_in_its_sandbox() -> None:
    hostile = "{{ messages.__class__.__mro__[-1].__subclasses__() }}"
    with pytest.raises(UserError, match="refuses this conversation"):
        tokenise(chat(("user", "a"), ("assistant", "b")), byte_level(hostile))


def test_many_examples_at_once_are_as_one_by_one() -> None:
    encoder = Encoder(byte_level(), train_on="completions", max_tokens=30)
    examples = [chat(("user", "a" * n), ("assistant", "b c" * n)) for n in range(1, 9)]
    examples.insert(3, plain("Q:", " A"))
    for together, alone in zip(encoder.encode(examples), (encoder.encode([each])[0] for each in examples), strict=True):
        assert np.array_equal(together.ids, alone.ids)
        assert np.array_equal(together.trained, alone.trained)


def document(text: str, *, ends: bool = True) -> Example:
    return Example((Turn("text", text, True),), "novel.txt", 1, style="document", ends=ends)


def windowed(parts: list[Example], max_tokens: int, *, begins: bool = False) -> list[Tokens]:
    encoder = Encoder(byte_level(begins=begins), train_on="completions", max_tokens=max_tokens)
    ids = encoder.text_ids([part.turns[0].content for part in parts])
    pairs = zip(parts, ids, strict=True)
    return list(windows(pairs, beginning=encoder.beginning, end=encoder.end, max_tokens=max_tokens))


def test_a_document_is_cut_into_full_windows_that_lose_nothing() -> None:
    text = "one two three four five six seven eight nine ten"
    found = windowed([document(text[:20], ends=False), document(text[20:]), document("a")], 10)
    joined = byte_level().decode(np.concatenate([each.ids for each in found]).tolist())
    assert joined == text + "</s>a</s>"
    assert [len(each) for each in found[:-2]] == [10] * (len(found) - 2)
    assert all(each.trained.all() and not each.truncated for each in found)


def test_each_window_begins_as_the_tokenizer_begins_a_text() -> None:
    found = windowed([document("one two three four five six seven")], 10, begins=True)
    assert len(found) > 1
    for each in found:
        assert each.ids[0] == byte_level().bos_token_id
        assert each.trained.tolist() == [False] + [True] * (len(each) - 1)
        assert len(each) <= 10


def test_a_tokenizer_without_offsets_is_refused() -> None:
    class Slow:
        is_fast = False

    with pytest.raises(UserError, match="does not say which characters"):
        Encoder(Slow(), train_on="completions", max_tokens=8)  # type: ignore[arg-type]
