"""A real HTTP server whose every answer a test writes, and a clock that passes time without taking any."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import orjson

from source_customerscanvas.settings import Settings


@dataclass(frozen=True)
class Request:
    """`port` is the client's: another one for each connection."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    port: int


@dataclass(frozen=True)
class Answer:
    """`cut` breaks the connection after so many bytes; `length` False leaves out Content-Length and ends by closing.

    `early` are statuses that are sent before, each as an answer of its own.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    length: bool = True
    early: Sequence[int] = ()


RESET = Answer(status=0)
"""No answer at all: the connection ends."""


def json_answer(value: Any, status: int = 200) -> Answer:
    return Answer(status, orjson.dumps(value), {"Content-Type": "application/json"})


def api_404(title: str = "Not Found") -> Answer:
    """What the API itself says of a thing that is not there."""
    return json_answer(
        {"type": "https://tools.ietf.org/html/rfc9110#section-15.5.5", "title": title, "status": 404}, 404
    )


PAGE = {"total": 1, "items": [{"id": 1}]}
HTML = Answer(200, b"<html>Bad gateway</html>", {"Content-Type": "text/html"})
TOO_MANY = Answer(429, b"", {"Retry-After": "7"})


class Server:
    """Answers `/connect/token` by itself and anything else with `answer`, which a test replaces."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.requests: list[Request] = []
        self.token_answer: Callable[[Request], Answer] = lambda _: json_answer(
            {"access_token": f"token-{len(self.token_requests)}", "expires_in": 3600}
        )
        self.answer: Callable[[Request], Answer] = lambda _: Answer(404)
        self.in_flight = 0
        self.most_in_flight = 0
        self.lock = Lock()

    @property
    def token_requests(self) -> list[Request]:
        return [request for request in self.requests if request.path == "/connect/token"]

    @property
    def api_requests(self) -> list[Request]:
        return [request for request in self.requests if request.path != "/connect/token"]

    def script(self, *answers: Answer) -> None:
        """Give these answers one after the other, the last one for ever."""
        left = list(answers)
        self.answer = lambda _: left.pop(0) if len(left) > 1 else left[0]

    def settings(self, **values: Any) -> Settings:
        given = {"client_id": "app", "client_secret": "s3cret", "hub_url": self.url, "api_url": self.url, **values}
        return Settings(**given)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    served: ClassVar[Server]

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def do_GET(self) -> None:
        server = self.served
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        request = Request(self.command, parts.path, query, dict(self.headers.items()), body, self.client_address[1])
        with server.lock:
            server.requests.append(request)
            server.in_flight += 1
            server.most_in_flight = max(server.most_in_flight, server.in_flight)
        try:
            answer = (server.token_answer if request.path == "/connect/token" else server.answer)(request)
        finally:
            with server.lock:
                server.in_flight -= 1
        self._send(answer)

    do_POST = do_PUT = do_HEAD = do_DELETE = do_GET

    def _send(self, answer: Answer) -> None:
        if answer is RESET:
            self.close_connection = True
            return
        for status in answer.early:
            self.wfile.write(b"HTTP/1.1 %d Early\r\nLink: </style.css>\r\n\r\n" % status)
        self.send_response_only(answer.status)
        if "Date" not in answer.headers:
            self.send_header("Date", self.date_time_string())
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.length and "Content-Length" not in answer.headers and answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body if answer.cut is None else answer.body[: answer.cut])
        self.wfile.flush()
        if answer.cut is not None or not answer.length:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serve() -> Iterator[Server]:
    handler = type("Handler", (_Handler,), {})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads = True
    handler.served = Server(http.server_address[1])  # type: ignore[attr-defined]  # made on the line above
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield handler.served  # type: ignore[attr-defined]  # as above
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


class FakeClock:
    """Waiting moves it; `waits` are the seconds of each wait. `on_wait` lets a test act while time passes."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.on_wait: Callable[[], None] = lambda: None
        self._seconds = 1000.0
        self._lock = Lock()

    def now(self) -> datetime:
        return datetime(2024, 3, 5, tzinfo=timezone.utc) + timedelta(seconds=self._seconds - 1000.0)

    def monotonic(self) -> float:
        return self._seconds

    def wait(self, seconds: float, stop: Event | None = None) -> None:
        with self._lock:
            self.waits.append(seconds)
            self._seconds += seconds
        self.on_wait()

    def pass_time(self, seconds: float) -> None:
        with self._lock:
            self._seconds += seconds

    def pass_until(self, end: float) -> None:
        """Several threads that wait for the same moment wait for it together."""
        with self._lock:
            self._seconds = max(self._seconds, end)
