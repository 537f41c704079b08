"""A chat model that fails gives clear errors: no hanging, and no half answer that looks whole."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from support.chat_server import CHAT_FAULTS, ChatServer

from pgvec.errors import (
    ChatError,
    ChatResponseError,
    ChatUnavailableError,
    ConfigurationError,
    InvalidInputError,
    InvalidOptionError,
)
from pgvec.rag import OpenAICompatibleChat

pytest.importorskip("openai")

ASK = [{"role": "user", "content": "How is it?"}]
UNAVAILABLE = {
    "429 with Retry-After",
    "500",
    "503",
    "hang",
    "reset",
    "hang in the middle",
    "reset in the middle",
    "slow drip",
}
WRONG_SETTING = {"401", "404"}
HALF = set(CHAT_FAULTS) - WRONG_SETTING - {
    "429 with Retry-After", "500", "503", "400", "hang", "reset", "slow drip", "no end", "empty", "empty body",
    "a page of HTML", "half of JSON",
}  # fmt: skip


@pytest.fixture
def server() -> Iterator[ChatServer]:
    """A chat model on this machine."""
    made = ChatServer()
    yield made
    made.close()


def chat(server: ChatServer, **options: object) -> OpenAICompatibleChat:
    return OpenAICompatibleChat(server.url, model="small", **{"timeout_seconds": 2.0, "max_retries": 0, **options})  # type: ignore[arg-type]


def test_an_answer_comes_in_parts(server: ChatServer) -> None:
    """Parts arrive as they were sent, with emoji cut in two on the wire; a server that does not stream is understood, too."""
    server.reply = ["All ", "is \U0001f600 ", "w\u00ebll."]
    model = chat(server, temperature=0.5, max_tokens=50)
    assert list(model.stream(ASK)) == server.reply
    asked = server.asked[0]
    assert (asked["model"], asked["messages"], asked["stream"]) == ("small", ASK, True)
    assert (asked["temperature"], asked["max_tokens"]) == (0.5, 50)
    server.streams = False
    assert list(model.stream(ASK)) == ["".join(server.reply)]
    server.fault, server.times = "503", 1
    assert list(chat(server, max_retries=1).stream(ASK)) == ["".join(server.reply)]


@pytest.mark.parametrize("fault", CHAT_FAULTS)
def test_a_fault_is_an_error(server: ChatServer, fault: str) -> None:
    """Whatever goes wrong, the error says so in time, tells what may pass from what does not, and keeps what had come."""
    server.fault, server.seconds = fault, 3
    began = time.monotonic()
    parts = []
    with pytest.raises((ChatError, ConfigurationError, InvalidInputError)) as caught:
        parts += chat(server, max_tokens=100).stream(ASK)
    error = caught.value
    assert time.monotonic() - began < 2.5
    if fault in UNAVAILABLE:
        assert isinstance(error, ChatUnavailableError)
        assert error.retry_after_seconds == (1 if fault == "429 with Retry-After" else None)
    elif fault in WRONG_SETTING:
        assert isinstance(error, ConfigurationError)
    elif fault == "400":
        assert isinstance(error, InvalidInputError)
    else:
        assert isinstance(error, ChatResponseError)
    if isinstance(error, ChatError):
        assert error.partial == ("Half an " if fault in HALF else "")


def test_nobody_at_the_address() -> None:
    """The error names model and address; numbers out of range are refused before."""
    with pytest.raises(ChatUnavailableError, match=r"small at http://127\.0\.0\.1:9/v1/ is out of reach"):
        list(OpenAICompatibleChat("http://127.0.0.1:9/v1", model="small", max_retries=0).stream(ASK))
    for options in ({"temperature": 3}, {"max_tokens": 0}, {"timeout_seconds": 0}, {"max_retries": -1}):
        with pytest.raises(InvalidInputError, match=next(iter(options))):
            OpenAICompatibleChat("http://127.0.0.1:9/v1", model="small", **options)  # type: ignore[arg-type]
    assert issubclass(InvalidOptionError, InvalidInputError)
