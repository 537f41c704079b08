"""The rerankers for endpoints, over a real socket: right scores, or an error that says what to do."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import numpy as np
import pytest

pytest.importorskip("httpx2", reason="the extra remote is not installed")

from support.rerank_server import FAULTS, RerankServer, word_score

from pgvec.errors import (
    ConfigurationError,
    InvalidInputError,
    InvalidOptionError,
    MissingDependencyError,
    RerankerResponseError,
    RerankerUnavailableError,
)
from pgvec.rerankers import AsyncHttpReranker, AsyncReranker, HttpReranker, Reranker, exchange, http

QUERY = "rates of the bank"
TEXTS = ["a bank", "the rates of the bank", "fishing", "bank bank", "apple pie of the day"]
SCORES = [word_score(QUERY, text) for text in TEXTS]
KEY = "sk-very-secret"
UNAVAILABLE = ("429 with Retry-After", "429 without", "500", "503", "hang", "slow drip", "half a body", "reset")
REFUSED = {
    "400": InvalidInputError,
    "401": ConfigurationError,
    "404": ConfigurationError,
    "a redirect": ConfigurationError,
}


@pytest.fixture(params=["sync", "async"])
def world_kind(request: pytest.FixtureRequest) -> str:
    """Each test runs with both rerankers."""
    return str(request.param)


@pytest.fixture
def ask(world_kind: str, rerank_server: RerankServer) -> Any:
    """A function that has texts scored by the server, with options of the reranker."""

    def asked(texts: Sequence[str] = TEXTS, *, query: Any = QUERY, **options: Any) -> Any:
        defaults: dict[str, Any] = {"model": "words", "max_retries": 0, "timeout_seconds": 30.0}
        options = defaults | options
        if world_kind == "sync":
            return HttpReranker(rerank_server.url, **options).rerank(query, texts)
        return asyncio.run(AsyncHttpReranker(rerank_server.url, **options).rerank(query, texts))

    return asked


@pytest.mark.parametrize("form", ["results", "data", "list"])
def test_scores_come_in_the_order_of_the_texts(ask: Any, rerank_server: RerankServer, form: str) -> None:
    """Each text gets its score, whatever the order and the layout of the answer, over as many requests as it takes."""
    rerank_server.form = form
    assert ask().tolist() == SCORES
    assert ask(batch_size=2).tolist() == SCORES
    assert [len(request) for request in rerank_server.requests] == [5, 2, 2, 1]
    assert ask([]).shape == (0,)
    assert len(rerank_server.requests) == 4


def test_what_is_sent(ask: Any, rerank_server: RerankServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key comes from the environment or the argument, and the names of fields are the provider's."""
    monkeypatch.setenv("RERANK_API_KEY", "from-the-environment")
    ask(["é"], extra={"return_documents": False})
    ask(["a"], api_key=KEY, texts_field="texts")
    assert rerank_server.asked == [
        {"model": "words", "query": QUERY, "documents": ["é"], "return_documents": False},
        {"model": "words", "query": QUERY, "texts": ["a"]},
    ]
    sent = [headers["authorization"] for headers in rerank_server.seen_headers]
    assert sent == ["Bearer from-the-environment", f"Bearer {KEY}"]
    monkeypatch.delenv("RERANK_API_KEY")
    ask(["a"])
    assert "authorization" not in rerank_server.seen_headers[-1]


def test_no_fault_passes_for_an_answer(ask: Any, rerank_server: RerankServer) -> None:
    """Every kind of fault raises the error that says whether trying again may help."""
    for fault in FAULTS:
        rerank_server.fault, rerank_server.seconds = fault, 1.5
        expected = RerankerUnavailableError if fault in UNAVAILABLE else REFUSED.get(fault, RerankerResponseError)
        with pytest.raises(expected) as caught:
            ask(timeout_seconds=0.5 if fault in {"hang", "slow drip"} else 30)
        if fault == "429 with Retry-After":
            assert caught.value.retry_after_seconds == 1.0
    rerank_server.fault = None
    assert ask().tolist() == SCORES


def test_what_may_pass_is_tried_again(ask: Any, rerank_server: RerankServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that failed for a passing reason is sent again, and after the last time the reason is raised."""
    monkeypatch.setattr(exchange, "_FIRST_PAUSE_SECONDS", 0.01)
    for fault in ("429 without", "500", "503", "reset", "half a body"):
        rerank_server.requests.clear()
        rerank_server.fault, rerank_server.times = fault, 2
        assert ask(max_retries=2).tolist() == SCORES
        assert len(rerank_server.requests) == 3
        rerank_server.times = 2
        with pytest.raises(RerankerUnavailableError):
            ask(max_retries=1)
        assert len(rerank_server.requests) == 5


def test_what_will_not_pass_is_sent_once(ask: Any, rerank_server: RerankServer) -> None:
    """A refusal is not repeated."""
    rerank_server.fault = "400"
    with pytest.raises(InvalidInputError, match="this is a planned 400"):
        ask(max_retries=3)
    assert len(rerank_server.requests) == 1


def test_a_provider_says_how_long_to_wait(ask: Any, rerank_server: RerankServer) -> None:
    """The pause is as long as the provider asks for, and where that is more than a minute, the caller is told at once."""
    rerank_server.fault, rerank_server.times = "429 with Retry-After", 1
    start = time.monotonic()
    assert ask(max_retries=1).tolist() == SCORES
    assert time.monotonic() - start >= 1.0
    rerank_server.faults = {"later": lambda handler, _: handler._fail(429, retry_after="3600")}
    rerank_server.fault, rerank_server.times = "later", 1
    with pytest.raises(RerankerUnavailableError) as caught:
        ask(max_retries=3)
    assert caught.value.retry_after_seconds == 3600.0


@pytest.mark.parametrize(("minutes", "least", "most"), [(60, 3_000, 3_600), (-60, 0, 0)])
def test_a_retry_after_may_be_a_moment(minutes: int, least: float, most: float) -> None:
    """What is left until then is waited; a moment that is gone is no time."""
    moment = datetime.now(UTC) + timedelta(minutes=minutes)
    found = exchange._seconds(format_datetime(moment, usegmt=True))
    assert found is not None
    assert least <= found <= most


def test_a_retry_after_may_be_a_number() -> None:
    """It is one of seconds."""
    assert exchange._seconds("2.5") == 2.5


@pytest.mark.parametrize("header", [None, "soon", "-1", "nan", "inf", ""])
def test_a_retry_after_that_says_nothing(header: str | None) -> None:
    """What is no time is as good as none."""
    assert exchange._seconds(header) is None


def test_nobody_at_the_address(world_kind: str) -> None:
    """A refused connection is an outage."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/rerank"
    made: Any = (HttpReranker if world_kind == "sync" else AsyncHttpReranker)(url, model="m", max_retries=0)
    with pytest.raises(RerankerUnavailableError, match="out of reach"):
        made.rerank("q", ["x"]) if world_kind == "sync" else asyncio.run(made.rerank("q", ["x"]))


@pytest.mark.parametrize("fault", ["400", "401", "500"])
def test_the_key_is_shown_nowhere(
    ask: Any, rerank_server: RerankServer, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither errors, nor logs, nor the repr show the key, not even where the provider repeats it."""
    caplog.set_level(logging.DEBUG)
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}}).encode()
    rerank_server.faults = {"key": lambda handler, _: handler._answer(body, int(fault))}
    rerank_server.fault = "key"
    with pytest.raises((InvalidInputError, ConfigurationError, RerankerUnavailableError)) as caught:
        ask(api_key=KEY)
    assert "Incorrect API key provided: ***" in str(caught.value)
    made = HttpReranker(rerank_server.url, model="m", api_key=KEY)
    assert KEY not in caplog.text + repr(made) + repr(made._endpoint) + repr(vars(caught.value))
    assert repr(made) == f"<HttpReranker m at {rerank_server.url}>"


async def test_connections_stay_open_in_a_block(rerank_server: RerankServer) -> None:
    """Within ``async with`` the connection of the first call serves the second, and calls may run together."""
    async with AsyncHttpReranker(rerank_server.url, model="m") as reranker:
        answers = await asyncio.gather(*(reranker.rerank(QUERY, TEXTS) for _ in range(4)))
    assert [answer.tolist() for answer in answers] == [SCORES] * 4
    assert (await reranker.rerank(QUERY, TEXTS)).tolist() == SCORES


def test_they_are_rerankers(rerank_server: RerankServer) -> None:
    """Both fit their protocol, and are named after the model."""
    sync, other = (cls(rerank_server.url, model="words") for cls in (HttpReranker, AsyncHttpReranker))
    assert isinstance(sync, Reranker)
    assert isinstance(other, AsyncReranker)
    assert sync.name == other.name == "words"
    assert np.array_equal(sync.rerank(QUERY, TEXTS), SCORES)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"batch_size": 0}, InvalidOptionError, "batch_size"),
        ({"timeout_seconds": 0}, InvalidOptionError, "timeout_seconds"),
        ({"max_retries": -1}, InvalidOptionError, "max_retries"),
        ({"url": "api.cohere.com/v2/rerank"}, InvalidOptionError, "whole address"),
        ({"url": "ftp://x/rerank"}, InvalidOptionError, "whole address"),
        ({"url": None}, InvalidOptionError, "whole address"),
        ({"url": "https://me:pass@x/rerank"}, InvalidOptionError, "without user"),
        ({"url": "https://x/rerank?key=1"}, InvalidOptionError, "without user"),
        ({"extra": {"query": "x"}}, InvalidOptionError, "query"),
        ({"api_key": "a\nb"}, ConfigurationError, "is it whole"),
    ],
)
def test_arguments_are_checked(wrong: dict[str, Any], error: type[Exception], message: str) -> None:
    """An argument that makes no sense is refused at once, and an address with a password in it is not repeated."""
    with pytest.raises(error, match=message) as caught:
        HttpReranker(**({"url": "http://localhost/rerank", "model": "m"} | wrong))
    assert "me:pass" not in str(caught.value)


@pytest.mark.parametrize(
    ("query", "texts", "message"),
    [("", ["a"], "query is empty"), ("q", ["a", " "], "Text 2 is empty"), ("q", "abc", "list"), (3, ["a"], "int")],
)
def test_what_cannot_be_scored(ask: Any, rerank_server: RerankServer, query: Any, texts: Any, message: str) -> None:
    """What is no text is refused before anything is sent."""
    with pytest.raises(InvalidInputError, match=message):
        ask(texts, query=query)
    assert not rerank_server.requests


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the HTTP library the error tells the command that installs it."""
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'pgvec\[remote\]'"):
        http.HttpReranker("http://localhost/rerank", model="m")
