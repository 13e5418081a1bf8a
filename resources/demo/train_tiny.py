"""Train the tiny Llama of `resources/demo/tiny`: the model of tests, of `make demo QUICK=1` and of machines offline.

    python resources/demo/train_tiny.py [--data FOLDER] [--out FOLDER] [--steps N] [--threads N]

It reads the novels of Jane Austen and the WordNet glosses that lie beside it in `data/`, trains a byte-level BPE of
2,048 tokens and a Llama of 4 blocks on them, and ends with a phase in which half of every batch is conversations, so
that a chat prompt is nothing new to it. Never seen in training: the end of the novels, the glosses of the test file,
and the whole Devil's Dictionary, which the demo teaches it. Equal seeds and thread counts give equal weights on one
machine. The folder is written every few minutes, so that a run that is cut short leaves a model behind.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from torch.nn import functional
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

HERE = Path(__file__).resolve().parent
END_OF_TEXT, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
ROW = 256  # tokens in a training row
BATCH = 8  # rows in a step
HELD_OUT_CHARACTERS = 80_000  # the end of the last novel
CHAT_SHARE = 0.12  # of the steps, at the end
PEAK_RATE = 3e-3
SAVE_SECONDS = 180
UNFIT = re.compile(r"sexual|\bsex\b|penis|genital|\brape|offensive|urin[ea]|uterus|naked", re.IGNORECASE)
"""Glosses that a demonstration should not learn to say."""


@dataclass(frozen=True)
class Corpus:
    """What is trained on and what measures it: plain text, conversations, and the held-out parts of both."""

    novels: str
    novels_held_out: str
    chats: list[tuple[str, str]]
    chats_held_out: list[tuple[str, str]]


def read_corpus(folder: Path) -> Corpus:
    """The novels without their runs of blank lines, and the glosses as question and answer."""
    text = re.sub(r"\n{2,}", "\n\n", (folder / "austen.txt").read_text(encoding="utf-8")).replace("_", "")
    return Corpus(
        novels=text[:-HELD_OUT_CHARACTERS],
        novels_held_out=text[-HELD_OUT_CHARACTERS:],
        chats=conversations(folder / "wordnet_topics_train.jsonl"),
        chats_held_out=conversations(folder / "wordnet_topics_test.jsonl"),
    )


def conversations(path: Path) -> list[tuple[str, str]]:
    """Two pairs for every gloss: one asks for a definition of something of its topic, one for the topic."""
    pairs = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        gloss, topic = row["text"], row["label"]
        if UNFIT.search(gloss):
            continue
        sentence = gloss[0].upper() + gloss[1:] + "."
        pairs.append((f"Define a noun of the kind “{topic}”.", sentence))
        pairs.append((f"What kind of thing is “{gloss}”?", f"{topic.capitalize()}."))
    return pairs


def train_tokenizer(corpus: Corpus) -> PreTrainedTokenizerFast:
    """A byte-level BPE of 2,048 tokens with single digits; ids 0, 1 and 2 are the special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2048,
        special_tokens=[END_OF_TEXT, START, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([corpus.novels, *(chat_text(*pair) for pair in corpus.chats)], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=START,
        eos_token=END,
        unk_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )


def chat_text(question: str, answer: str) -> str:
    """One exchange as the chat template writes it."""
    return f"{START}user\n{question}{END}\n{START}assistant\n{answer}{END}\n"


def build_model(vocabulary: int) -> LlamaForCausalLM:
    """4 blocks, 256 wide, 4 query and 2 key-value heads, tied embeddings: 3.5 million parameters."""
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    return LlamaForCausalLM(config)


def rate(step: int, steps: int) -> float:
    """A short rise, then a half cosine down to a twentieth of the peak."""
    rise = min(1.0, (step + 1) / 60)
    fall = 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps))
    return PEAK_RATE * rise * fall


def rows_of(tokens: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` rows of `ROW + 1` tokens from random places of a stream: (count, ROW + 1)."""
    starts = torch.randint(0, len(tokens) - ROW - 1, (count,), generator=generator)
    return torch.stack([tokens[start : start + ROW + 1] for start in starts.tolist()])


def loss_of(model: LlamaForCausalLM, rows: Tensor) -> Tensor:
    """Mean cross-entropy in nats for rows (n, length + 1)."""
    logits = model(input_ids=rows[:, :-1]).logits
    return functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())


@torch.no_grad()
def bits_per_byte(model: LlamaForCausalLM, tokens: Tensor, size: int) -> float:
    """Of a held-out stream of `size` UTF-8 bytes, read in rows that do not overlap."""
    count = (len(tokens) - 1) // ROW
    rows = torch.stack([tokens[i * ROW : i * ROW + ROW + 1] for i in range(count)])
    mean = sum(float(loss_of(model, rows[i : i + 8])) * len(rows[i : i + 8]) for i in range(0, count, 8)) / count
    return mean * (len(tokens) - 1) / size / math.log(2)


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path, measured: str) -> None:
    """The folder that `transformers` opens: float16 safetensors, tokenizer with template, README."""
    weights = {name: tensor.to(torch.float16) for name, tensor in model.state_dict().items()}
    copy = LlamaForCausalLM(model.config).to(torch.float16)
    copy.load_state_dict(weights)
    copy.tie_weights()
    copy.generation_config = GenerationConfig(bos_token_id=1, eos_token_id=2, pad_token_id=0)
    copy.save_pretrained(out)
    tokenizer.save_pretrained(out)
    name_portably(out / "tokenizer_config.json")
    (out / "README.md").write_text(README.format(measured=measured), encoding="utf-8", newline="\n")


def name_portably(path: Path) -> None:
    """Name the tokenizer's class as every version of `transformers` knows it."""
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8", newline="\n")


README = """# A tiny Llama for tests and demonstrations

3.5 million parameters (4 blocks, 256 wide, 2,048 tokens, tied embeddings), float16, trained by `../train_tiny.py` in
minutes on a CPU. It writes grammatical sentences without much meaning, and answers in the ChatML shape. It is here so
that tests and the quick demonstration have a model that really learns, with nothing to download; it is of no other use.

Trained on: six novels of Jane Austen (public domain) and the training glosses of WordNet 3.0 (see `../data` for the
notice that travels with them). Not trained on: the end of the novels, WordNet's test rows and the Devil's Dictionary.

{measured}
"""


def train(corpus: Corpus, out: Path, *, steps: int, seed: int) -> None:
    """The whole training; prints a line every 50 steps."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    tokenizer = train_tokenizer(corpus)
    model = build_model(len(tokenizer))

    def stream(text: str) -> Tensor:
        return torch.tensor(tokenizer.backend_tokenizer.encode(text).ids)

    order = torch.randperm(len(corpus.chats), generator=generator).tolist()
    novels, chats = stream(corpus.novels), stream("".join(chat_text(*corpus.chats[i]) for i in order))
    held_out_chats = "".join(chat_text(*pair) for pair in corpus.chats_held_out)
    measures = {"novels": corpus.novels_held_out, "conversations": held_out_chats}
    streams = {name: (stream(text), len(text.encode())) for name, text in measures.items()}
    print(
        f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(novels):,} + {len(chats):,} tokens",
        flush=True,
    )

    def finish(step: int) -> None:
        bits = {name: bits_per_byte(model, *held_out) for name, held_out in streams.items()}
        line = (
            f"After {step:,} of {steps:,} steps of {BATCH * ROW:,} tokens, bits per byte of held-out text: "
            f"novels {bits['novels']:.3f}, conversations {bits['conversations']:.3f} (seed {seed})."
        )
        print(line, flush=True)
        save(model, tokenizer, out, line)

    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.95))
    begun = saved = time.monotonic()
    for step in range(steps):
        chat_rows = BATCH // 2 if step >= steps * (1 - CHAT_SHARE) else int(step % 3 == 0)
        pieces = [
            rows_of(novels, BATCH - chat_rows, generator),
            rows_of(chats, max(chat_rows, 1), generator)[:chat_rows],
        ]
        loss = loss_of(model, torch.cat(pieces))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps)
        optimizer.step()
        optimizer.zero_grad()
        if step % 50 == 49:
            speed = (step + 1) * BATCH * ROW / (time.monotonic() - begun)
            print(f"step {step + 1} loss {loss.item():.3f} {speed:,.0f} tokens/s", flush=True)
        if time.monotonic() - saved > SAVE_SECONDS:
            finish(step + 1)
            saved = time.monotonic()
    finish(steps)


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=HERE / "data")
    parser.add_argument("--out", type=Path, default=HERE / "tiny")
    parser.add_argument("--steps", type=int, default=2600)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    train(read_corpus(given.data), given.out, steps=given.steps, seed=given.seed)


if __name__ == "__main__":
    main()
