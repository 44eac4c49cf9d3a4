from typing import Any

import pytest
from eth_abi.abi import decode, encode

from chains.caip import Address, ChainId
from chains.errors import BadAnswer, BlockUnavailable, NoContractCode, WrongChainId
from chains.evm.client import EvmClient
from chains.evm.multicall import MULTICALL3, decode_aggregate3, encode_aggregate3
from chains.evm.rpc import RpcFault
from chains.types import Call, CallResult, Finality, LogFilter
from tests.kit.transport import FakeTransport, a_block, block_fields, fake_chain, word

OP = ChainId("eip155:10")
AT = a_block(OP, 5, 1000)
TOKEN = Address("0x" + "11" * 20)
CALLS = [Call(TOKEN, b"\x01\x02\x03\x04"), Call(TOKEN, b""), Call(TOKEN, bytes(range(64)))]


def chain(**methods: Any) -> FakeTransport:
    return FakeTransport({name: (lambda p, v=v: v(p) if callable(v) else v) for name, v in methods.items()})


def client(transport: FakeTransport) -> EvmClient:
    return EvmClient(OP, transport, lag_pauses_s=())


def multicall(answer: Any) -> Any:
    """eth_call of a node whose contracts answer by a function of the calldata."""

    def call(params: list[Any]) -> object:
        (items,) = decode(["(address,bool,bytes)[]"], bytes.fromhex(params[0]["data"][10:]))
        results = [answer(data) for _, _, data in items]
        return "0x" + encode(["(bool,bytes)[]"], [results]).hex()

    return call


def test_calldata_equals_the_general_codec() -> None:
    general = encode(["(address,bool,bytes)[]"], [[(call.to, True, call.data) for call in CALLS]])
    assert encode_aggregate3(CALLS) == bytes.fromhex("82ad56cb") + general


def test_answers_equal_the_general_codec() -> None:
    results = [(True, b"\x05"), (False, b""), (True, bytes(77))]
    data = encode(["(bool,bytes)[]"], [results])
    assert decode_aggregate3(data, 3) == tuple(CallResult(*result) for result in results)


@pytest.mark.parametrize("size", [0, 31, 64, 100, 200, 300, 383])
def test_a_cut_answer_is_refused_with_its_size(size: int) -> None:
    data = encode(["(bool,bytes)[]"], [[(True, bytes(32)), (True, bytes(32))]])
    with pytest.raises(BadAnswer, match=f"{size} bytes"):
        decode_aggregate3(data[:size], 2)


def test_an_answer_for_another_number_of_calls_is_refused() -> None:
    with pytest.raises(BadAnswer, match=r"asked 2 calls, answer of .* holds 1"):
        decode_aggregate3(encode(["(bool,bytes)[]"], [[(True, b"")]]), 2)


async def test_calls_go_to_the_block_hash_and_come_back_in_order() -> None:
    transport = chain(eth_call=multicall(lambda data: (len(data) != 0, data[::-1])))
    results = await client(transport).call(CALLS, AT)
    assert results == tuple(CallResult(len(c.data) != 0, c.data[::-1]) for c in CALLS)
    ((_, params),) = transport.sent[0]
    assert params[1] == {"blockHash": AT.hash, "requireCanonical": True}
    assert params[0]["to"] == MULTICALL3  # type: ignore[index]


async def test_many_calls_go_in_chunks_of_one_exchange() -> None:
    transport = chain(eth_call=multicall(lambda data: (True, data)))
    calls = [Call(TOKEN, i.to_bytes(4)) for i in range(450)]
    assert [r.data for r in await client(transport).call(calls, AT)] == [c.data for c in calls]
    assert [len(requests) for requests in transport.sent] == [3]


async def test_a_chunk_that_runs_out_of_gas_is_asked_in_halves() -> None:
    inner = multicall(lambda data: (True, data))

    def hungry(params: list[Any]) -> object:
        return RpcFault(-32000, "out of gas") if len(params[0]["data"]) > 3000 else inner(params)

    calls = [Call(TOKEN, i.to_bytes(4)) for i in range(100)]
    assert [r.data for r in await client(chain(eth_call=hungry)).call(calls, AT)] == [c.data for c in calls]


async def test_calls_starved_by_a_greedy_neighbour_are_asked_again() -> None:
    def call(params: list[Any]) -> object:
        (items,) = decode(["(address,bool,bytes)[]"], bytes.fromhex(params[0]["data"][10:]))
        fits = len(items) <= 20
        return "0x" + encode(["(bool,bytes)[]"], [[(fits, data if fits else b"") for _, _, data in items]]).hex()

    calls = [Call(TOKEN, i.to_bytes(4)) for i in range(30)]
    assert [r.data for r in await client(chain(eth_call=call)).call(calls, AT)] == [c.data for c in calls]


async def test_a_revert_of_a_lone_chunk_is_a_value() -> None:
    transport = chain(eth_call=RpcFault(3, "execution reverted", "0xdead"))
    assert await client(transport).call(CALLS[:1], AT) == (CallResult(False, b"\xde\xad"),)


@pytest.mark.parametrize(
    "fault",
    [
        RpcFault(-32001, "Resource not found"),
        RpcFault(-32000, "header not found"),
        RpcFault(-32000, "hash is not currently canonical"),
        RpcFault(-32000, "missing trie node abc (path )"),
    ],
)
async def test_an_unknown_hash_is_block_unavailable(fault: RpcFault) -> None:
    with pytest.raises(BlockUnavailable, match=f"block 5 .{AT.hash}. is not known"):
        await client(chain(eth_call=fault)).call(CALLS, AT)


async def test_a_hash_that_the_node_learns_late_is_asked_again() -> None:
    faults = [RpcFault(-32000, "header not found")]
    inner = multicall(lambda data: (True, data))
    transport = chain(eth_call=lambda p: faults.pop() if faults else inner(p))
    assert len(await EvmClient(OP, transport, lag_pauses_s=(0.001,)).call(CALLS, AT)) == 3


async def test_a_refusal_of_the_endpoint_is_not_a_revert() -> None:
    with pytest.raises(BadAnswer, match="eth_call failed with code -32601: Method not found"):
        await client(chain()).call(CALLS[:1], AT)


async def test_no_multicall3_at_the_block_is_no_contract_code() -> None:
    with pytest.raises(NoContractCode, match=f"eip155:10: no code at multicall3 {MULTICALL3} at block 5"):
        await client(chain(eth_call="0x")).call(CALLS, AT)


@pytest.mark.parametrize("answer", ["0x123", "zz", 5, None, "0xzz"])
async def test_return_data_that_is_no_hex_is_refused(answer: object) -> None:
    with pytest.raises(BadAnswer, match="expected 0x and whole bytes"):
        await client(chain(eth_call=answer)).call(CALLS, AT)


async def test_no_calls_ask_nothing() -> None:
    transport = chain()
    assert await client(transport).call([], AT) == ()
    assert transport.sent == []


async def test_head_is_the_block_at_the_tag() -> None:
    transport = fake_chain(OP, [10, 20, 30])
    assert await client(transport).head(Finality.SAFE) == a_block(OP, 2, 30, Finality.SAFE)
    assert transport.sent == [[("eth_getBlockByNumber", ["safe", False])]]


async def test_a_tag_without_a_block_is_block_unavailable() -> None:
    with pytest.raises(BlockUnavailable, match="finalized block is not known"):
        await client(chain(eth_getBlockByNumber=lambda _: None)).head(Finality.FINALIZED)


@pytest.mark.parametrize("field", ["number", "hash", "parentHash", "timestamp"])
@pytest.mark.parametrize("value", [None, "0x", "12", "0xzz", 3])
async def test_a_block_with_a_bad_field_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(BadAnswer, match=f"field {field} is"):
        await client(chain(eth_getBlockByNumber={**block_fields(1, 2), field: value})).head(Finality.LATEST)


async def test_verify_names_both_chain_ids() -> None:
    with pytest.raises(WrongChainId, match="configured as eip155:10 but serves eip155:8453"):
        await client(chain(eth_chainId="0x2105", eth_getCode="0x60")).verify()


async def test_verify_wants_code_at_multicall3() -> None:
    with pytest.raises(NoContractCode, match=MULTICALL3):
        await client(chain(eth_chainId="0xa", eth_getCode="0x")).verify()
    await client(chain(eth_chainId="0xa", eth_getCode="0x60")).verify()


def a_log(block: int, index: int) -> dict[str, object]:
    return {
        "address": TOKEN, "topics": [word(7)], "data": "0x01", "blockNumber": hex(block),
        "blockHash": word(block), "transactionHash": word(99), "logIndex": hex(index),
    }  # fmt: skip


async def test_logs_come_in_chain_order_and_a_wide_range_is_halved() -> None:
    def logs(params: list[Any]) -> object:
        first, last = int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)
        if last - first > 3:
            return RpcFault(-32005, "query returned more than 10000 results")
        return [a_log(block, index) for block in range(last, first - 1, -1) for index in (1, 0)]

    found = await client(chain(eth_getLogs=logs)).logs(LogFilter(0, 9, (TOKEN,), ((bytes(32),), None)))
    assert [(log.block_number, log.log_index) for log in found] == [(b, i) for b in range(10) for i in (0, 1)]
    assert found[0].topics == (bytes.fromhex(word(7)[2:]),)


async def test_a_log_query_that_fails_is_no_empty_answer() -> None:
    with pytest.raises(BadAnswer, match="eth_getLogs failed with code -32000"):
        await client(chain(eth_getLogs=RpcFault(-32000, "internal"))).logs(LogFilter(0, 9, ()))
