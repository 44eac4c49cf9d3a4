"""The fault matrix of the transport: a client over one and over two endpoints while one of them misbehaves.

In each case: no crash, no wrong number, failure and recovery are logged once each, and no URL is ever seen.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from chains.caip import Address, ChainId
from chains.devnet import anvil
from chains.devnet.artifacts import viem_multicall3
from chains.errors import BlockUnavailable, ChainError, EndpointError, EndpointsDisagree, RateLimited, WrongChainId
from chains.evm.abi import Function
from chains.evm.client import EvmClient
from chains.evm.multicall import MULTICALL3
from chains.evm.rpc import HttpTransport, TransportLimits
from chains.types import BlockRef, Finality, LogFilter
from tests.kit import fault_proxy as faults
from tests.kit.fault_proxy import SECRET, Fault, FaultProxy, fault_proxy

pytestmark = pytest.mark.devnet

OP = ChainId("eip155:10")
BALANCE = Function("getEthBalance(address)", "(uint256)")
OWNER = Address("0x" + "77" * 20)
WEI = 123_456_789
QUICK = TransportLimits(
    timeout_s=0.5, connect_timeout_s=0.5, backoff_s=0.01, backoff_cap_s=0.05, open_s=0.05, open_cap_s=0.1,
    hedge_after_s=0.15, rounds=2,
)  # fmt: skip
TWICE = TransportLimits(
    timeout_s=0.5, connect_timeout_s=0.5, backoff_s=0.01, open_s=0.05, open_cap_s=0.1, rounds=2, agree=2
)


@pytest.fixture(scope="module")
def node() -> Iterator[anvil.Anvil]:
    chain = anvil.start(10)
    try:
        url = chain.http_url
        sender = anvil.rpc(url, "eth_accounts")[0]
        creation = {"from": sender, "data": viem_multicall3(), "gas": "0x1000000"}
        receipt = anvil.rpc(url, "eth_sendTransactionSync", creation)
        anvil.rpc(
            url, "anvil_setCode", MULTICALL3, anvil.rpc(url, "eth_getCode", receipt["contractAddress"], "latest")
        )
        anvil.rpc(url, "anvil_setBalance", OWNER, hex(WEI))
        # creation code that logs one topic and ends: PUSH1 7, PUSH1 0, PUSH1 0, LOG1
        for _ in range(3):
            anvil.rpc(
                url, "eth_sendTransactionSync", {"from": sender, "data": "0x600760006000a1", "gas": "0x100000"}
            )
        anvil.rpc(url, "anvil_mine", "0x8", "0x2")
        yield chain
    finally:
        chain.stop()


@asynccontextmanager
async def over(
    *proxies: FaultProxy, limits: TransportLimits = QUICK, sockets: bool = False
) -> AsyncIterator[EvmClient]:
    urls = [proxy.ws_url if sockets else proxy.url for proxy in proxies]
    async with HttpTransport(OP, urls, limits=limits) as transport:
        yield EvmClient(OP, transport, lag_pauses_s=())


@pytest.fixture
async def proxies(node: anvil.Anvil) -> AsyncIterator[tuple[FaultProxy, FaultProxy]]:
    async with fault_proxy(node.http_url) as first, fault_proxy(node.http_url) as second:
        yield first, second


async def balance(client: EvmClient) -> int:
    """The number that must never be wrong, read as the service reads."""
    at = await client.head(Finality.LATEST)
    (result,) = await client.call([BALANCE.call(MULTICALL3, OWNER)], at)
    return int(BALANCE.decode(result)[0])


async def recovered(client: EvmClient, within_s: float = 3.0) -> int:
    async with asyncio.timeout(within_s):
        while True:
            try:
                return await balance(client)
            except ChainError:
                await asyncio.sleep(0.02)


def lines(caplog: pytest.LogCaptureFixture, name: str, part: str) -> list[str]:
    """What the transport said about an endpoint."""
    said = [record.getMessage() for record in caplog.records if record.name.startswith("chains.evm")]
    return [line for line in said if line.startswith(f"{OP} endpoint {name}") and part in line]


MATRIX: dict[str, Callable[[], Fault]] = {
    "reset": faults.resetting,
    "hanging": faults.hanging,
    "wrong chain": faults.wrong_chain,
    "truncated": faults.truncated,
    "html page": faults.html_page,
    "null result": faults.null_results,
    "503": lambda: faults.status(503),
    "401": lambda: faults.status(401),
    "not json-rpc": lambda: faults.status(200, None, '["a"]'),
    "rpc error": lambda: faults.rpc_error(-32603, f"upstream https://node/{SECRET} failed"),
}


@pytest.mark.parametrize("name", MATRIX)
async def test_alone_a_broken_endpoint_gives_no_number_and_recovers(
    name: str, proxies: tuple[FaultProxy, FaultProxy], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    proxy = proxies[0]
    async with over(proxy) as client:
        proxy.fault = MATRIX[name]()
        for _ in range(2):
            with pytest.raises(ChainError) as caught:
                await balance(client)
            assert SECRET not in str(caught.value)
            assert caught.value.__cause__ is None
        proxy.heal()
        assert await recovered(client) == WEI
        assert await balance(client) == WEI
    if name != "rpc error":  # an error of one request is the request's, not the endpoint's
        assert len(lines(caplog, "1", "works again")) == 1
        assert len(lines(caplog, "1", "")) == 2
    assert SECRET not in caplog.text


@pytest.mark.parametrize("name", [name for name in MATRIX if name != "rpc error"])
async def test_beside_a_good_endpoint_a_broken_one_is_not_noticed(
    name: str, proxies: tuple[FaultProxy, FaultProxy], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    broken, good = proxies
    async with over(broken, good) as client:
        assert await balance(client) == WEI
        broken.drop_sockets()
        broken.fault = MATRIX[name]()
        if name == "wrong chain":  # seen at the next connection
            broken.fault = faults.resetting()
            assert await balance(client) == WEI
            broken.fault = faults.wrong_chain()
        for _ in range(4):
            assert await balance(client) == WEI
        broken.heal()
        async with asyncio.timeout(3):
            while not lines(caplog, "1", "works again"):
                assert await balance(client) == WEI
                await asyncio.sleep(0.02)
        good.fault = faults.resetting()
        assert await recovered(client) == WEI
    assert len(lines(caplog, "1", "works again")) == 1
    assert len(lines(caplog, "1", "")) == 2
    assert SECRET not in caplog.text


async def test_a_dead_port_fails_over_and_comes_back(
    proxies: tuple[FaultProxy, FaultProxy], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first, second = proxies
    async with over(first, second) as client:
        await first.die()
        assert await balance(client) == WEI
        assert lines(caplog, "1", "") == [f"{OP} endpoint 1: connection failed (ECONNREFUSED)"]
        await first.revive()
        await second.die()
        assert await recovered(client) == WEI
    assert len(lines(caplog, "1", "works again")) == 1
    assert SECRET not in caplog.text


async def test_a_slow_endpoint_costs_the_hedge_and_no_more(proxies: tuple[FaultProxy, FaultProxy]) -> None:
    slow, good = proxies
    async with over(slow, good) as client:
        await balance(client)
        slow.fault = faults.slow(0.4)
        started = asyncio.get_running_loop().time()
        assert await balance(client) == WEI
        assert asyncio.get_running_loop().time() - started < 0.4


async def test_a_slow_endpoint_alone_is_right(proxies: tuple[FaultProxy, FaultProxy]) -> None:
    proxies[0].fault = faults.slow(0.2)
    async with over(proxies[0]) as client:
        assert await balance(client) == WEI


async def test_too_many_requests_rests_as_long_as_asked(
    proxies: tuple[FaultProxy, FaultProxy], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    limited, good = proxies
    async with over(limited, good) as client:
        limited.fault = faults.too_many_requests(1)
        assert await balance(client) == WEI
        limited.heal()
        asked = limited.exchanges
        assert await balance(client) == WEI
        assert limited.exchanges == asked  # it rests
        await asyncio.sleep(1.0)
        assert await balance(client) == WEI
        assert limited.exchanges > asked
    assert len(lines(caplog, "1", "asks for fewer requests, rests for 1.0 s")) == 1
    assert len(lines(caplog, "1", "accepts requests again")) == 1


@pytest.mark.parametrize(
    "fault", [faults.too_many_requests(), faults.rpc_error(-32005, "rate limit exceeded")], ids=["429", "-32005"]
)
async def test_alone_a_limited_endpoint_is_waited_for(
    fault: Fault, proxies: tuple[FaultProxy, FaultProxy]
) -> None:
    proxy = proxies[0]
    async with over(proxy) as client:
        proxy.fault = fault
        asyncio.get_running_loop().call_later(0.1, proxy.heal)
        assert await balance(client) == WEI
        proxy.fault = fault
        with pytest.raises(RateLimited):
            await balance(client)


async def test_a_lagging_endpoint_is_refused_and_its_logs_never_believed(
    proxies: tuple[FaultProxy, FaultProxy], caplog: pytest.LogCaptureFixture
) -> None:
    lagging, good = proxies
    async with over(lagging, good) as client:
        whole = await client.logs(LogFilter(0, (await client.head(Finality.LATEST)).number, ()))
        assert len(whole) == 3
        async with over(good) as other:
            true_head = await other.head(Finality.LATEST)
        lagging.fault = faults.lagging(9)
        assert await balance(client) == WEI  # the head is behind: the other endpoint knows better from now on
        good.fault = faults.slow(0.01)
        assert (await client.head(Finality.LATEST)).number in (true_head.number, true_head.number - 9)
        assert await client.logs(LogFilter(0, true_head.number, ())) == whole
    async with over(lagging) as alone:
        with pytest.raises(BlockUnavailable):
            await alone.call([BALANCE.call(MULTICALL3, OWNER)], true_head)
        with pytest.raises(BlockUnavailable):
            await alone.logs(LogFilter(0, true_head.number, ()))
    assert SECRET not in caplog.text


async def test_a_head_behind_another_endpoints_is_not_used(proxies: tuple[FaultProxy, FaultProxy]) -> None:
    first, second = proxies
    async with over(first, second) as client:
        first.fault = faults.resetting()
        head = await client.head(Finality.LATEST)  # of the second
        first.fault = faults.lagging(9)
        await asyncio.sleep(0.2)
        for _ in range(5):
            assert await client.head(Finality.LATEST) == head
            await asyncio.sleep(0.05)
        await second.die()
        await asyncio.sleep(0.15)
        with pytest.raises(EndpointError, match=r"endpoint 1: head .* is 9 blocks behind another endpoint's"):
            await client.head(Finality.LATEST)


async def test_an_endpoint_on_another_branch_is_refused(
    node: anvil.Anvil, proxies: tuple[FaultProxy, FaultProxy]
) -> None:
    first, second = proxies
    async with over(first, second) as client:
        first.fault = faults.resetting()
        head = await client.head(Finality.LATEST)
        first.fault = faults.forked(head.number - 2)
        await asyncio.sleep(0.2)
        for _ in range(5):
            assert await client.head(Finality.LATEST) == head
            await asyncio.sleep(0.05)
    async with over(first) as alone:
        lost = await alone.head(Finality.LATEST)
    assert lost.hash != head.hash
    async with over(first, second) as client:  # whoever believed the branch gets no number for it
        with pytest.raises(BlockUnavailable):
            await client.call([BALANCE.call(MULTICALL3, OWNER)], lost)


async def test_endpoints_that_must_agree_give_no_number_when_they_differ(
    proxies: tuple[FaultProxy, FaultProxy], caplog: pytest.LogCaptureFixture
) -> None:
    honest, liar = proxies
    async with over(liar, honest, limits=TWICE) as client:
        assert await balance(client) == WEI
        liar.fault = faults.other_values()
        with pytest.raises(EndpointsDisagree, match="2 endpoints, 2 must agree: they answer 1 of 1 reads"):
            await balance(client)
        liar.heal()
        assert await balance(client) == WEI
    assert SECRET not in caplog.text


async def test_of_three_endpoints_two_outvote_a_liar(
    node: anvil.Anvil, proxies: tuple[FaultProxy, FaultProxy]
) -> None:
    liar, honest = proxies
    liar.fault = faults.other_values()
    async with fault_proxy(node.http_url) as third, over(liar, honest, third, limits=TWICE) as client:
        assert await balance(client) == WEI


async def test_a_node_that_says_null_to_everything_but_the_head_gives_no_number(
    proxies: tuple[FaultProxy, FaultProxy],
) -> None:
    proxies[0].fault = faults.null_results("eth_call", "eth_getLogs")
    async with over(proxies[0]) as client:
        with pytest.raises(EndpointError, match="eth_call answered null"):
            await balance(client)
    async with over(*proxies) as client:
        assert await balance(client) == WEI


async def test_a_narrow_log_range_and_a_small_batch_are_learned(node: anvil.Anvil) -> None:
    def narrow(asked: faults.Item, got: faults.Item) -> faults.Item:
        query = asked["params"][0] if asked["method"] == "eth_getLogs" else {}
        if query and int(query["toBlock"], 16) - int(query["fromBlock"], 16) >= 3:
            error = {"code": -32005, "message": "query exceeds max block range 3"}
            return {"jsonrpc": "2.0", "id": got["id"], "error": error}
        return got

    async with fault_proxy(node.http_url) as proxy, over(proxy) as client:
        head: BlockRef = await client.head(Finality.LATEST)
        whole = await client.logs(LogFilter(0, head.number, ()))
        proxy.fault = faults.by_item(narrow)
        assert await client.logs(LogFilter(0, head.number, ())) == whole
        proxy.seen.clear()
        assert await client.logs(LogFilter(0, head.number, ())) == whole
        assert proxy.seen["eth_getLogs"] == head.number // 3 + 1  # none is refused any more


@pytest.mark.parametrize("fault", ["dropped", "mute", "dead"])
async def test_a_broken_socket_fails_what_waits_and_is_opened_again(
    fault: str, proxies: tuple[FaultProxy, FaultProxy], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    proxy = proxies[0]
    async with over(proxy, sockets=True) as client:
        assert await balance(client) == WEI
        if fault == "mute":
            proxy.mute = True
        elif fault == "dead":
            await proxy.die()
        else:
            proxy.refuse_sockets = True
            proxy.drop_sockets()
        with pytest.raises(EndpointError) as caught:
            await balance(client)
        assert SECRET not in str(caught.value)
        if fault == "dead":
            await proxy.revive()
        proxy.heal()
        assert await recovered(client) == WEI
    assert len(lines(caplog, "1", "works again")) == 1
    assert SECRET not in caplog.text


async def test_every_endpoint_is_proved_at_start(proxies: tuple[FaultProxy, FaultProxy]) -> None:
    first, second = proxies
    second.fault = faults.wrong_chain(1)
    async with HttpTransport(OP, [first.url, second.url], limits=QUICK) as transport:
        failed = await transport.prove()
        assert {name: type(error) for name, error in failed.items()} == {f"{OP} endpoint 2": WrongChainId}
        with pytest.raises(WrongChainId, match="endpoint 2: configured as eip155:10 but serves eip155:1;"):
            await EvmClient(OP, transport).verify()
        assert await EvmClient(OP, transport).head(Finality.LATEST)


async def test_a_spare_shows_that_the_endpoint_in_use_is_behind(proxies: tuple[FaultProxy, FaultProxy]) -> None:
    first, second = proxies
    first.fault = faults.lagging(9)
    async with over(first, second) as client, over(second) as good:
        true_head = await good.head(Finality.LATEST)
        await client.head(Finality.LATEST)
        async with asyncio.timeout(2):
            while not second.seen["eth_getBlockByNumber"] > 1:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert await client.head(Finality.LATEST) == true_head
