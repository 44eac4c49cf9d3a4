"""web3.py over the transport."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
from web3 import AsyncWeb3
from web3.exceptions import Web3RPCError

from chains.caip import ChainId
from chains.devnet import anvil
from chains.devnet.artifacts import viem_multicall3
from chains.errors import EndpointUnreachable
from chains.evm import ws_wire
from chains.evm.provider import as_web3_provider, as_web3_socket_provider
from chains.evm.rpc import HttpTransport, TransportLimits
from tests.kit.fault_proxy import SECRET, FaultProxy, fault_proxy, resetting

pytestmark = pytest.mark.devnet

OP = ChainId("eip155:10")
QUICK = TransportLimits(timeout_s=5.0, connect_timeout_s=1.0, backoff_s=0.01)
ABI = [
    {
        "type": "function", "name": "getBlockNumber", "inputs": [], "stateMutability": "view",
        "outputs": [{"name": "", "type": "uint256"}],
    },
]  # fmt: skip


@pytest.fixture(scope="module")
def node() -> Iterator[anvil.Anvil]:
    chain = anvil.start(10)
    yield chain
    chain.stop()


@pytest.fixture
async def proxy(node: anvil.Anvil) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(node.http_url) as made:
        yield made


async def test_contracts_are_read_and_sent_to_without_asking_the_chain_id_each_time(proxy: FaultProxy) -> None:
    async with HttpTransport(OP, [proxy.url], limits=QUICK) as transport:
        w3 = AsyncWeb3(as_web3_provider(transport))
        assert await w3.is_connected()
        sender = (await w3.eth.accounts)[0]
        sent = await w3.eth.send_transaction({"from": sender, "data": viem_multicall3()})
        receipt = await w3.eth.wait_for_transaction_receipt(sent)
        contract = w3.eth.contract(address=receipt["contractAddress"], abi=ABI)
        for _ in range(5):
            assert await contract.functions.getBlockNumber().call() == receipt["blockNumber"]
        assert await w3.eth.chain_id == 10
        assert proxy.seen["eth_chainId"] == 1
        assert proxy.seen["eth_sendTransaction"] == 1


async def test_a_batch_is_one_exchange(proxy: FaultProxy) -> None:
    async with HttpTransport(OP, [proxy.url], limits=QUICK) as transport:
        w3 = AsyncWeb3(as_web3_provider(transport))
        accounts = await w3.eth.accounts
        one_by_one = [await w3.eth.get_balance(account) for account in accounts]
        before = proxy.exchanges
        async with w3.batch_requests() as batch:
            for account in accounts:
                batch.add(w3.eth.get_balance(account))
            assert await batch.async_execute() == one_by_one
        assert proxy.exchanges == before + 1


async def test_errors_of_the_node_are_web3s_and_those_of_endpoints_ours(proxy: FaultProxy) -> None:
    async with HttpTransport(OP, [proxy.url], limits=QUICK) as transport:
        w3 = AsyncWeb3(as_web3_provider(transport))
        with pytest.raises(Web3RPCError):
            await w3.manager.coro_request("eth_nothing", [])  # type: ignore[arg-type]
        proxy.fault = resetting()
        assert not await w3.is_connected()
        with pytest.raises(EndpointUnreachable):
            await w3.eth.block_number


async def test_a_transaction_is_never_sent_twice(proxy: FaultProxy) -> None:
    async with HttpTransport(OP, [proxy.url, proxy.url], limits=QUICK) as transport:
        (accounts,) = await transport.send([("eth_accounts", [])])
        assert isinstance(accounts, list)
        proxy.fault = resetting()
        with pytest.raises(EndpointUnreachable, match="endpoint 1: connection failed"):
            await transport.send([("eth_sendTransaction", [{"from": accounts[0], "to": accounts[1]}])])
        assert proxy.seen["eth_sendTransaction"] == 1
        before = proxy.exchanges
        with pytest.raises(EndpointUnreachable, match="endpoint 2: connection failed"):
            await transport.send([("eth_blockNumber", [])])
        assert proxy.exchanges > before + 1


LOGGING = "0x600760006000a1"
"""Creation code that logs one topic and ends: PUSH1 7, PUSH1 0, PUSH1 0, LOG1."""


async def test_subscriptions_go_on_at_another_endpoint_under_the_same_id(
    node: anvil.Anvil, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        fault_proxy(node.http_url) as first,
        fault_proxy(node.http_url) as second,
        HttpTransport(OP, [first.ws_url, second.ws_url], limits=QUICK) as transport,
        AsyncWeb3(as_web3_socket_provider(transport)) as w3,
    ):
        heads = await w3.eth.subscribe("newHeads")
        logs = await w3.eth.subscribe("logs", {"topics": ["0x" + f"{7:064x}"]})
        told = w3.socket.process_subscriptions()

        async def hears() -> dict[str, int]:
            """Blocks by the subscription that told them, of one transaction that logs."""
            sender = (await w3.eth.accounts)[0]
            receipt = await w3.eth.wait_for_transaction_receipt(
                await w3.eth.send_transaction({"from": sender, "data": LOGGING, "gas": 100_000})
            )
            found: dict[str, int] = {}
            async with asyncio.timeout(10):
                while found != dict.fromkeys((heads, logs), receipt["blockNumber"]):
                    item = await anext(told)
                    result = item["result"]
                    found[item["subscription"]] = result.get("number", result.get("blockNumber"))
            return found

        async with asyncio.timeout(10):
            while first.seen["eth_subscribe"] < 2:
                await asyncio.sleep(0.01)
        assert set(await hears()) == {heads, logs}
        await first.die()
        first.drop_sockets()
        async with asyncio.timeout(10):
            while second.seen["eth_subscribe"] < 2:
                await asyncio.sleep(0.01)
        assert set(await hears()) == {heads, logs}
        assert await w3.eth.chain_id == 10
        assert await w3.eth.unsubscribe(heads)
    said = [r.getMessage() for r in caplog.records if r.name.startswith(("chains", "web3"))]
    assert len(said) > 10
    assert not [line for line in said if SECRET in line]


async def test_what_comes_after_the_end_of_a_subscription_costs_no_connection(
    node: anvil.Anvil, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ws_wire, "_QUEUE", 3)
    async with (
        HttpTransport(OP, [proxy.ws_url], limits=QUICK) as transport,
        AsyncWeb3(as_web3_socket_provider(transport)) as w3,
    ):
        heads = await w3.eth.subscribe("newHeads")
        async with asyncio.timeout(10):
            while not proxy.seen["eth_subscribe"]:
                await asyncio.sleep(0.01)
        assert await w3.eth.unsubscribe(heads)
        for _ in range(8):
            anvil.rpc(node.http_url, "anvil_mine", "0x1")
        await asyncio.sleep(0.2)
        assert await w3.eth.block_number == int(anvil.rpc(node.http_url, "eth_blockNumber"), 16)
        assert proxy.seen["eth_chainId"] == 1  # proved once per connection


async def test_without_a_socket_there_is_nothing_to_subscribe_to(proxy: FaultProxy) -> None:
    async with HttpTransport(OP, [proxy.url], limits=QUICK) as transport:
        with pytest.raises(EndpointUnreachable, match="no WebSocket endpoint"):
            async with AsyncWeb3(as_web3_socket_provider(transport)):
                pass
