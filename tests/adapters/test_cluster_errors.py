"""What the API answers of an object that is not there, and of a kind that it has never heard of."""

import httpx2
import pytest
from lightkube.core.exceptions import ApiError

from catalyx_dr.adapters.cluster import if_there
from catalyx_dr.model.errors import RefusedError, UnreachableError

_REQUEST = httpx2.Request("GET", "https://cluster.example/apis/velero.io/v1/schedules")


def plain(code: int) -> httpx2.HTTPStatusError:
    """An answer in plain text, as the client library tells it."""
    return httpx2.HTTPStatusError("plain", request=_REQUEST, response=httpx2.Response(code, text="page not found"))


def of_the_api(code: int) -> ApiError:
    """An answer of the API itself."""
    status = {"kind": "Status", "code": code, "message": "told so", "reason": "R", "status": "Failure"}
    return ApiError(request=_REQUEST, response=httpx2.Response(code, json=status))


def answering(error: Exception) -> str | None:
    def ask() -> str:
        raise error

    return if_there("list Schedule", ask)


def test_what_is_found_is_given_back() -> None:
    assert if_there("list Schedule", lambda: "found") == "found"


@pytest.mark.parametrize("error", [plain(404), of_the_api(404)], ids=["unknown kind", "no such object"])
def test_what_is_not_there_is_nothing(error: Exception) -> None:
    assert answering(error) is None


@pytest.mark.parametrize("error", [plain(503), of_the_api(503)], ids=["plain", "of the API"])
def test_a_cluster_that_cannot_answer_is_unreachable(error: Exception) -> None:
    with pytest.raises(UnreachableError, match="could not list Schedule: the Kubernetes API answered 503"):
        answering(error)


def test_what_is_forbidden_is_refused() -> None:
    with pytest.raises(RefusedError, match="not allowed to list Schedule: told so"):
        answering(of_the_api(403))
