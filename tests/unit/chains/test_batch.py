"""Reads by key: what they answer and what they raise."""

import pytest
from eth_abi.abi import encode

from chains.caip import Address, ChainId
from chains.errors import BadAnswer, Reverted
from chains.evm.abi import Function
from chains.evm.batch import Batch, NoCode, UnknownMode, reason_code
from chains.types import CallResult
from tests.kit.transport import FakeChainClient, a_block

CHAIN = ChainId("eip155:1")
TO = Address("0x" + "11" * 20)
PAIR = Function("pair(uint256)", "(uint256,bool)")
AT = a_block(CHAIN, 1, 1)


async def asked(results: dict[int, CallResult]) -> tuple[Batch, FakeChainClient]:
    client, batch = FakeChainClient(CHAIN), Batch()
    for number, result in results.items():
        client.answers[TO, PAIR.call(TO, number).data] = result
        batch.ask(("pair", number), PAIR, TO, number)
    await batch.run(client, AT)
    return batch, client


async def test_answers_come_by_key() -> None:
    results = {n: CallResult(True, encode(["uint256", "bool"], [n, True])) for n in (7, 8)}
    batch, _ = await asked(results)
    assert batch.values(("pair", 8)) == (8, True)
    assert batch.value(("pair", 7)) == 7
    assert batch.answered(("pair", 7))


async def test_a_key_is_asked_once() -> None:
    client, batch = FakeChainClient(CHAIN), Batch()
    for _ in range(3):
        batch.ask("same", PAIR, TO, 1)
    await batch.run(client, AT)
    assert len(client.asked) == 1


@pytest.mark.parametrize(
    ("result", "kind", "reason"),
    [
        (CallResult(False, b""), Reverted, "reverted"),
        (CallResult(True, b""), NoCode, "no_code"),
        (CallResult(True, b"\x01" * 31), BadAnswer, "undecodable"),
    ],
)
async def test_failures_have_their_reason(result: CallResult, kind: type[BadAnswer], reason: str) -> None:
    batch, _ = await asked({1: result})
    assert not batch.answered(("pair", 1))
    with pytest.raises(kind) as caught:
        batch.values(("pair", 1))
    assert reason_code(caught.value) == reason


async def test_what_was_never_asked_is_no_answer() -> None:
    batch, _ = await asked({})
    assert not batch.answered("other")
    with pytest.raises(BadAnswer, match="was not asked"):
        batch.result("other")


def test_an_unknown_mode_is_named() -> None:
    assert reason_code(UnknownMode("new")) == "unknown_mode"
