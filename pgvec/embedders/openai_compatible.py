"""Models behind an OpenAI-compatible endpoint: OpenAI, Azure, vLLM, Ollama, llama.cpp, Text Embeddings Inference and many more."""

from __future__ import annotations

import json
import os
import threading
import time
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pgvec.embedders.batches import split
from pgvec.embedders.checks import check_embeddings, check_role, check_texts
from pgvec.embedders.openai_client import import_openai, retry_after
from pgvec.errors import (
    ConfigurationError,
    EmbedderResponseError,
    EmbedderUnavailableError,
    InvalidInputError,
    InvalidOptionError,
    PgvecError,
)
from pgvec.model import InputKind, InputRole

__all__ = ["OpenAICompatibleEmbedder"]

_MAY_PASS = {408, 409, 423, 425, 429}
_BAD_KEY = {401, 403}
_BAD_INPUT = {400, 413, 422}
_MOST_BYTES_PER_VALUE = 64


class OpenAICompatibleEmbedder:
    """Embeds through ``POST {base_url}/embeddings``, with the client of the package ``openai``.

    What comes back is checked: one vector for each text, in the order of the texts (by ``index``), of the right width, finite.
    Nothing is connected to before the first call. Safe to use from several threads.

    Args:
        base_url: Address of the endpoint, ``https://api.openai.com/v1`` for example. Read it, like the key, from the
            environment of the process.
        model: Name of the model at the provider.
        dimensions: Length of its vectors.
        revision: Which weights the provider serves under the name, as far as it tells. Change it when they change: pgvec
            refuses to mix revisions in a column.
        api_key: The key; None takes the environment variable ``OPENAI_API_KEY``, and where there is none sends none that counts.
        shorten: Whether to ask the provider for vectors of ``dimensions``, for models that can shorten theirs.
        document_prefix: Put before each document, where the model wants it (``"passage: "``).
        query_prefix: Put before each question.
        batch_size: Texts in one request.
        timeout_seconds: A request that has not been answered in full by then has failed, however slowly data drip in.
        max_retries: How often the client tries again what may pass (429, 5xx, a lost connection), with pauses that grow, or as
            long as ``Retry-After`` says.
        requests_per_minute: The most requests to send in a minute, from this process; None does not limit them.

    Raises:
        MissingDependencyError: The extra ``remote`` is not installed.
        InvalidOptionError: A number is out of its range.
    """

    def __init__(
        self,
        base_url: str,
        *,
        model: str,
        dimensions: int,
        revision: str = "unspecified",
        api_key: str | None = None,
        shorten: bool = False,
        document_prefix: str = "",
        query_prefix: str = "",
        batch_size: int = 128,
        timeout_seconds: float = 60.0,
        max_retries: int = 3,
        requests_per_minute: float | None = None,
    ) -> None:
        _check_numbers(dimensions, batch_size, timeout_seconds, max_retries, requests_per_minute)
        self._openai = import_openai()
        self._client = self._openai.OpenAI(
            base_url=base_url,
            api_key=api_key or os.environ.get("OPENAI_API_KEY") or "none",
            timeout=timeout_seconds,
            max_retries=max_retries,
        )
        # Its connections stay open for the next request; nobody should have to close an embedder.
        weakref.finalize(self, self._client.close)
        self._model = model
        self._dimensions = dimensions
        self._revision = revision
        self._shorten = shorten
        self._prefix = {InputRole.DOCUMENT: document_prefix, InputRole.QUERY: query_prefix}
        self._batch_size = batch_size
        self._timeout = timeout_seconds
        self._limiter = None if requests_per_minute is None else _Limiter(60.0 / requests_per_minute)

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._model

    @property
    def revision(self) -> str:
        """Revision, as it was given."""
        return self._revision

    @property
    def dimensions(self) -> int:
        """Length of every vector."""
        return self._dimensions

    @property
    def kinds(self) -> frozenset[InputKind]:
        """Texts only."""
        return frozenset({InputKind.TEXT})

    def embed(self, inputs: Sequence[object], *, role: InputRole = InputRole.DOCUMENT) -> NDArray[np.float32]:
        """Embed texts, in as many requests as it takes.

        Raises:
            InvalidInputError: A text is empty, or the provider refuses the request for what is in it.
            EmbedderUnavailableError: The provider is out of reach, overloaded or too slow; ``retry_after_seconds`` is what it
                asked for, None where it asked for nothing.
            EmbedderResponseError: It answered with something else than one finite vector for each text.
            ConfigurationError: It knows neither the key nor the model, or nothing is at the address.
        """
        prefix = self._prefix[check_role(role)]
        texts = [prefix + text for text in check_texts(inputs)]
        parts = [self._request(part) for part in split(texts, self._batch_size)]
        return np.concatenate(parts) if parts else np.empty((0, self._dimensions), dtype=np.float32)

    def _request(self, texts: list[str]) -> NDArray[np.float32]:
        if self._limiter is not None:
            self._limiter.wait()
        try:
            body = self._send(texts)
        except PgvecError:
            raise
        except self._openai.APIStatusError as exc:
            raise self._refused(exc) from exc
        # Of what breaks off in the middle of a body, the client lets through what its HTTP library raises.
        except Exception as exc:
            raise EmbedderUnavailableError(
                f"{self._model} at {self._client.base_url} is out of reach: {exc}", retry_after_seconds=None
            ) from exc
        return check_embeddings(_vectors(body, len(texts)), len(texts), self._dimensions)

    def _send(self, texts: list[str]) -> bytes:
        deadline = time.monotonic() + self._timeout
        most = (1 + len(texts)) * (self._dimensions + 64) * _MOST_BYTES_PER_VALUE
        options: dict[str, Any] = {"dimensions": self._dimensions} if self._shorten else {}
        create = self._client.embeddings.with_streaming_response.create
        body = bytearray()
        with create(model=self._model, input=texts, encoding_format="float", **options) as response:
            for chunk in response.iter_bytes():
                body += chunk
                # The client's own timeout counts from one piece of data to the next.
                if time.monotonic() > deadline:
                    raise EmbedderUnavailableError(
                        f"{self._model} at {self._client.base_url} did not answer in full within {self._timeout:g} s",
                        retry_after_seconds=None,
                    )
                if len(body) > most:
                    raise EmbedderResponseError(
                        f"{self._model} answered with more than {most} bytes for {len(texts)} texts of "
                        f"{self._dimensions} dimensions"
                    )
        return bytes(body)

    def _refused(self, error: Any) -> PgvecError:
        status = error.status_code
        what = f"{self._model} at {self._client.base_url} answered {status}: {str(error.message)[:300]}"
        if status in _BAD_INPUT:
            return InvalidInputError(what)
        if status in _BAD_KEY:
            return ConfigurationError(f"{what}; does the environment of this process hold the right key?")
        if status in _MAY_PASS or status >= 500:
            return EmbedderUnavailableError(what, retry_after_seconds=retry_after(error))
        return ConfigurationError(f"{what}; are address and model right?")


class _Limiter:
    """Lets one caller pass in each interval."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Wait for the next free interval."""
        with self._lock:
            moment = time.monotonic()
            mine = max(self._next, moment)
            self._next = mine + self._seconds
        time.sleep(mine - moment)


def _vectors(body: bytes, count: int) -> list[Any]:
    """Return the vectors of an answer in the order of the texts.

    Raises:
        EmbedderResponseError: The answer is no such thing.
    """
    try:
        items = json.loads(body)["data"]
        by_place = {item["index"]: item["embedding"] for item in items}
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise EmbedderResponseError(
            f"The answer is no list of embeddings in JSON ({type(exc).__name__}): {bytes(body[:80])!r}"
        ) from exc
    if len(items) != count or by_place.keys() != set(range(count)):
        raise EmbedderResponseError(
            f"The answer holds {len(items)} embeddings, for {len(by_place)} different texts; {count} texts were sent"
        )
    vectors = [by_place[place] for place in range(count)]
    for place, vector in enumerate(vectors, start=1):
        if not isinstance(vector, list) or not all(type(value) in (float, int) for value in vector):
            raise EmbedderResponseError(f"The embedding of text {place} of {count} is no list of numbers")
    return vectors


def _check_numbers(
    dimensions: int, batch_size: int, timeout_seconds: float, max_retries: int, requests_per_minute: float | None
) -> None:
    for name, value in (("dimensions", dimensions), ("batch_size", batch_size)):
        if value < 1:
            raise InvalidOptionError(f"{name} is {value}; it must be at least 1")
    if not timeout_seconds > 0:
        raise InvalidOptionError(f"timeout_seconds is {timeout_seconds}; it must be positive")
    if max_retries < 0:
        raise InvalidOptionError(f"max_retries is {max_retries}; it must be 0 or more")
    if requests_per_minute is not None and not requests_per_minute > 0:
        raise InvalidOptionError(f"requests_per_minute is {requests_per_minute}; it must be positive, or None")
