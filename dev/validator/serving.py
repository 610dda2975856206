"""Routes that run in worker threads, and serving them on several ports until SIGTERM."""

import socket
from collections.abc import Callable, Sequence
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

JsonBody = dict[str, Any]

STOP_WITHIN_SECONDS = 3


def make_server(app: Starlette) -> uvicorn.Server:
    """A server that answers running requests for a few seconds after SIGTERM and then leaves."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=STOP_WITHIN_SECONDS, lifespan="off"
    )
    return uvicorn.Server(config)


def serve(server: uvicorn.Server, host: str, ports: Sequence[int]) -> None:
    """Listen on all ports and serve; returns when the server has stopped."""
    sockets = []
    for port in ports:
        listener = socket.create_server((host, port))
        listener.set_inheritable(True)
        sockets.append(listener)
    server.run(sockets=sockets)


def post_route(path: str, handler: Callable[[JsonBody], Response]) -> Route:
    """A POST route whose handler blocks and takes the decoded JSON object."""

    async def endpoint(request: Request) -> Response:
        body = await request.json()
        if not isinstance(body, dict):
            raise ValueError("body: a JSON object is needed")
        return await run_in_threadpool(handler, body)

    return Route(path, endpoint, methods=["POST"])
