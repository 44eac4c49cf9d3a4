"""Heads and logs as they happen, over a real socket that is cut, silenced and refused."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator

import msgspec
import pytest

from chains.caip import ChainId
from chains.devnet import anvil
from chains.errors import WrongChainId
from chains.evm.client import EvmClient
from chains.evm.rpc import HttpTransport, TransportLimits
from chains.evm.subscribe import Gap, events, heads
from chains.types import BlockRef
from tests.kit.fault_proxy import SECRET, FaultProxy, fault_proxy, wrong_chain

pytestmark = pytest.mark.devnet

OP = ChainId("eip155:10")
QUICK = TransportLimits(timeout_s=2.0, connect_timeout_s=1.0, backoff_s=0.01, open_s=0.05, open_cap_s=0.2)


@pytest.fixture(scope="module")
def node() -> Iterator[anvil.Anvil]:
    chain = anvil.start(10)
    yield chain
    chain.stop()


@pytest.fixture
async def proxy(node: anvil.Anvil) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(node.http_url) as made:
        yield made


def mine(node: anvil.Anvil, blocks: int = 1) -> None:
    anvil.rpc(node.http_url, "anvil_mine", hex(blocks))


async def following(stream: AsyncIterator[BlockRef]) -> BlockRef:
    async with asyncio.timeout(5):
        return await anext(stream)


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not done():
            await asyncio.sleep(0.01)


async def test_a_head_arrives_without_being_asked_for(node: anvil.Anvil, proxy: FaultProxy) -> None:
    async with HttpTransport(OP, [proxy.url, proxy.ws_url], limits=QUICK) as transport:
        client = EvmClient(OP, transport)
        stream = heads(client, transport, poll_s=0.05, silence_s=60)
        await following(stream)
        await until(lambda: proxy.seen["eth_subscribe"] == 1)
        mine(node)
        first = await following(stream)
        asked = proxy.seen["eth_getBlockByNumber"]
        waiting = asyncio.create_task(following(stream))
        await asyncio.sleep(0.1)
        mine(node)
        second = await waiting
        assert (second.number, second.parent_hash) == (first.number + 1, first.hash)
        assert proxy.seen["eth_getBlockByNumber"] == asked
        await stream.aclose()  # type: ignore[attr-defined]


async def test_a_cut_socket_is_bridged_by_asking_and_said_once(
    node: anvil.Anvil, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with HttpTransport(OP, [proxy.url, proxy.ws_url], limits=QUICK) as transport:
        stream = heads(EvmClient(OP, transport), transport, poll_s=0.05, silence_s=60)
        first = await following(stream)
        await until(lambda: proxy.seen["eth_subscribe"] == 1)
        await asyncio.sleep(0.1)
        proxy.refuse_sockets = True
        proxy.drop_sockets()
        for step in (1, 2):
            mine(node)
            assert (await following(stream)).number == first.number + step
        proxy.heal()
        mine(node)
        assert (await following(stream)).number == first.number + 3
        await until(lambda: "works again" in caplog.text and proxy.seen["eth_subscribe"] == 2)
        mine(node)
        assert (await following(stream)).number == first.number + 4
        await stream.aclose()  # type: ignore[attr-defined]
    said = [record.getMessage() for record in caplog.records if "subscription" in record.getMessage()]
    assert len([line for line in said if "was cut" in line]) == 1
    assert len([line for line in said if "works again" in line]) == 1
    assert SECRET not in caplog.text


async def test_a_silent_socket_and_a_head_that_went_back_are_found_by_asking(
    node: anvil.Anvil, proxy: FaultProxy
) -> None:
    async with HttpTransport(OP, [proxy.url, proxy.ws_url], limits=QUICK) as transport:
        stream = heads(EvmClient(OP, transport), transport, poll_s=0.05, silence_s=0.3)
        first = await following(stream)
        await asyncio.sleep(0.2)
        proxy.mute = True
        mine(node, 3)
        found = await following(stream)
        assert found.number == first.number + 3
        anvil.rpc(node.http_url, "anvil_rollback", 2)
        assert (await following(stream)).number == first.number + 1
        await stream.aclose()  # type: ignore[attr-defined]


async def test_logs_are_announced_and_every_connection_begins_with_a_gap(
    node: anvil.Anvil, proxy: FaultProxy
) -> None:
    async with HttpTransport(OP, [proxy.ws_url], limits=QUICK) as transport:
        stream = events(OP, transport, ())

        async def item() -> msgspec.Raw | Gap:
            async with asyncio.timeout(5):
                return await anext(stream)

        assert isinstance(await item(), Gap)
        # creation code that logs one topic and ends: PUSH1 7, PUSH1 0, PUSH1 0, LOG1
        sender = anvil.rpc(node.http_url, "eth_accounts")[0]
        creation = {"from": sender, "data": "0x600760006000a1", "gas": "0x100000"}
        anvil.rpc(node.http_url, "eth_sendTransaction", creation)
        told = await item()
        assert isinstance(told, msgspec.Raw)
        assert msgspec.json.decode(told)["topics"] == [f"0x{7:064x}"]
        proxy.drop_sockets()
        assert isinstance(await item(), Gap)
        await stream.aclose()  # type: ignore[attr-defined]


async def test_another_chain_behind_a_new_connection_is_refused(proxy: FaultProxy) -> None:
    async with HttpTransport(OP, [proxy.ws_url], limits=QUICK) as transport:
        (number,) = await transport.send([("eth_blockNumber", [])])
        assert int(str(number), 16) >= 0
        proxy.fault = wrong_chain(1)
        assert await transport.send([("eth_blockNumber", [])]) == [number]
        proxy.drop_sockets()
        with pytest.raises(WrongChainId, match="configured as eip155:10 but serves eip155:1;"):
            await transport.send([("eth_blockNumber", [])])
