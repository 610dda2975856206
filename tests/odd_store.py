"""A way to a store that loses answers, or gives others: for one request of a kind, as often as it is told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

from tests.fixtures_bucket import S3Server

_MADE = "<CompleteMultipartUploadResult><ETag>&quot;0&quot;</ETag></CompleteMultipartUploadResult>"


def kind_of(method: str, path: str) -> str:
    """S3's name of a request, as far as tests need to tell them apart."""
    query = parse_qs(urlsplit(path).query, keep_blank_values=True)
    if "uploadId" in query:
        return {"POST": "complete", "PUT": "part", "DELETE": "abort", "GET": "parts"}[method]
    if "uploads" in query:
        return {"POST": "create", "GET": "uploads"}[method]
    return method.lower()


Fault = Callable[["_Way"], None]


class OddStore:
    """Its `endpoint` leads to the store; `wrong` says what happens to the next requests of each kind."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.wrong: dict[str, list[Fault]] = {}


class _Way(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: OddStore
    behind: S3Server

    def handle_one_way(self) -> None:
        kind = kind_of(self.command, self.path)
        waiting = self.store.wrong.get(kind, [])
        (waiting.pop(0) if waiting else _Way.passed)(self)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_one_way  # noqa: N815

    def passed(self) -> None:
        """Pass request and answer on."""
        self.answer(*self.ask())

    def ask(self) -> tuple[int, dict[str, str], bytes]:
        """Pass the request on; returns status, headers and content of the answer."""
        address = urlsplit(self.behind.endpoint)
        connection = HTTPConnection(str(address.hostname), address.port)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name != "Expect"}
        connection.request(self.command, self.path, body, headers)
        found = connection.getresponse()
        content = found.read()
        connection.close()
        return found.status, dict(found.getheaders()), content

    def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        """Give an answer."""
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def lost(way: _Way) -> None:
    """The store does what it is asked, and nobody hears of it."""
    way.ask()
    way.close_connection = True


def refused(status: int, code: str, **headers: str) -> Fault:
    """The store does nothing, and says so."""

    def answer(way: _Way) -> None:
        way.rfile.read(int(way.headers.get("Content-Length", 0)))
        way.answer(status, headers, f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode())

    return answer


def promised(way: _Way) -> None:
    """An upload is said to be complete, of which nothing is there yet."""
    way.rfile.read(int(way.headers.get("Content-Length", 0)))
    way.answer(200, {}, _MADE.encode())


def kept_waiting(way: _Way) -> None:
    """The answer begins at once and goes on when the object is made, with spaces between, as AWS does it."""
    way.send_response(200)
    way.send_header("Connection", "close")
    way.end_headers()
    way.wfile.write(b'<?xml version="1.0" encoding="UTF-8"?>\n')
    for _ in range(5):
        way.wfile.write(b" ")
        way.wfile.flush()
    _, _, content = way.ask()
    way.wfile.write(content.partition(b"?>")[2] if content.startswith(b"<?xml") else content)


@contextmanager
def odd_store(behind: S3Server) -> Iterator[OddStore]:
    """Run it while the block runs."""
    handler = type("Way", (_Way,), {"behind": behind})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.store = store = OddStore(server.server_port)  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
