"""The embedder for OpenAI-compatible endpoints, over a real socket: right vectors, or an error that says what to do."""

from __future__ import annotations

import socket
import time
from typing import Any

import numpy as np
import pytest

pytest.importorskip("openai", reason="the extra remote is not installed")

from fix_sync import NAME, SyncedTable
from support.content_embedder import DIMENSIONS, expected_vector
from support.model_server import FAULTS, MODEL, ModelServer

from pgvec.embedders import OpenAICompatibleEmbedder
from pgvec.embedding_sync import WorkerOptions
from pgvec.errors import (
    ConfigurationError,
    EmbedderResponseError,
    EmbedderUnavailableError,
    InvalidInputError,
    InvalidOptionError,
)

TEXTS = [f"text {number}" for number in range(5)]
UNAVAILABLE = ("429 with Retry-After", "429 without", "500", "503", "hang", "slow drip", "half a body", "reset")
REFUSED = {"400": InvalidInputError, "401": ConfigurationError, "404": ConfigurationError}


def embedder(server: ModelServer, **options: Any) -> OpenAICompatibleEmbedder:
    defaults = {"model": MODEL, "dimensions": DIMENSIONS, "max_retries": 0, "timeout_seconds": 0.5}
    return OpenAICompatibleEmbedder(server.url, **(defaults | options))


def test_vectors_come_in_the_order_of_the_texts(model_server: ModelServer) -> None:
    """Each text gets its vector, over as many requests as the batch size makes."""
    vectors = embedder(model_server, batch_size=2, timeout_seconds=30).embed(TEXTS)
    assert np.array_equal(vectors, [expected_vector(text) for text in TEXTS])
    assert [len(request) for request in model_server.requests] == [2, 2, 1]
    assert embedder(model_server).embed([]).shape == (0, DIMENSIONS)


def test_an_answer_in_another_order_is_put_right(model_server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The places that the answer names count, not the order in which it lists them."""
    from support import model_server as module

    good = module._good
    monkeypatch.setattr(module, "_good", lambda texts: good(texts) | {"data": good(texts)["data"][::-1]})
    assert np.array_equal(embedder(model_server).embed(TEXTS), [expected_vector(text) for text in TEXTS])


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_passes_for_an_answer(model_server: ModelServer, fault: str) -> None:
    """Every kind of fault raises the error that says whether trying again may help."""
    model_server.fault, model_server.seconds = fault, 1.5
    expected = EmbedderUnavailableError if fault in UNAVAILABLE else REFUSED.get(fault, EmbedderResponseError)
    with pytest.raises(expected) as caught:
        embedder(model_server).embed(TEXTS)
    if fault == "429 with Retry-After":
        assert caught.value.retry_after_seconds == 1.0
    model_server.fault = None
    assert len(embedder(model_server).embed(TEXTS)) == 5


@pytest.mark.parametrize("fault", ["429 without", "500", "503", "reset"])
def test_what_may_pass_is_tried_again(model_server: ModelServer, fault: str) -> None:
    """The client repeats a request that failed for a passing reason."""
    model_server.fault, model_server.times = fault, 1
    assert len(embedder(model_server, max_retries=2, timeout_seconds=30).embed(TEXTS)) == 5
    assert len(model_server.requests) == 2


def test_nobody_at_the_address(unused_port: int) -> None:
    """A refused connection is an outage."""
    lonely = OpenAICompatibleEmbedder(
        f"http://127.0.0.1:{unused_port}/v1", model=MODEL, dimensions=8, max_retries=0, timeout_seconds=5
    )
    with pytest.raises(EmbedderUnavailableError, match="out of reach"):
        lonely.embed(["x"])


@pytest.fixture
def unused_port() -> int:
    """A port of this machine on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_key_prefix_and_width_are_sent(model_server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key comes from the environment, the prefix stands before each text, and a shorter vector can be asked for."""
    monkeypatch.setenv("OPENAI_API_KEY", "from-the-environment")
    made = embedder(model_server, query_prefix="query: ", document_prefix="passage: ", shorten=True)
    made.embed(["a"], role="query")
    made.embed(["b"])
    assert model_server.requests == [["query: a"], ["passage: b"]]
    assert model_server.seen_headers[0]["authorization"] == "Bearer from-the-environment"
    assert (made.name, made.revision, made.dimensions) == (MODEL, "unspecified", DIMENSIONS)


def test_requests_are_spaced(model_server: ModelServer) -> None:
    """The limit of requests keeps a distance between them."""
    slow = embedder(model_server, batch_size=1, requests_per_minute=600)
    start = time.monotonic()
    slow.embed(["a", "b", "c"])
    assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize(
    "wrong",
    [{"dimensions": 0}, {"batch_size": 0}, {"timeout_seconds": 0}, {"max_retries": -1}, {"requests_per_minute": 0}],
)
def test_numbers_are_checked(wrong: dict[str, Any]) -> None:
    """A number that makes no sense is refused at once."""
    with pytest.raises(InvalidOptionError, match=next(iter(wrong))):
        OpenAICompatibleEmbedder("http://localhost/v1", **({"model": "m", "dimensions": 8} | wrong))


OPTIONS = WorkerOptions(
    batch_size=8,
    max_attempts=3,
    backoff_seconds=0.01,
    longest_backoff_seconds=0.05,
    poll_seconds=0.05,
    give_up_seconds=60,
)


QUICKLY = ("half a body", "too few", "NaN", "400")


@pytest.mark.parametrize(
    "fault", [fault if fault in QUICKLY else pytest.param(fault, marks=pytest.mark.full) for fault in FAULTS]
)
def test_rows_end_embedded_or_parked_with_the_reason(
    synced: SyncedTable, model_server: ModelServer, fault: str
) -> None:
    """A text at which the provider always fails is parked with the reason, and every other row is embedded."""
    synced.declare()
    synced.sql("INSERT INTO article (id, title) SELECT n, 'text ' || n FROM generate_series(1, 12) AS n")
    model_server.fault, model_server.only, model_server.seconds = fault, "text 7", 0.5
    passing = fault in UNAVAILABLE or fault in {"401", "404"}
    model_server.times = 2 if passing else None  # an outage ends some day
    made = embedder(model_server, timeout_seconds=0.2)
    deadline = time.monotonic() + 60
    while synced.syncs.backlog(NAME) and time.monotonic() < deadline:
        synced.drain(made, OPTIONS)
        time.sleep(0.02)
    parked = synced.sql("SELECT key[1], error FROM pgvec.embedding_outbox")
    assert synced.wrong_rows() == ([] if passing else [7])
    assert [key for key, _ in parked] == ([] if passing else ["7"])
    assert all("Error: " in error for _, error in parked)


def test_a_provider_that_stays_down_parks_its_rows(synced: SyncedTable, model_server: ModelServer) -> None:
    """After the time to give up the rows are parked with the reason."""
    synced.declare()
    synced.sql("INSERT INTO article (title) VALUES ('x')")
    model_server.fault = "503"
    time.sleep(0.01)
    synced.drain(embedder(model_server), WorkerOptions(give_up_seconds=0.005, backoff_seconds=0.001))
    ((error,),) = synced.sql("SELECT error FROM pgvec.embedding_outbox WHERE parked")
    assert error.startswith("EmbedderUnavailableError: content at http://127.0.0.1")
    assert "answered 503" in error
