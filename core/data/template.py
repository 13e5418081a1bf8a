"""From an example to tokens and the mask of what is learned.

The text of an example is tokenised once, whole: pieces tokenised apart would merge differently at their borders and
train on tokens that never occur. The answers' characters are mapped to tokens by their offsets. The one border that is
kept by force is that between a prompt and its answer, where a token would straddle it: there the prompt ends when the
model is used, too, so the two sides are tokenised as they will be then.

An answer's end-of-turn marker is learned with it, by its place in the text and never by its id: whether it is also the
padding token makes no difference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.data.cutting import cut, joined
from core.data.example import Example
from core.data.labelled import labelled
from core.data.marking import Group, Marked, marked
from core.data.oddities import DOUBLED, UNSAID
from core.data.places import Places
from core.data.rendering import Rendered, Renderer, Span
from core.data.specials import beginning, id_of, is_direct, special, special_words
from core.data.tokens import Tokens
from core.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_MARK = re.compile(r"<\|[a-z_]+\|>|<(?:start|end)_of_turn>|\[/?INST\]")
"""Special words as templates write them."""

TrainOn = Literal["completions", "last-turn", "everything"]


def tokenise(
    example: Example,
    tokenizer: PreTrainedTokenizerBase,
    *,
    train_on: TrainOn = "completions",
    max_tokens: int = 2**31,
    template: str = "",
) -> Tokens:
    """One example as tokens; see `Encoder.encode`."""
    return Encoder(tokenizer, train_on=train_on, max_tokens=max_tokens, template=template).encode([example])[0]


class Encoder:
    """Turns examples into tokens for one tokenizer.

    Args:
        tokenizer: a fast one, which knows the characters behind each token.
        train_on: "completions" learns the answers with their end, "last-turn" the last one, "everything" all tokens.
        max_tokens: what is longer is cut off, and counted.
        template: a chat template's name or text; empty takes the model's own.
        learn_end: whether the end of an answer is learned in given ids whose labels leave it out.

    Raises:
        UserError: the tokenizer is not a fast one.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        *,
        train_on: TrainOn,
        max_tokens: int,
        template: str = "",
        learn_end: bool = False,
    ) -> None:
        if not tokenizer.is_fast:
            raise UserError(
                "The model's tokenizer does not say which characters its tokens stand for.",
                hint="Use a model folder with a tokenizer.json.",
                path="model.path",
            )
        self.tokenizer = tokenizer
        self._renderer = Renderer(tokenizer, template)
        self._train_on = train_on
        self._max_tokens = max_tokens
        self._learn_end = learn_end
        self._marks = special_words(tokenizer)
        self._direct = is_direct(tokenizer)
        self.beginning = beginning(tokenizer)
        self.end = id_of(tokenizer.eos_token_id)
        self._begin = id_of(tokenizer.bos_token_id)
        self._special = special(tokenizer)
        self.noticed: dict[str, Places] = {}
        """Oddities that only show here (`core.data.oddities`), with their places."""

    @property
    def own_template(self) -> bool:
        """Whether the model has a chat template of its own."""
        return self._renderer.own_template

    @property
    def chosen_template(self) -> str:
        """The text of the template that was chosen instead; empty where none was."""
        return self._renderer.chosen

    @property
    def has_own(self) -> bool:
        """Whether the model has a chat template, be it used or not."""
        return bool(self.tokenizer.chat_template)

    def spelled_marks(self) -> list[str]:
        """The special words of the chosen template that are no single token."""
        marks = sorted(set(_MARK.findall(self.chosen_template)))
        return [mark for mark in marks if len(self._call([mark], specials=False)["input_ids"][0]) != 1]

    @property
    def pads_with_end(self) -> bool:
        """Whether padding and the end of a text are one token, so that masking the one masks the other."""
        return self.end is not None and self.tokenizer.pad_token_id == self.end

    def holds_marks(self, example: Example) -> bool:
        """Whether special words stand in an example's own texts, where the model would take them for real ones.

        An end-of-text that somebody has written behind a completion is what it seems to be.
        """
        texts = [turn.content for turn in (*example.turns, *example.rejected)]
        if example.style == "plain":
            end = str(self.tokenizer.eos_token or "")
            texts = [text.rstrip().removesuffix(end) for text in texts]
        return any(self._marks.search(text) for text in texts)

    def encode(self, examples: Sequence[Example]) -> list[Tokens]:
        """Examples as tokens; all of them but documents, see `core.data.windows`.

        Raises:
            UserError: the chat template refuses an example, or ids are not the model's.
        """
        if examples and examples[0].style == "ids":
            return [self._given(example) for example in examples]
        if examples and examples[0].style == "labelled":
            return [labelled(example, self.tokenizer, self._max_tokens) for example in examples]
        if examples and examples[0].rejected:
            better = self._written(examples)
            worse = self._written([replace(each, turns=each.rejected) for each in examples])
            return [joined(*pair) for pair in zip(better, worse, strict=True)]
        return self._written(examples)

    def encode_all(self, groups: Iterable[Sequence[Example]]) -> Iterator[Tokens]:
        """As `encode`, for one group after the other: while one is tokenised, the next is read and rendered.

        The library tokenises in threads of its own, and Python goes on in the meantime.
        """
        with ThreadPoolExecutor(1) as pool:
            waiting: Callable[[], list[Tokens]] | None = None
            for group in groups:
                following = self._begun(group, pool)
                if waiting is not None:
                    yield from waiting()
                waiting = following
            if waiting is not None:
                yield from waiting()

    def _begun(self, examples: Sequence[Example], pool: ThreadPoolExecutor) -> Callable[[], list[Tokens]]:
        """A group on its way to tokens; what is to be called for them."""
        if examples[0].style not in ("chat", "plain") or examples[0].rejected:
            found = self.encode(examples)
            return lambda: found
        examples, rendered = self._rendered(examples)
        encoded = pool.submit(self._encoded, rendered)
        return lambda: self._marked(examples, rendered, encoded.result())

    def _written(self, examples: Sequence[Example]) -> list[Tokens]:
        """Chats and plain examples, in one call of the tokenizer."""
        examples, rendered = self._rendered(examples)
        return self._marked(examples, rendered, self._encoded(rendered))

    def _rendered(self, examples: Sequence[Example]) -> tuple[Sequence[Example], list[Rendered]]:
        """Examples with the answers that are to be learned, as texts."""
        if self._train_on == "last-turn":
            examples = [example.of_last_turn() for example in examples]
        rendered = [self._renderer.render(example) for example in examples]
        for example, one in zip(examples, rendered, strict=True):
            if example.thought.strip() not in one.text:
                self._notice(UNSAID, example)
        return examples, rendered

    def _notice(self, oddity: str, example: Example) -> None:
        self.noticed.setdefault(oddity, Places()).add(example.place)

    def _marked(self, examples: Sequence[Example], rendered: Sequence[Rendered], encoded: list[Any]) -> list[Tokens]:
        """Examples as tokens, once their texts are tokenised."""
        group = Group.of(encoded)
        found = marked(group, rendered, self._special)
        return [self._of_group(group, found, *each) for each in enumerate(zip(examples, rendered, strict=True))]

    def _of_group(self, group: Group, found: Marked, index: int, one: tuple[Example, Rendered]) -> Tokens:
        """An example of a group whose answers have been marked, where that was possible."""
        (example, rendered), inside = one, group.inside(index)
        weighed = any(example.turns[span.turn].weight != 1 for span in rendered.spans)
        if weighed or not found.ordinary[index]:
            return self._tokens(example, rendered, group.ids[inside], group.offsets[inside])
        return self._whole(
            example, rendered, group.ids[inside], found.trained[inside], marked=bool(found.closed[index])
        )

    def _given(self, example: Example) -> Tokens:
        """Ids as the data has them, with one begin-of-text token where there were two."""
        ids = np.array(example.ids, dtype=np.int64)
        strange = np.flatnonzero((ids < 0) | (ids >= len(self._special)))
        if len(strange):
            raise UserError(
                f"{example.place}: the model has no token {ids[strange[0]]} (place {strange[0] + 1}).",
                hint="The ids were made with another tokenizer; they only fit the model that they were made for.",
                path="data.path",
            )
        learned = np.array(example.learned, dtype=np.bool_)
        if self._train_on == "everything":
            learned[:] = True
        if self._learn_end:
            ids, learned = self._with_end(ids, learned)
        stops = bool(not learned.any() or self._special[ids[np.flatnonzero(learned)[-1]]])
        kept, learned = self._one_beginning(example, ids.astype(np.int32), learned)
        return cut(kept, learned, example, self._max_tokens, stops=stops)

    def _with_end(
        self, ids: NDArray[np.int64], learned: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:  # fmt: skip
        """Given ids with the special token behind each answer learned as well, and an end behind the last one."""
        behind = np.flatnonzero(learned[:-1] & ~learned[1:] & self._special[ids[1:]]) + 1
        learned[behind] = True
        if self.end is not None and learned.any() and learned[-1] and not self._special[ids[-1]]:
            return np.append(ids, self.end), np.append(learned, True)
        return ids, learned

    def text_ids(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """Running text as ids, with nothing added."""
        called = self._call(texts, specials=False, offsets=False)
        return [np.array(ids, dtype=np.int32) for ids in called["input_ids"]]

    def _encoded(self, rendered: Sequence[Rendered]) -> list[Any]:
        """Every text as the tokenizer has it."""
        found: list[Any] = [None] * len(rendered)
        for specials in (False, True):
            chosen = [index for index, each in enumerate(rendered) if each.specials == specials]
            if chosen:
                encodings = self._encodings([rendered[index].text for index in chosen], specials=specials)
                for index, encoding in zip(chosen, encodings, strict=True):
                    found[index] = encoding
        return found

    def _encodings(self, texts: Sequence[str], *, specials: bool) -> Sequence[Any]:
        """What the library behind the tokenizer says of texts; without a detour where it takes none."""
        if not self._direct:
            return list(self._call(texts, specials=specials, offsets=False).encodings)
        self._call(texts[:1], specials=specials, offsets=False)  # for the settings that it makes
        return list(self.tokenizer.backend_tokenizer.encode_batch(list(texts), add_special_tokens=specials))

    def _call(self, texts: Sequence[str], *, specials: bool, offsets: bool = True) -> Any:
        return self.tokenizer(
            list(texts),
            add_special_tokens=specials,
            return_offsets_mapping=offsets,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )

    def _tokens(
        self, example: Example, rendered: Rendered, ids: NDArray[np.int32], offsets: NDArray[np.int64]
    ) -> Tokens:
        """One example by itself, whatever is peculiar about it."""
        borders = self._straddled(example, rendered, ids, offsets)
        if borders:
            ids, offsets = self._cut_at(rendered, borders, ids, offsets)
        trained = np.zeros(len(ids), dtype=np.bool_)
        marked = False
        for span in rendered.spans:
            marked = self._mark(trained, span, rendered.text, ids, offsets)
        weights = self._weights(example, rendered, ids, offsets)
        return self._whole(example, rendered, ids, trained, marked=marked, weights=weights)

    def _whole(
        self,
        example: Example,
        rendered: Rendered,
        ids: NDArray[np.int32],
        trained: NDArray[np.bool_],
        *,
        marked: bool,
        weights: NDArray[np.float32] | None = None,
    ) -> Tokens:
        """An example with its beginning and its end, once its answers are marked."""
        closed = False
        if rendered.closes and rendered.spans and not marked:
            ids, trained = self._close(ids, trained)
            closed = self.end is not None
        if self._train_on == "everything":
            trained = np.ones(len(ids), dtype=np.bool_)
        whole = len(ids)
        ids, trained = self._one_beginning(example, ids, trained)
        weights = None if weights is None else weights[whole - len(ids) : whole]
        stops = marked or closed or not rendered.spans
        return cut(ids, trained, example, self._max_tokens, stops=stops, weights=weights)

    def _weights(
        self, example: Example, rendered: Rendered, ids: NDArray[np.int32], offsets: NDArray[np.int64]
    ) -> NDArray[np.float32] | None:
        """How much each token of the answers counts, (n + 1,) with that of an end that may be put behind them.

        None where each counts 1, or where everything is learned alike.
        """
        told = [example.turns[span.turn].weight for span in rendered.spans]
        if self._train_on == "everything" or all(weight == 1 for weight in told):
            return None
        weights = np.ones(len(ids) + 1, dtype=np.float32)
        for span, weight in zip(rendered.spans, told, strict=True):
            mine = np.zeros(len(ids), dtype=np.bool_)
            self._mark(mine, span, rendered.text, ids, offsets)
            weights[:-1][mine] = weight
        if rendered.closes:
            weights[-2:] = told[-1]
        return weights

    def _mark(
        self, trained: NDArray[np.bool_], span: Span, text: str, ids: NDArray[np.int32], offsets: NDArray[np.int64]
    ) -> bool:
        """Mark an answer and its end in `trained`; whether it has an end marker."""
        starts, ends = offsets[:, 0], offsets[:, 1]
        special = self._special[ids]
        trained |= (starts < span.end) & (ends > span.start) & ~(special & (starts < span.start))
        after = ends > span.end
        closing = np.flatnonzero(special & after & (starts >= span.start) & (starts < span.tail))
        if len(closing):
            trained[: closing[0] + 1] |= after[: closing[0] + 1]
            return True
        written = text[span.end : span.tail].rstrip()
        trained |= (starts >= span.end) & (starts < span.end + len(written))
        return bool(written)

    def _close(self, ids: NDArray[np.int32], trained: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """The example with a learned end-of-text token at its end, be it there already or not."""
        if self.end is None:
            return ids, trained
        if not len(ids) or ids[-1] != self.end:
            return np.append(ids, np.int32(self.end)), np.append(trained, True)
        trained[-1] = True
        return ids, trained

    def _one_beginning(
        self, example: Example, ids: NDArray[np.int32], trained: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """The example with its begin-of-text token once, and not as something to learn."""
        begin = self._begin
        if begin is not None and len(ids) and ids[0] == begin and begin != self.end:
            if len(ids) > 1 and ids[1] == begin:
                self._notice(DOUBLED, example)
                ids, trained = ids[1:], trained[1:]
            trained[0] = False
        return ids, trained

    def _straddled(
        self, example: Example, rendered: Rendered, ids: NDArray[np.int32], offsets: NDArray[np.int64]
    ) -> list[int]:
        """The borders between prompt and answer that lie inside a token."""
        borders = []
        for span in rendered.spans:
            over = (offsets[:, 0] < span.start) & (offsets[:, 1] > span.start) & ~self._special[ids]
            if over.any() and self._renderer.prompt_end(example, rendered, span.turn) == span.start:
                borders.append(span.start)
        return borders

    def _cut_at(
        self, rendered: Rendered, borders: Sequence[int], ids: NDArray[np.int32], offsets: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The text tokenised in parts; as it was where the tokenizer cannot do that without changing the text."""
        edges = [0, *borders, len(rendered.text)]
        parts = [(start, rendered.text[start:end]) for start, end in pairwise(edges)]
        called = [self._call([text], specials=rendered.specials and not start) for start, text in parts]
        new_ids = np.concatenate([np.array(each["input_ids"][0], dtype=np.int32) for each in called])
        if self._decoded(new_ids) != self._decoded(ids):
            return ids, offsets
        placed = [
            np.array(each["offset_mapping"][0], dtype=np.int64).reshape(-1, 2) + start
            for (start, _), each in zip(parts, called, strict=True)
        ]
        return new_ids, np.concatenate(placed)

    def _decoded(self, ids: NDArray[np.int32]) -> str:
        return str(self.tokenizer.decode(ids.tolist(), skip_special_tokens=False, clean_up_tokenization_spaces=False))
