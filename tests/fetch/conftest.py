import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class FileServer:
    """Serves one file at every path, and can misbehave."""

    content: bytes = b""
    knows_ranges: bool = True
    break_after: int | None = None  # bytes of an answer before the connection breaks
    n_breaks: int = 0  # how many more answers break
    status: int = 200
    ranges: list[str | None] = field(default_factory=list)  # Range header of each request so far
    url: str = ""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    state = FileServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and state.knows_ranges else 0
            body = state.content[start:]
            if state.status != 200:
                self.send_response(state.status)
                body = b""
            elif start and not body:
                self.send_response(416)
            elif start:
                self.send_response(206)
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if state.n_breaks and state.break_after is not None:
                state.n_breaks -= 1
                body = body[: state.break_after]
                self.close_connection = True
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.url = f"http://127.0.0.1:{http.server_port}/reviews.csv"
        thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield state
        http.shutdown()
        thread.join()
