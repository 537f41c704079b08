"""What was found for a question: numbered passages with their places in the documents."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import overload

from pgvec.errors import InvalidOptionError
from pgvec.model import Receipt

__all__ = ["Context", "Hit", "Passage", "Source", "assemble"]


@dataclass(frozen=True, slots=True)
class Source:
    """A document that a passage is from, without its text.

    Attributes:
        id: Its primary key.
        corpus: What it was ingested as a part of.
        path: Path of its file in the folder.
        title: What it calls itself.
        modified_at: When its file was last changed.
        pages: Offsets at which its pages begin.
    """

    id: int
    corpus: str
    path: str
    title: str
    modified_at: datetime
    pages: tuple[int, ...] = field(default=(), repr=False)

    def page_at(self, offset: int) -> int | None:
        """Return the page of a character, from 1; None where the document has no pages."""
        return bisect_right(self.pages, offset) or None


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a document: ``document.text[start:end] == text``.

    Attributes:
        number: What it is cited by, from 1.
        text: The part.
        source: The document.
        start: Where it begins, in characters.
        end: Where it ends.
        matches: Places in the document of the chunks that were found; the rest of the passage stands around them.
        similarity: Cosine similarity of the best of them; None for other distances.
        score: Score of the best of them, where the search has one.
    """

    number: int
    text: str
    source: Source
    start: int
    end: int
    matches: tuple[tuple[int, int], ...]
    similarity: float | None
    score: float | None

    @property
    def page(self) -> int | None:
        """The page on which the first match begins, from 1; None where the document has no pages."""
        return self.source.page_at(min(self.matches)[0])


@dataclass(frozen=True, slots=True)
class Context(Sequence[Passage]):
    """The passages for a question, the best first.

    Attributes:
        question: The question.
        passages: The passages.
        tokens: How many tokens they have.
        left_out: Matches that did not fit into the budget.
        receipt: How they were found.
    """

    question: str
    passages: tuple[Passage, ...]
    tokens: int
    left_out: int
    receipt: Receipt

    @overload
    def __getitem__(self, index: int) -> Passage: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Passage, ...]: ...
    def __getitem__(self, index: int | slice) -> Passage | tuple[Passage, ...]:
        return self.passages[index]

    def __len__(self) -> int:
        return len(self.passages)

    def __iter__(self) -> Iterator[Passage]:
        return iter(self.passages)

    def cited(self, number: int) -> Passage | None:
        """Return the passage with a number, or None where there is none."""
        return self.passages[number - 1] if 1 <= number <= len(self.passages) else None


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found, in the span that is wanted around it."""

    source: Source
    start: int
    end: int
    span_start: int
    span_end: int
    span_text: str
    text_hash: str
    similarity: float | None
    score: float | None


def assemble(
    question: str,
    hits: Iterable[Hit],
    receipt: Receipt,
    *,
    limit: int,
    max_tokens: int,
    min_similarity: float | None,
    count: Callable[[str], int],
) -> Context:
    """Make passages of hits, the best first: spans of a document that meet become one, equal chunks are taken once.

    A span that does not fit into the budget is reduced to its chunk; where that does not fit either, it is left out.

    Raises:
        InvalidOptionError: The budget is less than every chunk.
    """
    drafts: list[Passage] = []
    sizes: list[int] = []
    seen: set[str] = set()
    left_out = 0
    for hit in hits:
        if len(seen) == limit:
            break
        too_far = min_similarity is not None and hit.similarity is not None and hit.similarity < min_similarity
        if too_far or hit.text_hash in seen:
            continue
        seen.add(hit.text_hash)
        left_out += not any(_place(drafts, sizes, part, max_tokens, count) for part in (_span(hit), _chunk(hit)))
    if left_out and not drafts:
        raise InvalidOptionError(
            f"max_tokens={max_tokens} is less than any of the {left_out} chunks that were found has"
        )
    passages = tuple(replace(draft, number=number) for number, draft in enumerate(drafts, start=1))
    return Context(question, passages, sum(sizes), left_out, receipt)


def _place(
    drafts: list[Passage], sizes: list[int], part: Passage, max_tokens: int, count: Callable[[str], int]
) -> bool:
    """Put a part among the passages where it fits, in place of the first that it meets."""
    met = [
        n
        for n, draft in enumerate(drafts)
        if draft.source.id == part.source.id and draft.start <= part.end and part.start <= draft.end
    ]
    merged = part
    for n in met:
        merged = _merged(drafts[n], merged)
    size = count(merged.text)
    if sum(sizes) - sum(sizes[n] for n in met) + size > max_tokens:
        return False
    for n in reversed(met):
        del drafts[n], sizes[n]
    at = met[0] if met else len(drafts)
    drafts.insert(at, merged)
    sizes.insert(at, size)
    return True


def _merged(better: Passage, other: Passage) -> Passage:
    """One passage of two that overlap or touch."""
    first, second = sorted((better, other), key=lambda part: (part.start, -part.end))
    text = first.text + second.text[max(first.end - second.start, 0) :] if second.end > first.end else first.text
    matches = tuple(dict.fromkeys((*better.matches, *other.matches)))
    return replace(better, text=text, start=first.start, end=max(first.end, second.end), matches=matches)


def _span(hit: Hit) -> Passage:
    found = ((hit.start, hit.end),)
    return Passage(0, hit.span_text, hit.source, hit.span_start, hit.span_end, found, hit.similarity, hit.score)


def _chunk(hit: Hit) -> Passage:
    text = hit.span_text[hit.start - hit.span_start : hit.end - hit.span_start]
    return replace(_span(hit), text=text, start=hit.start, end=hit.end)
