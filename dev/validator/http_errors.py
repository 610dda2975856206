"""Answers of the form `{"error": "..."}` for everything that goes wrong in a request."""

import logging

import httpx2
import psycopg
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from dev.validator.internal_client import CallRefusedError

LOG = logging.getLogger(__name__)


def _error(status: int, text: str) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse({"error": text}, status_code=status, headers=headers)


def _http_exception(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, error.detail)


def _bad_value(_request: Request, error: Exception) -> JSONResponse:
    return _error(400, str(error))


def _refused_by_neighbour(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CallRefusedError)
    return _error(error.status, str(error))


def _neighbour_unavailable(request: Request, error: Exception) -> JSONResponse:
    LOG.warning("%s: a neighbour does not answer: %s", request.url.path, error)
    return _error(503, "a neighbour does not answer")


def _database_unavailable(request: Request, error: Exception) -> JSONResponse:
    LOG.warning("%s: the database does not answer: %s", request.url.path, error)
    return _error(503, "the database does not answer")


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    LOG.error("%s failed", request.url.path, exc_info=error)
    return _error(500, f"internal error: {type(error).__name__}")


HANDLERS = {
    HTTPException: _http_exception,
    ValueError: _bad_value,
    # Also a database that came back empty: its tables are made at the next start.
    psycopg.errors.UndefinedTable: _database_unavailable,
    psycopg.OperationalError: _database_unavailable,
    CallRefusedError: _refused_by_neighbour,
    httpx2.HTTPError: _neighbour_unavailable,
    PoolTimeout: _database_unavailable,
    Exception: _unexpected,
}
