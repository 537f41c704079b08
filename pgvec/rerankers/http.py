"""Rerankers behind an endpoint: Cohere, Jina, Voyage, vLLM, LiteLLM, Text Embeddings Inference and others that answer alike."""

from __future__ import annotations

import asyncio
import importlib
import os
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from pgvec.errors import ConfigurationError, InvalidOptionError, MissingDependencyError
from pgvec.rerankers.checks import check_pairs
from pgvec.rerankers.exchange import Answer, Endpoint, Lost, Pause, Send, exchange

__all__ = ["KEY_VARIABLE", "AsyncHttpReranker", "HttpReranker"]

KEY_VARIABLE = "RERANK_API_KEY"


class _HttpReranker:
    """What both rerankers know: the endpoint, and how long to wait for it."""

    def __init__(
        self,
        url: str,
        *,
        model: str,
        api_key: str | None = None,
        texts_field: str = "documents",
        extra: Mapping[str, Any] | None = None,
        batch_size: int = 1_000,
        timeout_seconds: float = 30.0,
        max_retries: int = 3,
    ) -> None:
        _check_numbers(batch_size, timeout_seconds, max_retries)
        key = _checked_key(api_key or os.environ.get(KEY_VARIABLE))
        fields = _checked_extra(extra, texts_field)
        self._endpoint = Endpoint(_checked_url(url), model, key, texts_field, fields, batch_size, max_retries)
        self._timeout = timeout_seconds
        self._http = _import_library()
        # Made once: reading the certificates costs more than a request.
        self._tls = self._http.create_ssl_context()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._endpoint.model} at {self._endpoint.url}>"

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._endpoint.model

    @property
    def _too_slow(self) -> Lost:
        return Lost(TimeoutError(f"it did not answer in full within {self._timeout:g} s"))


class HttpReranker(_HttpReranker):
    """Scores texts through one ``POST`` with the fields ``model``, ``query`` and ``documents``.

    What comes back is checked: one finite score for each text, by ``index``, in ``results``, ``data`` or a bare list, as
    ``relevance_score`` or ``score``. Nothing is connected to before the first call, and redirects are not followed. Safe to use from
    several threads.

    Args:
        url: Address of the endpoint, ``https://api.cohere.com/v2/rerank`` for example.
        model: Name of the model at the provider.
        api_key: The key; None takes the environment variable ``RERANK_API_KEY``, and where there is none sends none. It appears in
            no message.
        texts_field: What the provider calls the texts: ``documents`` nearly everywhere, ``texts`` for Text Embeddings Inference.
        extra: Further fields of a request, ``{"return_documents": False}`` for example.
        batch_size: Texts in one request.
        timeout_seconds: A request that has not been answered in full by then has failed, however slowly data drip in.
        max_retries: How often to try again what may pass (429, 5xx, a lost connection), with pauses that grow, or as long as
            ``Retry-After`` says, up to a minute.

    Raises:
        MissingDependencyError: The extra ``remote`` is not installed.
        InvalidOptionError: A number is out of its range, or the address is none.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str,
        api_key: str | None = None,
        texts_field: str = "documents",
        extra: Mapping[str, Any] | None = None,
        batch_size: int = 1_000,
        timeout_seconds: float = 30.0,
        max_retries: int = 3,
    ) -> None:
        super().__init__(
            url,
            model=model,
            api_key=api_key,
            texts_field=texts_field,
            extra=extra,
            batch_size=batch_size,
            timeout_seconds=timeout_seconds,
            max_retries=max_retries,
        )
        self._client = self._http.Client(timeout=timeout_seconds, headers=self._endpoint.headers, verify=self._tls)
        # Its connections stay open for the next request; nobody should have to close a reranker.
        weakref.finalize(self, self._client.close)

    def rerank(self, query: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """Score texts, in as many requests as it takes.

        Raises:
            InvalidInputError: The query or a text is empty, or the provider refuses the request for what is in it.
            RerankerUnavailableError: The provider is out of reach, overloaded or too slow; ``retry_after_seconds`` is what it
                asked for, None where it asked for nothing.
            RerankerResponseError: It answered with something else than one finite score for each text.
            ConfigurationError: It knows neither the key nor the model, or nothing is at the address.
        """
        steps = exchange(self._endpoint, *check_pairs(query, texts))
        answer: Answer | Lost | None = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            if isinstance(step, Pause):
                time.sleep(step.seconds)
                answer = None
            else:
                answer = self._send(step)

    def _send(self, step: Send) -> Answer | Lost:
        deadline = time.monotonic() + self._timeout
        body = bytearray()
        try:
            with self._client.stream("POST", self._endpoint.url, content=step.body) as response:
                for chunk in response.iter_bytes():
                    body += chunk
                    # The client's own timeout counts from one piece of data to the next.
                    if time.monotonic() > deadline:
                        return self._too_slow
                    if len(body) > step.most:
                        return Answer(response.status_code, response.headers.get("retry-after"), None)
        except (self._http.HTTPError, OSError) as exc:
            return Lost(exc)
        return Answer(response.status_code, response.headers.get("retry-after"), bytes(body))


class AsyncHttpReranker(_HttpReranker):
    """The reranker :class:`HttpReranker`, for :class:`pgvec.AsyncRepository`: takes the same arguments.

    Each call opens its own connection. Within ``async with reranker:`` connections stay open from one call to the next.
    """

    _client: Any = None

    async def __aenter__(self) -> Self:
        self._client = self._new_client()
        return self

    async def __aexit__(self, *failure: object) -> None:
        client, self._client = self._client, None
        await client.aclose()

    async def rerank(self, query: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """Score texts, in as many requests as it takes; raises what :meth:`HttpReranker.rerank` does."""
        steps = exchange(self._endpoint, *check_pairs(query, texts))
        answer: Answer | Lost | None = None
        async with self._opened() as client:
            while True:
                try:
                    step = steps.send(answer)
                except StopIteration as stop:
                    return stop.value  # type: ignore[no-any-return]
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    answer = None
                else:
                    answer = await self._send(client, step)

    def _opened(self) -> AbstractAsyncContextManager[Any]:
        return nullcontext(self._client) if self._client is not None else self._new_client()

    def _new_client(self) -> Any:
        return self._http.AsyncClient(timeout=self._timeout, headers=self._endpoint.headers, verify=self._tls)

    async def _send(self, client: Any, step: Send) -> Answer | Lost:
        body = bytearray()
        try:
            async with (
                asyncio.timeout(self._timeout),
                client.stream("POST", self._endpoint.url, content=step.body) as response,
            ):
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > step.most:
                        return Answer(response.status_code, response.headers.get("retry-after"), None)
        except TimeoutError:
            return self._too_slow
        except (self._http.HTTPError, OSError) as exc:
            return Lost(exc)
        return Answer(response.status_code, response.headers.get("retry-after"), bytes(body))


def _import_library() -> Any:
    try:
        return importlib.import_module("httpx2")
    except ImportError as exc:
        raise MissingDependencyError.for_extra("remote", "A reranker behind an endpoint") from exc


def _checked_url(url: object) -> str:
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidOptionError(
            "url= takes the whole address of a rerank endpoint, such as https://api.cohere.com/v2/rerank"
        )
    if parts.username is not None or parts.query:
        raise InvalidOptionError("url= takes an address without user and query: the key belongs into api_key=")
    return str(url)


def _checked_key(key: str | None) -> str | None:
    if key is None or not (key := key.strip()):
        return None
    if not key.isascii() or not key.isprintable():
        raise ConfigurationError("The key of the reranker holds characters that no key has: is it whole?")
    return key


def _checked_extra(extra: Mapping[str, Any] | None, texts_field: str) -> dict[str, Any]:
    fields = dict(extra or {})
    own = {"model", "query", texts_field} & fields.keys()
    if own:
        raise InvalidOptionError(f"extra= names {', '.join(sorted(own))}, which the reranker itself fills")
    return fields


def _check_numbers(batch_size: int, timeout_seconds: float, max_retries: int) -> None:
    if batch_size < 1:
        raise InvalidOptionError(f"batch_size is {batch_size}; it must be at least 1")
    if not timeout_seconds > 0:
        raise InvalidOptionError(f"timeout_seconds is {timeout_seconds}; it must be positive")
    if max_retries < 0:
        raise InvalidOptionError(f"max_retries is {max_retries}; it must be 0 or more")
