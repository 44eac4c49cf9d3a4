import asyncio
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from chains.caip import ChainId
from chains.errors import EndpointUnreachable, RateLimited, WrongChainId
from chains.evm.jsonrpc import match
from chains.evm.rpc import HttpTransport, RpcFault, TransportLimits

OP = ChainId("eip155:10")
SECRET = "k3y-in-the-url"
FAST = TransportLimits(backoff_s=0.001, rounds=3)

Server = Callable[[Any], tuple[int, bytes] | Exception]


class FakeSession:
    """What HttpTransport uses of aiohttp.ClientSession, answering by host."""

    def __init__(self, **servers: Server) -> None:
        self.servers = servers
        self.bodies: list[tuple[str, Any]] = []

    def post(self, url: str, *, data: bytes, **_: Any) -> Any:
        host = url.split("/")[2]
        body = json.loads(data)
        self.bodies.append((host, body))
        answer = self.servers[host](body)
        return FakeResponse(answer)

    async def close(self) -> None:
        raise AssertionError("a session of the caller is the caller's to close")


class FakeResponse:
    def __init__(self, answer: tuple[int, bytes] | Exception) -> None:
        self.answer = answer
        self.headers: dict[str, str] = {}

    async def __aenter__(self) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return SimpleNamespace(status=self.answer[0], headers=self.headers, read=self.read)

    async def __aexit__(self, *_: object) -> None:
        return None

    async def read(self) -> bytes:
        assert not isinstance(self.answer, Exception)
        return self.answer[1]


def node(chain: int = 10, **methods: Any) -> Server:
    def one(item: dict[str, Any]) -> dict[str, Any]:
        if item["method"] == "eth_chainId":
            return {"id": item["id"], "result": hex(chain)}
        value = methods[item["method"]]
        value = value(item["params"]) if callable(value) else value
        return {"id": item["id"], **(value if isinstance(value, dict) else {"result": value})}

    def serve(body: Any) -> tuple[int, bytes]:
        answer = [one(item) for item in reversed(body)] if isinstance(body, list) else one(body)
        return 200, json.dumps(answer).encode()

    return serve


def transport(session: FakeSession, *hosts: str, limits: TransportLimits = FAST) -> HttpTransport:
    urls = [f"https://{host}/{SECRET}" for host in hosts or session.servers]
    return HttpTransport(OP, urls, session=session, limits=limits)  # type: ignore[arg-type]


async def test_answers_come_in_the_order_of_the_requests() -> None:
    session = FakeSession(a=node(eth_call=lambda p: p[0]))
    assert await transport(session).send([("eth_call", [i]) for i in range(5)]) == [0, 1, 2, 3, 4]


async def test_a_long_list_is_split_into_batches() -> None:
    session = FakeSession(a=node(eth_call=lambda p: p[0]))
    limits = TransportLimits(batch=10)
    assert await transport(session, limits=limits).send([("eth_call", [i]) for i in range(25)]) == list(range(25))
    sizes = sorted(len(body) for _, body in session.bodies if isinstance(body, list))
    assert sizes == [5, 10, 10]


async def test_a_failed_element_is_a_value_beside_the_others() -> None:
    fault = {"error": {"code": 3, "message": "execution reverted", "data": "0x01"}}
    session = FakeSession(a=node(good="0x1", bad=fault))
    assert await transport(session).send([("good", []), ("bad", [])]) == [
        "0x1", RpcFault(3, "execution reverted", "0x01"),
    ]  # fmt: skip


async def test_a_dead_endpoint_fails_over_and_the_good_one_is_kept() -> None:
    def dead(_: Any) -> Exception:
        return aiohttp.ServerDisconnectedError()

    session = FakeSession(a=dead, b=node(eth_call=lambda p: p[0]))
    client = transport(session)
    assert await client.send([("eth_call", [7])]) == [7]
    session.bodies.clear()
    assert await client.send([("eth_call", [8])]) == [8]
    assert {host for host, _ in session.bodies} == {"b"}


async def test_errors_name_chain_and_ordinal_and_never_the_url() -> None:
    def dead(_: Any) -> Exception:
        return aiohttp.InvalidURL(f"https://a/{SECRET}")

    session = FakeSession(a=dead, b=lambda _: (503, b""))
    with pytest.raises(EndpointUnreachable) as caught:
        await transport(session).send([("eth_call", [7])])
    text = str(caught.value)
    assert "eip155:10 endpoint 1" in text
    assert "eip155:10 endpoint 2: HTTP 503" in text
    assert SECRET not in text
    assert caught.value.__cause__ is None
    assert SECRET not in repr(transport(session))


async def test_transient_failures_are_tried_again_and_permanent_ones_are_not() -> None:
    answers = [(503, b""), (503, b"")]
    good = node(eth_call=5)
    flaky = FakeSession(a=lambda body: answers.pop() if answers else good(body))
    assert await transport(flaky).send([("eth_call", [])]) == [5]

    locked = FakeSession(a=lambda _: (401, b""))
    with pytest.raises(EndpointUnreachable, match="HTTP 401; check the endpoint's path and key"):
        await transport(locked).send([("eth_call", [])])
    assert len(locked.bodies) == 1


async def test_another_chain_behind_the_url_is_refused_even_as_a_spare() -> None:
    session = FakeSession(a=lambda _: (502, b""), b=node(chain=1, eth_call=5))
    with pytest.raises(WrongChainId, match="endpoint 2: configured as eip155:10 but serves eip155:1"):
        await transport(session).send([("eth_call", [])])


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"", b"[1,2]", b'{"id":0}', b'[{"id":0,"result":1}]', b'"text"', b"\xff\xfe"],
    ids=["html", "empty", "no responses", "no result", "one missing", "text", "not utf-8"],
)
def test_an_answer_that_is_no_json_rpc_is_unreachable(body: bytes) -> None:
    with pytest.raises(EndpointUnreachable):
        match("eip155:10 endpoint 1", body, 2)


async def test_only_rate_limited_elements_are_asked_again() -> None:
    refusals = [{"error": {"code": -32005, "message": "rate limit reached"}}]
    session = FakeSession(a=node(eth_call=5, eth_getCode=lambda _: refusals.pop() if refusals else 6))
    assert await transport(session).send([("eth_call", []), ("eth_getCode", [])]) == [5, 6]
    assert [item["method"] for item in _items(session.bodies[-1][1])] == ["eth_getCode"]


async def test_a_log_query_that_is_too_wide_is_not_rate_limiting() -> None:
    fault = {"error": {"code": -32005, "message": "query returned more than 10000 results"}}
    session = FakeSession(a=node(eth_getLogs=fault))
    (answer,) = await transport(session).send([("eth_getLogs", [])])
    assert isinstance(answer, RpcFault)
    assert len(session.bodies) == 2


async def test_rate_limiting_that_does_not_end_is_raised() -> None:
    session = FakeSession(a=lambda _: (429, b""))
    with pytest.raises(RateLimited, match="HTTP 429"):
        await transport(session).send([("eth_call", [])])


async def test_a_batch_that_is_refused_is_sent_in_halves() -> None:
    good = node(eth_call=lambda p: p[0])

    def small(body: Any) -> tuple[int, bytes]:
        return good(body) if len(_items(body)) <= 2 else (413, b"")  # type: ignore[return-value]

    session = FakeSession(a=small)
    assert await transport(session).send([("eth_call", [i]) for i in range(7)]) == list(range(7))


async def test_the_rate_holds_for_requests_not_for_batches() -> None:
    session = FakeSession(a=node(eth_call=1))
    client = transport(session, limits=TransportLimits(rate_per_s=20, batch=10))
    started = asyncio.get_running_loop().time()
    await client.send([("eth_call", [])] * 30)  # and one eth_chainId
    assert asyncio.get_running_loop().time() - started >= 1.0


async def test_a_url_in_a_node_message_is_taken_out() -> None:
    fault = {"error": {"code": -32000, "message": f"upstream https://x/{SECRET} failed"}}
    session = FakeSession(a=node(eth_call=fault))
    (answer,) = await transport(session).send([("eth_call", [])])
    assert answer == RpcFault(-32000, "upstream <url> failed")


def test_a_malformed_url_is_named_by_its_ordinal_only() -> None:
    with pytest.raises(EndpointUnreachable) as caught:
        HttpTransport(OP, ["https://a", f"wrong:{SECRET}"])
    assert (
        str(caught.value)
        == "eip155:10 endpoint 2: expected a URL beginning with http://, https://, ws:// or wss://"
    )


def _items(body: Any) -> list[Any]:
    return body if isinstance(body, list) else [body]
