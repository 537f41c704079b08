"""The docs assistant among the examples: its page in a browser, and its one command."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fix_database import sqlalchemy_url
from numpy.typing import NDArray
from sqlalchemy import create_engine
from sqlalchemy.schema import CreateSchema
from support.browser import open_browser
from support.chat_server import ChatServer

from pgvec.chunkers import SentenceChunker
from pgvec.execution import migrate
from pgvec.model import InputKind, InputRole
from pgvec.rag import OpenAICompatibleChat, ingest

pytest.importorskip("fastapi")
uvicorn = pytest.importorskip("uvicorn")
pytest.importorskip("openai")

FOLDER = Path(__file__).parents[2] / "examples" / "docs_assistant"
EVIL = '<img src=x onerror="document.title=1"> The harbour <b>opens</b> at noon.'


class WordEmbedder:
    """Embeds the words of a text, so that equal words are near."""

    name, revision, dimensions, kinds = "words", "1", 384, frozenset({InputKind.TEXT})

    def embed(self, inputs: Sequence[object], *, role: InputRole = InputRole.DOCUMENT) -> NDArray[np.float32]:
        vectors = np.zeros((len(inputs), 384), dtype=np.float32)
        for vector, text in zip(vectors, inputs, strict=True):
            for word in re.findall(r"\w{4,}", str(text).lower()) or ["none"]:
                vector[zlib.crc32(word.encode()) % 384] += 1
        return vectors


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    """A chat model on this machine."""
    server = ChatServer()
    server.reply = ["The harbour ", "opens <i>at noon</i> [1]."]
    yield server
    server.close()


@pytest.fixture
def address(
    empty_database_url: str, tmp_path: Path, chat: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The assistant on a folder of two files, running in this process."""
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("app", "models"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    from app import create_app  # type: ignore[import-not-found]
    from models import SCHEMA, Base, Chunk  # type: ignore[import-not-found]

    migrate.up(empty_database_url)
    engine = create_engine(sqlalchemy_url(empty_database_url))
    with engine.begin() as connection:
        connection.execute(CreateSchema(SCHEMA))
        Base.metadata.create_all(connection)
    files = tmp_path / "files"
    files.mkdir()
    (files / "port.txt").write_text(f"Boats are old. {EVIL} Fish is sold.")
    (files / "town.md").write_text("# Town\n\nThe market closes on Sundays.\n")
    ingest(engine, files, Chunk, embedder=WordEmbedder(), chunkers=SentenceChunker(1))
    listening = socket.create_server(("127.0.0.1", 0))
    app = create_app(engine, WordEmbedder(), OpenAICompatibleChat(chat.url, model="small", max_retries=0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listening.close()
    engine.dispose()
    for name in ("app", "models"):
        sys.modules.pop(name, None)


def test_the_page_in_a_browser(address: str, chat: ChatServer, tmp_path: Path) -> None:
    """A person asks, reads the answer as it comes, follows a citation to the marked words; files and models run no script."""
    with open_browser(tmp_path / "browser") as browser:
        from selenium.webdriver.common.by import By
        from selenium.webdriver.common.keys import Keys
        from selenium.webdriver.support.ui import WebDriverWait

        def find(selector: str) -> Any:
            return WebDriverWait(browser, 30).until(lambda _: browser.find_element(By.CSS_SELECTOR, selector))

        def ask(question: str, state: str) -> None:
            find("#question").clear()
            find("#question").send_keys(question, Keys.RETURN)
            find(f"#answer.{state}")

        browser.get(address)
        WebDriverWait(browser, 30).until(lambda _: find("#about").text == "2 documents, 5 chunks, small")
        ask("When does the harbour open?", "done")
        assert find("#text").text == "The harbour opens <i>at noon</i> [1]."
        assert find("#source-1.cited blockquote").text == EVIL
        assert find("#text a.citation").get_attribute("href").endswith("#source-1")

        chat.reply = ["It says [7]."]
        ask("When does the harbour open?", "done")
        assert find("#note").text == "Not in the sources: [7]"
        chat.fault = "broken off"
        ask("When does the harbour open?", "failed")
        assert (find("#text").text, "broke off" in find("#note").text) == ("Half an ", True)
        ask("Astronomy of Jupiter?", "done")
        assert find("#text").text == "This is not in the sources."
        assert browser.title == "Docs assistant"

        chat.fault = None
        ask("When does the harbour open?", "done")
        browser.get(find("#source-1 a").get_attribute("href"))
        assert find("mark").text == EVIL
        assert browser.title == "port"


@pytest.mark.full
def test_its_command(empty_database_url: str, tmp_path: Path) -> None:
    """One command ingests a folder, says where the page is, answers, and ends on Ctrl-C."""
    pytest.importorskip("sentence_transformers")
    (tmp_path / "a.md").write_text("# Leave\n\nEverybody has thirty days of leave.\n")
    started = subprocess.Popen(
        [sys.executable, FOLDER, tmp_path, "--port", "0"],
        env=os.environ | {"PGVEC_URL": empty_database_url},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    try:
        address = next(found[0] for line in started.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        request = urllib.request.Request(
            f"{address}/ask", b'{"text": "How many days of leave?"}', {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            assert b"thirty days of leave" in response.read()
        started.send_signal(signal.SIGINT)
        assert started.wait(timeout=30) == 0
    finally:
        started.kill()
        started.wait()
        started.stdout.close()
