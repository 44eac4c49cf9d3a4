import pytest

from chains.caip import Address, chain_id
from chains.errors import BadAnswer, BlockUnavailable
from chains.evm.client import EvmClient
from chains.types import Finality, LogFilter
from tests.kit.transport import FakeTransport, a_block, block_fields, word

CHAIN = chain_id(1)
EMITTER = Address("0x" + "11" * 20)
WANTED = LogFilter(3, 5, (EMITTER,), ())
ENDS = (a_block(CHAIN, 3, 0), a_block(CHAIN, 5, 0))


def a_log(number: int, block_hash: str) -> dict[str, object]:
    return {
        "address": EMITTER, "topics": [word(1)], "data": "0x", "blockNumber": hex(number), "blockHash": block_hash,
        "transactionHash": word(7), "logIndex": "0x0",
    }  # fmt: skip


def client(logs: list[object], *, known: int = 9, other_hash_at: int | None = None) -> EvmClient:
    def block(params: list[object]) -> object:
        number = int(str(params[0]), 16)
        fields = block_fields(number, number)
        if number == other_hash_at:
            fields["hash"] = word(999)
        return fields if number <= known else None

    return EvmClient(CHAIN, FakeTransport({"eth_getBlockByNumber": block, "eth_getLogs": lambda _: logs}))


async def test_logs_come_with_their_ends_proven_in_one_exchange():
    one = client([a_log(4, word(5))])
    assert [log.block_number for log in await one.logs_between(WANTED, ENDS)] == [4]
    (asked,) = one._transport.sent
    assert [method for method, _ in asked] == ["eth_getLogs", "eth_getBlockByNumber", "eth_getBlockByNumber"]


@pytest.mark.parametrize("end", [3, 5])
async def test_another_block_at_an_end_is_no_answer(end):
    with pytest.raises(BlockUnavailable, match=f"block {end}"):
        await client([], other_hash_at=end).logs_between(WANTED, ENDS)


async def test_an_endpoint_that_lags_gives_no_empty_answer():
    with pytest.raises(BlockUnavailable, match="block 5 is not known"):
        await client([], known=4).logs_between(WANTED, ENDS)


async def test_logs_of_another_fork_are_refused():
    with pytest.raises(BlockUnavailable, match="another fork"):
        await client([a_log(5, word(999))]).logs_between(WANTED, ENDS)


async def test_logs_outside_of_the_range_are_refused():
    with pytest.raises(BadAnswer, match="outside"):
        await client([a_log(6, word(7))]).logs_between(WANTED, ENDS)


async def test_known_says_none_where_the_chain_has_no_block():
    found = await client([], known=4).known([4, 5], Finality.LATEST)
    assert found[0] is not None
    assert found[1] is None
