"""Chat models behind an OpenAI-compatible endpoint: Ollama, vLLM, llama.cpp, hosted ones."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn, Protocol, runtime_checkable

from pgvec.embedders.openai_client import import_openai, retry_after
from pgvec.errors import (
    ChatError,
    ChatResponseError,
    ChatUnavailableError,
    ConfigurationError,
    InvalidInputError,
    PgvecError,
)
from pgvec.rag.chat_events import events, text_of
from pgvec.repository.checks import number, whole_number

__all__ = ["ChatModel", "OpenAICompatibleChat"]

_MAY_PASS = {408, 409, 423, 425, 429}
_BAD_KEY = {401, 403}
_BAD_INPUT = {400, 413, 422}
_MOST_BYTES_PER_TOKEN = 4_096


@runtime_checkable
class ChatModel(Protocol):
    """Writes answers. Implementations are safe to call from several threads."""

    @property
    def name(self) -> str:
        """Name of the model."""

    def stream(self, messages: Sequence[Mapping[str, str]]) -> Iterator[str]:
        """Yield an answer in parts as they come.

        Args:
            messages: Mappings of ``role`` (``system``, ``user``, ``assistant``) and ``content``.

        Raises:
            ChatError: The answer did not come, or not to its end.
        """


class OpenAICompatibleChat:
    """Asks ``POST {base_url}/chat/completions``, with the client of the package ``openai``.

    An answer is whole or an error: a stream that ends without saying why, a limit of tokens, a filter of contents, a piece that
    is malformed. Nothing is connected to before the first call. Safe to use from several threads.

    Args:
        base_url: Address of the endpoint, such as ``http://localhost:11434/v1``.
        model: Name of the model there.
        api_key: The key; None takes the environment variable ``OPENAI_API_KEY``, and where there is none sends none that counts.
        temperature: How much chance there is in an answer, from 0 to 2.
        max_tokens: Most tokens of an answer.
        timeout_seconds: An answer that is not complete by then has failed, however slowly it drips in.
        max_retries: How often the client tries again what may pass before the answer begins, with pauses that grow.

    Raises:
        MissingDependencyError: The extra ``remote`` is not installed.
        InvalidOptionError: A number is out of its range.
    """

    def __init__(
        self,
        base_url: str,
        *,
        model: str,
        api_key: str | None = None,
        temperature: float = 0.0,
        max_tokens: int = 1_024,
        timeout_seconds: float = 120.0,
        max_retries: int = 2,
    ) -> None:
        self._temperature = _within("temperature", temperature, 0.0, 2.0)
        self._timeout = _within("timeout_seconds", timeout_seconds, 0.001, 1e6)
        self._max_tokens = whole_number("max_tokens", max_tokens, 1, 2**31)
        self._openai = import_openai()
        self._client = self._openai.OpenAI(
            base_url=base_url,
            api_key=api_key or os.environ.get("OPENAI_API_KEY") or "none",
            timeout=self._timeout,
            max_retries=whole_number("max_retries", max_retries, 0, 100),
        )
        # Its connections stay open for the next question; nobody should have to close a model.
        weakref.finalize(self, self._client.close)
        self._model = model

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._model

    def stream(self, messages: Sequence[Mapping[str, str]]) -> Iterator[str]:
        """Yield an answer in parts as they come.

        Raises:
            ChatUnavailableError: The endpoint is out of reach, overloaded or too slow; ``retry_after_seconds`` is what it asked
                for.
            ChatResponseError: It answered with something else than a whole answer. ``partial`` is what had come until then.
            ConfigurationError: It knows neither the key nor the model, or nothing is at the address.
            InvalidInputError: It refuses the question, for its length perhaps.
        """
        parts: list[str] = []
        try:
            for part in self._parts(messages):
                parts.append(part)
                yield part
        except ChatError as exc:
            exc.partial = "".join(parts)
            raise
        except PgvecError:
            raise
        except self._openai.APIStatusError as exc:
            self._raise_refused(exc)
        # Of what breaks off in the middle of a body, the client lets through what its HTTP library raises.
        except Exception as exc:
            what = "is out of reach" if not parts else "broke off in the middle of an answer"
            raise ChatUnavailableError(
                f"{self._where} {what}: {exc}", retry_after_seconds=None, partial="".join(parts)
            ) from exc
        if not "".join(parts).strip():
            raise ChatResponseError(f"{self._where} gave an empty answer", partial="")

    @property
    def _where(self) -> str:
        return f"{self._model} at {self._client.base_url}"

    def _parts(self, messages: Sequence[Mapping[str, str]]) -> Iterator[str]:
        finished = None
        for event in events(self._pieces(messages)):
            text, reason = text_of(event)
            if text:
                yield text
            finished = reason or finished
        if finished == "length":
            raise ChatResponseError(
                f"{self._where} stopped in the middle: max_tokens={self._max_tokens} were not enough"
            )
        if finished is None:
            raise ChatResponseError(f"{self._where} broke off: the answer ended without saying that it is complete")
        if finished != "stop":
            raise ChatResponseError(f"{self._where} did not finish its answer, for the reason {finished!r:.60}")

    def _pieces(self, messages: Sequence[Mapping[str, str]]) -> Iterator[bytes]:
        """The body as it comes, as long as time and size allow."""
        deadline = time.monotonic() + self._timeout
        left = self._max_tokens * _MOST_BYTES_PER_TOKEN
        create = self._client.chat.completions.with_streaming_response.create
        with create(
            model=self._model,
            messages=list(messages),
            temperature=self._temperature,
            max_tokens=self._max_tokens,
            stream=True,
        ) as response:
            for piece in response.iter_bytes():
                # The client's own timeout counts from one piece of data to the next.
                if time.monotonic() > deadline:
                    raise ChatUnavailableError(
                        f"{self._where} did not answer in full within {self._timeout:g} s", retry_after_seconds=None
                    )
                left -= len(piece)
                if left < 0:
                    raise ChatResponseError(f"{self._where} sends without end")
                yield piece

    def _raise_refused(self, error: Any) -> NoReturn:
        status = error.status_code
        what = f"{self._where} answered {status}: {str(error.message)[:300]}"
        if status in _BAD_INPUT:
            raise InvalidInputError(
                f"{what}; are the passages too long for it? (max_tokens= of the retriever)"
            ) from error
        if status in _BAD_KEY:
            raise ConfigurationError(f"{what}; does the environment of this process hold the right key?") from error
        if status in _MAY_PASS or status >= 500:
            raise ChatUnavailableError(what, retry_after_seconds=retry_after(error), partial="") from error
        raise ConfigurationError(f"{what}; are address and model right?") from error


def _within(name: str, value: object, least: float, most: float) -> float:
    found = number(name, value)
    if not least <= found <= most:
        raise InvalidInputError(f"{name} has to be from {least:g} to {most:g}, not {value!r:.60}")
    return found
