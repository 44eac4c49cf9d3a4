"""The client against a lone anvil over real sockets."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from eth_utils.address import to_checksum_address

from chains.caip import Address, ChainId
from chains.cut import cut
from chains.devnet import anvil
from chains.devnet.artifacts import viem_multicall3
from chains.errors import BadAnswer, BlockUnavailable, EndpointUnreachable, NoContractCode, Reverted, WrongChainId
from chains.evm.abi import Function
from chains.evm.client import EvmClient
from chains.evm.multicall import MULTICALL3
from chains.evm.rpc import HttpTransport, TransportLimits
from chains.types import BlockRef, Call, Finality, LogFilter
from tests.kit.transport import a_block

pytestmark = pytest.mark.devnet

OP = ChainId("eip155:10")
BALANCE = Function("getEthBalance(address)", "(uint256)")
NUMBER = Function("getBlockNumber()", "(uint256)")
QUICK = TransportLimits(timeout_s=5.0, connect_timeout_s=1.0, backoff_s=0.01)


@pytest.fixture(scope="module")
def node() -> Iterator[anvil.Anvil]:
    chain = anvil.start(10)
    try:
        url = chain.http_url
        sender = anvil.rpc(url, "eth_accounts")[0]
        creation = {"from": sender, "data": viem_multicall3(), "gas": "0x1000000"}
        receipt = anvil.rpc(url, "eth_sendTransactionSync", creation)
        code = anvil.rpc(url, "eth_getCode", receipt["contractAddress"], "latest")
        anvil.rpc(url, "anvil_setCode", MULTICALL3, code)
        yield chain
    finally:
        chain.stop()


@pytest.fixture
async def client(node: anvil.Anvil) -> AsyncIterator[EvmClient]:
    async with HttpTransport(OP, [node.http_url]) as transport:
        yield EvmClient(OP, transport, lag_pauses_s=())


def owner(node: anvil.Anvil) -> Address:
    return Address(to_checksum_address(anvil.rpc(node.http_url, "eth_accounts")[1]))


async def pay(node: anvil.Anvil, client: EvmClient, account: Address) -> BlockRef:
    """One more transfer of 111 wei and its block (anvil_setBalance would change the block before it too)."""
    sender = anvil.rpc(node.http_url, "eth_accounts")[0]
    anvil.rpc(node.http_url, "eth_sendTransactionSync", {"from": sender, "to": account, "value": hex(111)})
    return await client.head(Finality.LATEST)


async def test_values_are_those_of_the_pinned_block(node: anvil.Anvil, client: EvmClient) -> None:
    await client.verify()
    account = Address("0x" + "77" * 20)
    before = await pay(node, client, account)
    after = await pay(node, client, account)
    calls = [BALANCE.call(MULTICALL3, account), NUMBER.call(MULTICALL3)] * 150
    for block, balance in ((before, 111), (after, 222)):
        results = await client.call(calls, block)
        assert {BALANCE.decode(result) for result in results[::2]} == {(balance,)}
        assert {NUMBER.decode(result) for result in results[1::2]} == {(block.number,)}
    assert (await client.blocks([before.number], Finality.LATEST)) == (before,)
    assert after.parent_hash == before.hash


async def test_a_failing_call_is_its_own_and_leaves_its_neighbours(node: anvil.Anvil, client: EvmClient) -> None:
    at = await client.head(Finality.LATEST)
    nobody = owner(node)
    missing = Function("nothing()", "(uint256)")
    calls = [missing.call(MULTICALL3), NUMBER.call(MULTICALL3), missing.call(nobody), Call(MULTICALL3, b"\x01")]
    reverted, right, empty, short = await client.call(calls, at)
    assert NUMBER.decode(right) == (at.number,)
    with pytest.raises(Reverted, match="nothing: reverted"):
        missing.decode(reverted)
    with pytest.raises(BadAnswer, match="0 bytes returned"):
        missing.decode(empty)
    assert not short.success


async def test_an_unknown_block_hash_is_block_unavailable(client: EvmClient) -> None:
    with pytest.raises(BlockUnavailable, match="block 7 "):
        await client.call([NUMBER.call(MULTICALL3)], a_block(OP, 7, 0))


async def test_another_chain_id_is_refused(node: anvil.Anvil) -> None:
    other = ChainId("eip155:42161")
    async with HttpTransport(other, [node.http_url], limits=QUICK) as transport:
        with pytest.raises(WrongChainId, match="configured as eip155:42161 but serves eip155:10"):
            await EvmClient(other, transport).verify()


async def test_a_missing_multicall3_is_refused(node: anvil.Anvil) -> None:
    async with HttpTransport(OP, [node.http_url], limits=QUICK) as transport:
        lost = EvmClient(OP, transport, Address("0x" + "ab" * 20))
        with pytest.raises(NoContractCode, match="no code at multicall3"):
            await lost.verify()
        with pytest.raises(NoContractCode, match="no code at multicall3"):
            await lost.call([NUMBER.call(MULTICALL3)], await lost.head(Finality.LATEST))


async def test_a_dead_endpoint_fails_over(node: anvil.Anvil) -> None:
    dead = f"http://127.0.0.1:{anvil.free_port()}"
    async with HttpTransport(OP, [dead, node.http_url], limits=QUICK) as transport:
        assert (await EvmClient(OP, transport).head(Finality.LATEST)).chain == OP
    async with HttpTransport(OP, [dead], limits=QUICK) as transport:
        with pytest.raises(EndpointUnreachable) as caught:
            await EvmClient(OP, transport).head(Finality.LATEST)
    assert str(caught.value) == "eip155:10 endpoint 1: connection failed (ECONNREFUSED)"


async def test_a_session_of_the_caller_stays_open(node: anvil.Anvil) -> None:
    async with aiohttp.ClientSession() as session:
        async with HttpTransport(OP, [node.http_url], session=session) as transport:
            assert await transport.send([("eth_chainId", [])]) == ["0xa"]
        assert not session.closed


async def test_logs_carry_their_block(node: anvil.Anvil, client: EvmClient) -> None:
    # creation code that logs one topic and ends: PUSH1 7, PUSH1 0, PUSH1 0, LOG1
    sender = anvil.rpc(node.http_url, "eth_accounts")[0]
    creation = {"from": sender, "data": "0x600760006000a1", "gas": "0x100000"}
    receipt = anvil.rpc(node.http_url, "eth_sendTransactionSync", creation)
    number = int(receipt["blockNumber"], 16)
    (log,) = await client.logs(LogFilter(0, number, (), (((7).to_bytes(32),),)))
    assert (log.block_number, log.block_hash) == (number, receipt["blockHash"])
    assert log.address == to_checksum_address(receipt["contractAddress"])


async def test_the_cut_marks_the_chain_that_is_down(node: anvil.Anvil, client: EvmClient) -> None:
    down = ChainId("eip155:8453")
    async with HttpTransport(down, [f"http://127.0.0.1:{anvil.free_port()}"], limits=QUICK) as transport:
        head = await client.head(Finality.LATEST)
        found = await cut({OP: client, down: EvmClient(down, transport)}, Finality.LATEST, head.timestamp + 5)
    assert found.blocks == {OP: head}
    assert found.failures == {down: "eip155:8453 endpoint 1: connection failed (ECONNREFUSED)"}
