"""A chat model on a real socket, which answers in pieces, and fails in every way that is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from support.model_server import Handler, ModelServer

__all__ = ["CHAT_FAULTS", "ChatServer"]


class ChatServer(ModelServer):
    """Answers with ``reply``, a piece for each text; ``asked`` is what it was sent."""

    def __init__(self) -> None:
        self.reply: list[str] = ["All ", "is ", "well [1]."]
        self.streams = True
        self.asked: list[dict[str, Any]] = []
        super().__init__(_ChatHandler)


class _ChatHandler(Handler):
    server_owner: ChatServer

    def do_POST(self) -> None:  # noqa: N802 - as the library calls it
        owner = self.server_owner
        owner.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        fault = owner.fault_for([])
        if fault is not None:
            CHAT_FAULTS[fault](self)
        elif owner.streams:
            self.send_events([*map(text_event, owner.reply), finish_event("stop"), {"choices": []}, "[DONE]"])
        else:
            message = {"role": "assistant", "content": "".join(owner.reply)}
            self._answer({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

    def send_events(self, events: Iterable[Any], *, wait: bool = False, reset: bool = False) -> None:
        """Send events, in chunks whose ends have nothing to do with theirs; then end, wait, or break the connection."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        body = b": a comment\n\n" + b"".join(
            b"data: "
            + (event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)).encode()
            + b"\r\n\r\n"
            for event in events
        )
        for start in range(0, len(body), 17):
            self.wfile.write(body[start : start + 17])
            self.wfile.flush()
        if wait:
            self._hang()
        if reset:
            self._reset()
        self.close_connection = True

    def send_drops(self) -> None:
        """Send a little, again and again, and never an event."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        while not self.server_owner.closing.wait(0.02):
            self.wfile.write(b":")
            self.wfile.flush()

    def send_endless(self) -> None:
        """Send one line that never ends."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        while not self.server_owner.closing.is_set():
            self.wfile.write(b"data: " + b"x" * 65_536)


def text_event(text: Any) -> dict[str, Any]:
    """A piece of an answer."""
    return {
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
    }


def finish_event(reason: str) -> dict[str, Any]:
    """The piece that says why nothing more comes."""
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


_HALF = text_event("Half an ")

CHAT_FAULTS: dict[str, Any] = {
    "429 with Retry-After": lambda handler: handler._fail(429, retry_after="1"),
    "500": lambda handler: handler._fail(500),
    "503": lambda handler: handler._fail(503),
    "400": lambda handler: handler._fail(400),
    "401": lambda handler: handler._fail(401),
    "404": lambda handler: handler._fail(404),
    "hang": lambda handler: handler._hang(),
    "reset": lambda handler: handler._reset(),
    "hang in the middle": lambda handler: handler.send_events([_HALF], wait=True),
    "reset in the middle": lambda handler: handler.send_events([_HALF], reset=True),
    "slow drip": lambda handler: handler.send_drops(),
    "no end": lambda handler: handler.send_endless(),
    "broken off": lambda handler: handler.send_events([_HALF]),
    "broken off, but done": lambda handler: handler.send_events([_HALF, "[DONE]"]),
    "too many tokens": lambda handler: handler.send_events([_HALF, finish_event("length"), "[DONE]"]),
    "filtered": lambda handler: handler.send_events([_HALF, finish_event("content_filter"), "[DONE]"]),
    "error in the middle": lambda handler: handler.send_events([_HALF, {"error": {"message": "planned"}}]),
    "malformed piece": lambda handler: handler.send_events([_HALF, '{"choices": [{"delta": {"con']),
    "no choices": lambda handler: handler.send_events([_HALF, {"object": "what"}]),
    "no text": lambda handler: handler.send_events([_HALF, text_event(7)]),
    "no object": lambda handler: handler.send_events([_HALF, [1]]),
    "empty": lambda handler: handler.send_events([finish_event("stop"), "[DONE]"]),
    "empty body": lambda handler: handler._answer(b""),
    "a page of HTML": lambda handler: handler._answer(b"<html>\n<body>Bad gateway</body></html>"),
    "half of JSON": lambda handler: handler._answer(b'{"choices": [{"message": {"content": "Half'),
}
"""How to fail, by name: functions of a request's handler."""
