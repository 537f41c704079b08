"""An OpenAI-compatible endpoint on a real socket, which fails in every way that is asked for."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.content_embedder import expected_vector

__all__ = ["FAULTS", "MODEL", "Handler", "ModelServer"]

MODEL = "content"


class ModelServer:
    """Answers on ``url``. While ``fault`` is set, requests that hold a text of ``only`` (or all) fail that way.

    ``times`` limits how many do; ``seconds`` is how long what hangs hangs.
    """

    faults: dict[str, Any]

    def __init__(self, handler: type[Handler] | None = None) -> None:
        self.faults = FAULTS
        self.fault: str | None = None
        self.only: str | None = None
        self.times: int | None = None
        self.seconds = 1.0
        self.requests: list[list[str]] = []
        self.seen_headers: list[dict[str, str]] = []
        self.closing = threading.Event()
        owner = self

        class Owned(handler or Handler):
            server_owner = owner

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Owned)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def url(self) -> str:
        """Address to give to an embedder."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def texts(self) -> Counter[str]:
        """How often each text was sent."""
        return Counter(text for request in self.requests for text in request)

    def fault_for(self, texts: list[str]) -> str | None:
        """Return how to fail now, if at all."""
        if self.fault is None or (self.only is not None and self.only not in texts):
            return None
        if self.times is not None:
            if self.times == 0:
                return None
            self.times -= 1
        return self.fault

    def close(self) -> None:
        """Stop answering."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"
    server_owner: ModelServer

    def log_message(self, *_: Any) -> None:
        """Stay silent."""

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):  # the client has had enough
            super().handle()

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        asked = json.loads(self.rfile.read(length))
        texts = asked["input"]
        owner = self.server_owner
        owner.requests.append(texts)
        owner.seen_headers.append({name.lower(): value for name, value in self.headers.items()})
        fault = owner.fault_for(texts)
        if fault is None:
            self._answer(_good(texts))
        else:
            owner.faults[fault](self, texts)

    def _body(self, texts: list[str]) -> bytes:
        return json.dumps(_good(texts)).encode()

    def _answer(self, body: Any, status: int = 200, **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def _fail(self, status: int, **headers: str) -> None:
        self._answer({"error": {"message": f"this is a planned {status}", "type": "planned"}}, status, **headers)

    def _hang(self) -> None:
        self.server_owner.closing.wait(self.server_owner.seconds)
        self.close_connection = True

    def _drip(self, texts: list[str]) -> None:
        data = self._body(texts)
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        end = time.monotonic() + self.server_owner.seconds
        for byte in data:
            if time.monotonic() > end or self.server_owner.closing.wait(0.02):
                break
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
        self.close_connection = True

    def _half(self, texts: list[str]) -> None:
        data = self._body(texts)
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])
        self.close_connection = True

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.rfile.close()
        self.connection.close()


def _good(texts: list[str]) -> dict[str, Any]:
    items = [
        {"object": "embedding", "index": place, "embedding": expected_vector(text, MODEL).tolist()}
        for place, text in enumerate(texts)
    ]
    return {"object": "list", "model": MODEL, "data": items, "usage": {"prompt_tokens": 1, "total_tokens": 1}}


def _changed(texts: list[str], change: Any) -> dict[str, Any]:
    body = _good(texts)
    change(body["data"])
    return body


def _same_place(data: list[dict[str, Any]]) -> None:
    for item in data:
        item["index"] = 0
    data.append(dict(data[0]))


FAULTS: dict[str, Any] = {
    "429 with Retry-After": lambda handler, _: handler._fail(429, retry_after="1"),
    "429 without": lambda handler, _: handler._fail(429),
    "500": lambda handler, _: handler._fail(500),
    "503": lambda handler, _: handler._fail(503),
    "hang": lambda handler, _: handler._hang(),
    "slow drip": lambda handler, texts: handler._drip(texts),
    "half a body": lambda handler, texts: handler._half(texts),
    "reset": lambda handler, _: handler._reset(),
    "empty body": lambda handler, _: handler._answer(b""),
    "a page of HTML": lambda handler, _: handler._answer(b"<html><body>Bad gateway</body></html>"),
    "too few": lambda handler, texts: handler._answer(_changed(texts, lambda data: data.pop())),
    "too many": lambda handler, texts: handler._answer(
        _changed(texts, lambda data: data.append(data[0] | {"index": len(data)}))
    ),
    "the same place twice": lambda handler, texts: handler._answer(_changed(texts, _same_place)),
    "wrong width": lambda handler, texts: handler._answer(_changed(texts, lambda data: data[-1]["embedding"].pop())),
    "NaN": lambda handler, texts: handler._answer(
        _changed(texts, lambda data: data[-1].update(embedding=[float("nan")] * 8))
    ),
    "infinite": lambda handler, texts: handler._answer(
        _changed(texts, lambda data: data[-1].update(embedding=[1e300] * 8))
    ),
    "null": lambda handler, texts: handler._answer(_changed(texts, lambda data: data[-1].update(embedding=None))),
    "numbers as text": lambda handler, texts: handler._answer(
        _changed(texts, lambda data: data[-1].update(embedding=["1"] * 8))
    ),
    "400": lambda handler, _: handler._fail(400),
    "401": lambda handler, _: handler._fail(401),
    "404": lambda handler, _: handler._fail(404),
}
"""How to fail, by name: functions of a request's handler and its texts."""
