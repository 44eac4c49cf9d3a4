"""Server-sent events over a real store: order, filters, resumption, slow readers, many readers."""

import asyncio
import itertools
import json
import socket
from contextlib import asynccontextmanager

import pytest

from aggregator.alerts import status_change
from api.http import stream
from api.http.deps import DEPS
from risk.status import Status
from tests.kit import world as hand
from tests.kit.api import NAME, PRIVATE, a_world, api, key_for
from tests.kit.world import OWNER

LIMIT_S = 20


def a_report(number: int, status: Status = Status.SAFE):
    (made,) = hand.maker().make(a_world())
    return made.model_copy(update={"id": f"rep_{number:032d}", "status": status})


def many(count: int, first: int = 0):
    """Reports of one portfolio with ids of their own."""
    base = a_report(0)
    return [base.model_copy(update={"id": f"rep_{number:032d}"}) for number in range(first, first + count)]


async def append(client, *reports) -> None:
    await client.app[DEPS].store.append(reports, status_change, [])


class Reader:
    """Events of one open stream."""

    def __init__(self, response) -> None:
        self.response = response

    async def next(self) -> tuple[str, str, dict]:
        """(event, id, data)."""
        found = {"id": "", "event": "", "data": "{}"}
        async with asyncio.timeout(LIMIT_S):
            while True:
                line = (await self.response.content.readline()).decode()
                if not line:
                    raise EOFError
                name, _, value = line.rstrip("\n").partition(": ")
                if name in found:
                    found[name] = value
                elif not name and found["event"]:
                    return found["event"], found["id"], json.loads(found["data"])

    async def rest(self) -> list[tuple[str, str, dict]]:
        """Everything until the stream ends."""
        found = []
        while True:
            try:
                found.append(await self.next())
            except EOFError:
                return found


@asynccontextmanager
async def opened(client, query: str = "", **headers: str):
    async with client.get(f"/v1/stream{query}", headers=headers) as response:
        assert response.status == 200
        reader = Reader(response)
        assert (await reader.next())[0] == "hello"
        yield reader


async def test_reports_and_alerts_come_in_the_order_of_the_store(tmp_path):
    async with api(tmp_path) as client, opened(client) as reader:
        await append(client, a_report(1, Status.SAFE))
        await append(client, a_report(2, Status.LIQUIDATABLE))
        seen = [await reader.next() for _ in range(4)]
    assert [(event, data.get("status")) for event, _, data in seen if event != "breach.cleared"][-2:] == [
        ("margin.updated", "LIQUIDATABLE"), ("breach.opened", "LIQUIDATABLE"),
    ]  # fmt: skip
    assert all(data["portfolio"] == NAME for _, _, data in seen)
    assert len({place for _, place, _ in seen}) == 4


async def test_a_reader_that_returns_is_told_what_it_missed_and_nothing_twice(tmp_path):
    async with api(tmp_path) as client:
        async with opened(client, "?events=margin.updated") as reader:
            await append(client, a_report(1))
            _, place, first = await reader.next()
        await append(client, a_report(2), a_report(3))
        headers = {"Last-Event-ID": place}
        async with opened(client, "?events=margin.updated", **headers) as reader:
            await append(client, a_report(4))
            later = [(await reader.next())[2]["id"][-1] for _ in range(3)]
    assert (first["id"][-1], later) == ("1", ["2", "3", "4"])


async def test_filters_and_bad_questions(tmp_path):
    async with api(tmp_path) as client:
        async with opened(client, f"?portfolio={NAME}&events=breach.opened") as reader:
            await append(client, a_report(1), a_report(2, Status.DELEVERAGE))
            event, _, data = await reader.next()
            assert (event, data["status"]) == ("breach.opened", "DELEVERAGE")
        for query, headers, status in (
            ("?portfolio=nobody", {}, 404), ("?events=A", {}, 400), ("", {"Last-Event-ID": "x"}, 400),
        ):  # fmt: skip
            assert (await client.get(f"/v1/stream{query}", headers=headers)).status == status
        assert (await client.head("/v1/stream")).status == 200


async def test_a_stream_carries_what_every_answer_does(tmp_path):
    page = "https://wallet.example"
    async with api(tmp_path, PRIVATE.model_copy(update={"origins": (page,)})) as client:
        sent = await key_for(client, "read") | {"Origin": page, "X-Request-Id": "a-1"}
        async with client.get("/v1/stream", headers=sent) as response:
            assert response.headers["Access-Control-Allow-Origin"] == page
            assert response.headers["X-Request-Id"] == "a-1"
            assert "r=999999" in response.headers["RateLimit"]
        async with client.get("/v1/stream", headers=sent | {"Origin": "https://evil.example"}) as response:
            assert "Access-Control-Allow-Origin" not in response.headers


async def test_a_stream_needs_the_right_to_read_and_shows_only_what_the_key_may_see(tmp_path):
    async with api(tmp_path, PRIVATE) as client:
        assert (await client.get("/v1/stream")).status == 401
        other = await key_for(client, "read", portfolios=("another",))
        mine = await key_for(client, "read")
        async with opened(client, **other) as blind, opened(client, **mine) as reader:
            await append(client, a_report(1))
            assert (await reader.next())[2]["portfolio"] == NAME
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await blind.next()


async def test_a_reader_that_does_not_keep_up_is_told_and_let_go(tmp_path, monkeypatch):
    """It reads nothing while events come, then all that was kept for it: what fits, and why there is no more."""
    monkeypatch.setattr(stream, "MOST_WAITING", 20)
    async with api(tmp_path) as client:
        reader, writer = await silent(client)
        (served,) = client.app[stream.HUB].clients
        async with opened(client, "?events=margin.updated") as quick:
            for first in range(0, 400, 10):
                await append(client, *many(10, first))
                for _ in range(10):
                    assert (await quick.next())[0] == "margin.updated"
                assert served.waiting.qsize() <= 20
                if served.too_slow:
                    break
        assert served.too_slow
        async with asyncio.timeout(LIMIT_S):
            said = await reader.read()
        writer.close()
        last = said.rstrip().rpartition(b"event: ")[2]
        assert last.startswith(b"dropped")
        assert b"events were waiting" in last
        assert said.count(b"event: margin.updated") < first + 10
        assert not client.app[stream.HUB].clients


async def test_who_reads_is_not_dropped_by_a_scan_of_many(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "MOST_WAITING", 20)
    async with api(tmp_path) as client, opened(client, "?events=margin.updated") as reader:
        reports = many(300)
        await append(client, *reports)
        assert [(await reader.next())[2]["id"] for _ in reports] == [report.id for report in reports]


async def test_a_reader_that_takes_nothing_for_long_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "MOST_WAITING", 20)
    monkeypatch.setattr(stream, "STUCK_S", 0.5)
    async with api(tmp_path) as client:
        _, writer = await silent(client)
        (served,) = client.app[stream.HUB].clients
        async with asyncio.timeout(LIMIT_S):
            for first in itertools.count(0, 10):
                await append(client, *many(10, first))
                await asyncio.sleep(0.2)
                if served not in client.app[stream.HUB].clients:
                    break
        writer.close()


async def silent(client):
    """A connection whose stream has begun and that reads no further; its buffers are small."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (client.host, client.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=1024)
    writer.write(b"GET /v1/stream?events=margin.updated HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    await reader.readuntil(b"hello")
    ((transport),) = [c.transport for c in client.server.runner.server.connections if c.transport is not None]
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    transport.set_write_buffer_limits(4096)
    return reader, writer


async def test_a_stream_ends_with_the_key_and_follows_what_it_may_see(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "ALLOWED_S", 0.1)
    async with api(tmp_path, PRIVATE) as client:
        admin, mine = await key_for(client, "admin"), await key_for(client, "read", "watch")
        async with opened(client, **mine) as reader:
            body = {"name": "later", "accounts": [f"eip155:1:{OWNER}"]}
            name = (await (await client.post("/v1/account-sets", json=body, headers=mine)).json())["portfolio"]
            await asyncio.sleep(0.3)
            report = a_report(1)
            ref = report.portfolio.model_copy(update={"name": name})
            await append(client, report.model_copy(update={"portfolio": ref}))
            assert (await reader.next())[2]["portfolio"] == name
            keys = (await (await client.get("/v1/keys", headers=admin)).json())["keys"]
            (key,) = [key["id"] for key in keys if "watch" in key["scopes"]]
            assert (await client.delete(f"/v1/keys/{key}", headers=admin)).status == 204
            (end,) = await reader.rest()
            assert (end[0], "does not work" in end[2]["reason"]) == ("dropped", True)


async def test_a_stop_lets_readers_go_at_once_and_says_so(tmp_path):
    async with api(tmp_path) as client, opened(client) as reader:
        await client.app.shutdown()
        event, _, data = (await reader.rest())[-1]
        assert (event, data["reason"]) == ("dropped", "the service stops: resume when it is there again")
        assert not client.app[stream.HUB].clients


async def test_a_thousand_readers_hear_of_it_within_a_second(tmp_path):
    async with api(tmp_path) as client:
        client.session.connector._limit = 0
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_one(client)) for _ in range(1_000)]
            while len(client.app[stream.HUB].clients) < 1_000:
                await asyncio.sleep(0.05)
            started = asyncio.get_running_loop().time()
            await append(client, a_report(1))
        took = [task.result() - started for task in tasks]
    assert len(took) == 1_000
    assert max(took) < LIMIT_S


async def _one(client) -> float:
    async with opened(client, "?events=margin.updated") as reader:
        await reader.next()
        return asyncio.get_running_loop().time()
