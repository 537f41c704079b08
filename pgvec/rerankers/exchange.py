"""What is said to a rerank endpoint and what comes back: requests, answers and pauses, without a socket.

The formats of Cohere (https://docs.cohere.com/reference/rerank), Jina (https://api.jina.ai/redoc), Voyage
(https://docs.voyageai.com/reference/reranker-api), vLLM and Text Embeddings Inference differ in the names of a few fields only.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import count
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pgvec.errors import (
    ConfigurationError,
    InvalidInputError,
    RerankerResponseError,
    RerankError,
    RerankerUnavailableError,
)
from pgvec.rerankers.checks import check_scores

__all__ = ["Answer", "Endpoint", "Lost", "Pause", "Send", "Step", "exchange"]

_MAY_PASS = {408, 409, 423, 425, 429}
_BAD_KEY = {401, 403}
_BAD_INPUT = {400, 413, 422}
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 8.0
_LONGEST_WAIT_SECONDS = 60.0
_BYTES_OF_ANSWER = 65_536
_BYTES_OF_SCORE = 512


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who is asked, and how.

    Attributes:
        url: Its address.
        model: Name of the model.
        key: The key, or None; never shown.
        texts_field: Name of the field that holds the texts.
        extra: Further fields of a request.
        batch_size: Texts in one request.
        max_retries: How often a request is sent again.
    """

    url: str
    model: str
    key: str | None = field(repr=False)
    texts_field: str
    extra: Mapping[str, Any]
    batch_size: int
    max_retries: int

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every request."""
        # A body that is unpacked could be far larger than what was read of it.
        headers = {"content-type": "application/json", "accept": "application/json", "accept-encoding": "identity"}
        return headers if self.key is None else {**headers, "authorization": f"Bearer {self.key}"}

    def without_key(self, text: str) -> str:
        """Return a text with stars in place of the key, which some providers repeat."""
        return text if self.key is None else text.replace(self.key, "***")


@dataclass(frozen=True, slots=True)
class Send:
    """Ask for a request to be sent; an answer that is longer than ``most`` bytes is none."""

    body: bytes
    most: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Ask to wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, or None in place of a body that was too long."""

    status: int
    retry_after: str | None
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Lost:
    """Nothing came back, or not all of it, because of this."""

    error: Exception


Step: TypeAlias = Send | Pause
_Recipe: TypeAlias = Generator[Step, "Answer | Lost | None", NDArray[np.float64]]


def exchange(endpoint: Endpoint, query: str, texts: Sequence[str]) -> _Recipe:
    """Yield what has to be done to have texts scored, take what came of it, and return the scores in the order of the texts."""
    scores = np.empty(len(texts))
    for first in range(0, len(texts), endpoint.batch_size):
        part = texts[first : first + endpoint.batch_size]
        scores[first : first + len(part)] = yield from _request(endpoint, query, part)
    return scores


def _request(endpoint: Endpoint, query: str, texts: Sequence[str]) -> _Recipe:
    content = {**endpoint.extra, "model": endpoint.model, "query": query, endpoint.texts_field: list(texts)}
    body = json.dumps(content, ensure_ascii=False).encode()
    # Some providers repeat the texts, with escapes.
    send = Send(body, _BYTES_OF_ANSWER + len(texts) * _BYTES_OF_SCORE + 6 * len(body))
    for attempt in count():
        answer = yield send
        assert answer is not None, "a request that is sent has an answer, or is lost"
        failure = _failure(endpoint, answer)
        if failure is None:
            assert isinstance(answer, Answer)
            return _scores(endpoint, answer.body, len(texts))
        pause = _pause(failure, attempt)
        if attempt == endpoint.max_retries or pause > _LONGEST_WAIT_SECONDS:
            raise failure
        yield Pause(pause)
    raise AssertionError("the loop has no end of its own")


def _pause(failure: RerankerUnavailableError, attempt: int) -> float:
    if failure.retry_after_seconds is not None:
        return failure.retry_after_seconds
    longest: float = min(_FIRST_PAUSE_SECONDS * 2**attempt, _LONGEST_PAUSE_SECONDS)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - keeps callers apart, hides nothing


def _failure(endpoint: Endpoint, answer: Answer | Lost) -> RerankerUnavailableError | None:
    """Return what may pass, None for an answer, and raise the rest."""
    who = f"{endpoint.model} at {endpoint.url}"
    if isinstance(answer, Lost):
        reason = str(answer.error) or type(answer.error).__name__
        lost = RerankerUnavailableError(f"{who} is out of reach: {reason}", retry_after_seconds=None)
        lost.__cause__ = answer.error
        return lost
    if 200 <= answer.status < 300:
        return None
    what = f"{who} answered {answer.status}: {_shown(endpoint, answer.body)}"
    if answer.status in _MAY_PASS or answer.status >= 500:
        return RerankerUnavailableError(what, retry_after_seconds=_seconds(answer.retry_after))
    raise _refusal(answer.status, what)


def _refusal(status: int, what: str) -> RerankError | ConfigurationError | InvalidInputError:
    if status in _BAD_INPUT:
        return InvalidInputError(what)
    if status in _BAD_KEY:
        return ConfigurationError(f"{what}; does the environment of this process hold the right key?")
    return ConfigurationError(f"{what}; are address and model right?")


def _seconds(retry_after: str | None) -> float | None:
    """Read a header ``Retry-After``: seconds, or a moment. Source: RFC 9110, section 10.2.3."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            moment = parsedate_to_datetime(retry_after)
        except ValueError:
            return None
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        seconds = max(0.0, (moment - datetime.now(UTC)).total_seconds())
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _scores(endpoint: Endpoint, body: bytes | None, number: int) -> NDArray[np.float64]:
    if body is None:
        raise RerankerResponseError(
            f"{endpoint.model} answered with far more bytes than scores for {number} texts take"
        )
    try:
        items = _items(json.loads(body))
        by_place = {item["index"]: item.get("relevance_score", item.get("score")) for item in items}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise RerankerResponseError(
            f"{endpoint.model} answered with no list of scores in JSON ({type(exc).__name__}): "
            f"{endpoint.without_key(repr(body[:80]))}"
        ) from exc
    if len(items) != number or by_place.keys() != set(range(number)):
        raise RerankerResponseError(
            f"{endpoint.model} answered with {len(items)} scores for {len(by_place)} different texts; {number} texts were sent"
        )
    scores = [by_place[place] for place in range(number)]
    if not all(type(score) in {float, int} for score in scores):
        raise RerankerResponseError(f"{endpoint.model} answered with scores that are no numbers")
    try:
        return check_scores([float(score) for score in scores], number)
    except OverflowError as exc:
        raise RerankerResponseError(f"{endpoint.model} answered with a score that is beyond all bounds") from exc


def _items(found: Any) -> list[Any]:
    if isinstance(found, dict):
        found = found["results"] if "results" in found else found["data"]
    if not isinstance(found, list):
        raise TypeError("no list")
    return found


def _shown(endpoint: Endpoint, body: bytes | None) -> str:
    text = (body or b"")[:2_000].decode(errors="replace")
    try:
        found = json.loads(text)
        error = found.get("error", found)
        text = error if isinstance(error, str) else str(error.get("message") or error.get("detail") or error)
    except (ValueError, AttributeError, RecursionError):
        pass
    return endpoint.without_key(text)[:300] or "nothing"
