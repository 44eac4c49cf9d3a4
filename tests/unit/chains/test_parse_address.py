"""A mistyped address is refused: an address with capitals carries a checksum that must be right."""

import pytest

from chains.caip import parse_address
from chains.errors import InvalidId

# EIP-55's own example.
RIGHT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


@pytest.mark.parametrize("text", [RIGHT, RIGHT.lower(), "0x" + RIGHT[2:].upper()])
def test_right_forms_give_the_checksummed_one(text: str) -> None:
    assert parse_address(text) == RIGHT


@pytest.mark.parametrize(
    "text", [RIGHT[:-1] + "e", RIGHT[:-1], RIGHT + "0", RIGHT[2:], "0x", "", "0X" + RIGHT[2:]]
)
def test_wrong_forms_are_refused(text: str) -> None:
    with pytest.raises(InvalidId, match="owner: expected 0x and 40 hex digits"):
        parse_address(text, "owner")
