"""Handles of contracts survive the way through JSON."""

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from chains.deployments import TwapPool
from chains.devnet.handles import CannotKeep, Reader, Writer
from chains.devnet.lyra import OptionType
from chains.devnet.uniswap import Pool


class NoContext:
    """A chain context whose deployer makes readable contracts."""

    class deployer:  # noqa: N801
        @staticmethod
        def at(address: str, abi: Any) -> tuple[str, Any]:
            return address, abi


def back(value: Any) -> Any:
    writer = Writer()
    text = json.dumps(writer.plain(value))
    return Reader(NoContext(), writer.abis).value(json.loads(text))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [
        None, True, 7, "text", 2**256, b"\x00\xff", Decimal("0.10"), [1, [2]], (1, ("a",)), {1: "a", "b": (2,)},
        {("ETH", 10): [Decimal(1)]}, OptionType.SHORT_PUT_QUOTE,
    ],
)  # fmt: skip
def test_values_come_back(value: Any) -> None:
    assert back(value) == value
    assert type(back(value)) is type(value)


def test_dataclasses_come_back_by_name() -> None:
    pool = Pool(None, TwapPool("ETH", "USDC", "0x1", True, 18, 6, 60), "0x2", "0x3")  # type: ignore[arg-type]
    assert back(pool) == pool


def test_types_of_others_are_not_made() -> None:
    with pytest.raises(CannotKeep, match="only types of chains"):
        Reader(NoContext(), {}).value({"@": "data", "type": "os:system", "fields": {}})  # type: ignore[arg-type]


@dataclass
class _Holder:
    item: Any = field(default_factory=object)


def test_what_cannot_be_kept_is_named() -> None:
    with pytest.raises(CannotKeep, match=r"world\.item: no written form for object"):
        Writer().plain(_Holder())
