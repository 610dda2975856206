"""age recipients (public keys): a slip of the pen is found by their own checksum, before one is encrypted to."""

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

_LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
# The prefix `age` as the checksum counts it: high bits, a zero, low bits.
_PREFIX = (*(ord(letter) >> 5 for letter in "age"), 0, *(ord(letter) & 31 for letter in "age"))


def check_recipient(text: str) -> str:
    """Return `text` when its checksum fits (Bech32, BIP 173); raise ValueError otherwise."""
    checksum = 1
    for value in (*_PREFIX, *(_LETTERS.find(letter) for letter in text.removeprefix("age1"))):
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for place, number in enumerate(_GENERATOR):
            checksum ^= number if top >> place & 1 else 0
    if checksum != 1:
        raise ValueError(f"{text!r} is no age recipient: a letter is wrong; copy it again from age-keygen's output")
    return text


AgeRecipient = Annotated[str, StringConstraints(pattern=r"^age1[0-9a-z]{58}$"), AfterValidator(check_recipient)]
