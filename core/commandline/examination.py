"""Everything that can be found out about a run before it starts, without its weights.

First what the files' headers tell (`core.config.check`), then what only the tokenizer can: how many examples there
are, and on how many tokens anything is learned. `check` prints it; `train` refuses to start on what blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.config.check import check_config
from core.config.forecast import Memory, count, forecast
from core.config.run import JUDGING, RunConfig
from core.config.select import trained
from core.data.fitting import fitting
from core.errors import UserError
from core.home import Home
from core.models.catalog import describe
from core.problem import Problem

if TYPE_CHECKING:
    from core.data.prepare import Prepared


@dataclass(frozen=True)
class Examination:
    """What was found; None where something in the way kept it from being found out.

    `notes` say what the data was taken for, and what beside it was not read.
    """

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    trainable_parameters: int | None = None
    memory: Memory | None = None
    examples: int | None = None
    held_out_examples: int | None = None
    trained_tokens: int | None = None
    notes: tuple[str, ...] = ()

    def refuse_blocking(self) -> None:
        """Go no further where something blocks.

        Raises:
            UserError: with every blocking problem in it.
        """
        if len(self.problems) == 1:
            problem = self.problems[0]
            raise UserError(problem.text, hint=problem.hint, path=problem.path)
        if self.problems:
            texts = " ".join(sentence(problem) for problem in self.problems)
            raise UserError(f"The run cannot start. {texts}", path=self.problems[0].path)

    def to_dict(self) -> dict[str, Any]:
        """The contract's JSON object."""
        return {
            "problems": [_row(problem) for problem in self.problems],
            "warnings": [_row(problem) for problem in self.warnings],
            "trainable_parameters": self.trainable_parameters,
            "memory": None if self.memory is None else self.memory.to_dict(),
            "examples": self.examples,
            "held_out_examples": self.held_out_examples,
            "trained_tokens": self.trained_tokens,
            "notes": list(self.notes),
        }


def sentence(problem: Problem) -> str:
    """A problem for people: where, what, and what to do."""
    place = f"{problem.path}: " if problem.path and problem.path not in problem.text else ""
    return f"{place}{problem.text} {problem.hint}".strip()


def _row(problem: Problem) -> dict[str, str]:
    return {"path": problem.path, "text": problem.text, "hint": problem.hint}


def problem_of(error: UserError, path: str = "") -> Problem:
    """A failure as one of the problems."""
    return Problem(error.path or path, error.text, error.hint)


def examine(home: Home, config: RunConfig) -> Examination:
    """Look at everything but the weights; whatever is wrong with the world comes back as a problem."""
    try:
        info = describe(config.model.path)
    except UserError as error:
        return _stopped(error, "model.path", *check_config(config, None))
    problems, warnings = check_config(config, info)
    try:
        plans = trained(info, config.adapter)
        if config.adapter.begin:
            from core.train.beginning import earlier

            earlier(home, config)
    except UserError as error:
        return _stopped(error, "adapter.layers", problems, warnings)
    trainable, memory = count(plans, config.adapter), forecast(info, plans, config)
    if not config.data.path:
        return Examination(tuple(problems), tuple(warnings), trainable, memory)
    try:
        data = read_data(home, config)
    except UserError as error:
        problems = [*problems, problem_of(error, "data.path")]
        return Examination(tuple(problems), tuple(warnings), trainable, memory)
    report = data.report.to_dict()
    problems, warnings = check_config(config, info, report)
    found = [Problem(one.path, one.text, one.hint, one.blocking) for one in data.report.problems]
    return Examination(
        problems=(*problems, *(problem for problem in found if problem.blocking)),
        warnings=(*warnings, *(problem for problem in found if not problem.blocking)),
        trainable_parameters=trainable + _head(home, config, data),
        memory=forecast(info, plans, config, report),
        examples=len(data.train),
        held_out_examples=len(data.held_out),
        trained_tokens=sum(example.targets for example in data.train),
        notes=(f"The data is read as {data.report.format_label}. {data.report.reason}", *data.report.notes),
    )


def _stopped(error: UserError, path: str, problems: list[Problem], warnings: list[Problem]) -> Examination:
    """What is known where no more can be found out: what is in the way of that, and all else that is wrong."""
    first = problem_of(error, path)
    return Examination((first, *(problem for problem in problems if problem.text != first.text)), tuple(warnings))


def _head(home: Home, config: RunConfig, data: Prepared) -> int:
    """Numbers of the head that is trained along where texts are judged."""
    if config.task not in JUDGING:
        return 0
    from core.models.judging import head_size
    from core.models.load import resolve

    return head_size(resolve(home, config.model.path), data.labels)


def read_data(home: Home, config: RunConfig) -> Prepared:
    """The run's data as tokens; a GGUF file is converted first, since its tokenizer is needed.

    Raises:
        UserError: there is no tokenizer or no data, or the data cannot be read.
    """
    from core.data.prepare import survey
    from core.models.load import load_tokenizer, resolve

    model = resolve(home, config.model.path)
    info = describe(model)
    return survey(
        fitting(config.data, info),
        load_tokenizer(model),
        config.seed,
        lambda text, share: None,
        task=config.task,
        vocabulary=info.vocabulary,
        home=home,
    )
