"""Answers questions from passages: through a chat model, or with the best passages themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pgvec.errors import ConfigurationError, InvalidInputError
from pgvec.rag.chat import ChatModel
from pgvec.rag.context import Context, Passage
from pgvec.rag.prompt import NOT_FOUND, messages
from pgvec.rag.retriever import Retriever

__all__ = ["NOTHING_FOUND", "Answer", "AnswerStream", "Answerer"]

NOTHING_FOUND = "This is not in the sources."
_CITED = re.compile(r"\[(\d{1,4}(?:\s*[,;]\s*\d{1,4})*)\]")
_NUMBER = re.compile(r"\d+")
_BEST = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with what it rests on.

    Attributes:
        text: The answer, with numbers of passages in brackets.
        found: Whether the sources answer the question.
        citations: The passages that the text cites, in the order of their first citation.
        unknown_citations: Numbers that it cites although no passage has them: the model made them up.
        context: The passages that the model was given.
        model: Name of the chat model; None where the passages are the answer, or none was asked.
    """

    text: str
    found: bool
    citations: tuple[Passage, ...]
    unknown_citations: tuple[int, ...]
    context: Context
    model: str | None

    @property
    def supported(self) -> bool:
        """Whether the answer cites, and everything that it cites is there."""
        return self.found and bool(self.citations) and not self.unknown_citations


class AnswerStream(Iterator[str]):
    """An answer in parts as they come; ``answer`` is there when the last one was taken.

    Attributes:
        context: The passages, which are there at once.
    """

    def __init__(self, context: Context, model: str | None, parts: Iterator[str]) -> None:
        self.context = context
        self._model = model
        self._texts: list[str] = []
        self._found = True
        self._answer: Answer | None = None
        self._parts = self._run(parts)

    def __next__(self) -> str:
        return next(self._parts)

    @property
    def answer(self) -> Answer:
        """The whole answer; what has not come yet is waited for.

        Raises:
            ChatError: It did not come to its end.
        """
        for _ in self:
            pass
        if self._answer is None:
            raise InvalidInputError("The stream has raised an error before: there is no answer")
        return self._answer

    def _run(self, parts: Iterator[str]) -> Iterator[str]:
        held = ""
        for part in parts:
            held += part
            # What may become the sign that nothing was found is not shown.
            if self._texts or not NOT_FOUND.startswith(held.strip()[: len(NOT_FOUND)]):
                self._texts.append(held)
                yield held
                held = ""
        if held.strip().startswith(NOT_FOUND):
            self._found, held = False, NOTHING_FOUND
        if held:
            self._texts.append(held)
            yield held
        self._answer = _checked("".join(self._texts).strip(), self._found, self.context, self._model)


class Answerer:
    """Answers questions from the passages that a retriever finds.

    Args:
        retriever: Finds the passages.
        chat: Writes the answer, such as :class:`OpenAICompatibleChat`. Without one the best passages are the answer.
        instructions: More rules for the model, such as the tone or the form of an answer.

    Raises:
        ConfigurationError: The retriever or the model is none.
    """

    def __init__(self, retriever: Retriever, *, chat: ChatModel | None = None, instructions: str | None = None) -> None:
        if not isinstance(retriever, Retriever):
            raise ConfigurationError(f"Answerer takes a Retriever, not {type(retriever).__name__}")
        if chat is not None and not isinstance(chat, ChatModel):
            raise ConfigurationError(f"chat={chat!r:.60} is no chat model, it lacks name and stream(messages)")
        self._retriever = retriever
        self._chat = chat
        self._instructions = instructions

    def answer(self, question: str, **retrieval: Any) -> Answer:
        """Answer a question.

        Args:
            question: The question.
            retrieval: Options of :meth:`Retriever.retrieve`.

        Raises:
            InvalidInputError: The question or an option cannot be used.
            ChatError: The model gave no whole answer.
        """
        return self.stream(question, **retrieval).answer

    def stream(self, question: str, **retrieval: Any) -> AnswerStream:
        """Answer a question in parts, as they come from the model. The passages are found before this returns.

        Where nothing is found, no model is asked.

        Args:
            question: The question.
            retrieval: Options of :meth:`Retriever.retrieve`.

        Raises:
            InvalidInputError: The question or an option cannot be used.
            ChatError: While the parts are taken: the model gave no whole answer.
        """
        context = self._retriever.retrieve(question, **retrieval)
        if not context:
            return AnswerStream(context, None, iter((NOT_FOUND,)))
        if self._chat is None:
            return AnswerStream(context, None, _best(context))
        return AnswerStream(context, self._chat.name, self._chat.stream(messages(context, self._instructions)))


def _best(context: Context) -> Iterator[str]:
    """The best passages, each with its number, source and text."""
    for passage in context[:_BEST]:
        page = f", page {passage.page}" if passage.page else ""
        yield f"[{passage.number}] {passage.source.title} ({passage.source.path}{page})\n{passage.text.strip()}\n\n"


def _checked(text: str, found: bool, context: Context, model: str | None) -> Answer:
    """Look up what a text cites."""
    if model is None:  # whatever stands in brackets in a passage cites nothing
        return Answer(text, found, context[:_BEST] if found else (), (), context, None)
    numbers = dict.fromkeys(int(number) for group in _CITED.findall(text) for number in _NUMBER.findall(group))
    cited = {number: context.cited(number) for number in numbers}
    citations = tuple(passage for passage in cited.values() if passage is not None) if found else ()
    unknown = tuple(number for number, passage in cited.items() if passage is None)
    if NOT_FOUND in text and not citations:  # it said so, and more
        return Answer(NOTHING_FOUND, False, (), (), context, model)
    return Answer(text, found, citations, unknown, context, model)
