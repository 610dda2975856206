"""Sizes and rates as settings accept them: no room that holds nothing, no rate at which nothing ends."""

from typing import Annotated

from pydantic import AfterValidator

from catalyx_dr.model.quantity import Quantity

SLOWEST = Quantity(64 * 1024)


def _check_rate(rate: Quantity) -> Quantity:
    if rate < SLOWEST:
        raise ValueError(f"{str(rate)!r} a second would never end; allowed: {SLOWEST} or more, for example 50Mi")
    return rate


def _check_room(room: Quantity) -> Quantity:
    if not room.bytes:
        raise ValueError(f"{str(room)!r} is no room at all; write for example 10Gi, or leave it out")
    return room


Rate = Annotated[Quantity, AfterValidator(_check_rate)]


Room = Annotated[Quantity, AfterValidator(_check_room)]
