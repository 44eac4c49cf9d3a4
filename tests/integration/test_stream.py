"""Server-sent events over a real store: order, filters, resumption, slow readers, many readers."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from aggregator.alerts import status_change
from api.http import stream
from api.http.deps import DEPS
from risk.status import Status
from tests.kit import world as hand
from tests.kit.api import NAME, PRIVATE, a_world, api, key_for

LIMIT_S = 20


def a_report(number: int, status: Status = Status.SAFE):
    (made,) = hand.maker().make(a_world())
    return made.model_copy(update={"id": f"rep_{number:032d}", "status": status})


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
    monkeypatch.setattr(stream, "MOST_WAITING", 3)
    waiting = stream.Client(frozenset({NAME}), frozenset(), asyncio.Queue(3))
    for _ in range(4):
        waiting.offer(b"x")
    assert waiting.too_slow
    assert waiting.waiting.qsize() == 3
    async with api(tmp_path) as client, opened(client) as reader:
        (served,) = client.app[stream.HUB].clients
        served.too_slow = True
        await append(client, a_report(1))
        events = await reader.rest()
        assert events[-1][0] == "dropped"
        assert "events were waiting" in events[-1][2]["reason"]
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
