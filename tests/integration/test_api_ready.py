"""What leaves in one piece says the same as the ordinary way, and what is encoded anew is what the models say."""

import asyncio
from dataclasses import replace

import pytest

from aggregator.alerts import status_change
from aggregator.report import MarginReport
from aggregator.store.reports import ReportLog
from aggregator.store.repository import UNKNOWN
from api.http import front
from api.http.deps import DEPS
from api.http.models import Positions, Venues
from tests.kit import world as hand
from tests.kit.api import NAME, PRIVATE, a_world, api, key_for

CHANGING = {"date", "x-request-id", "ratelimit"}
PAGES = PRIVATE.model_copy(update={"origins": ("https://app.example.org",)})
PATHS = tuple(f"/v1/accounts/{NAME}/{part}" for part in ("margin", "positions", "venues"))
ASKED = (
    {}, {"Accept-Encoding": "gzip"}, {"Origin": "https://app.example.org"}, {"Origin": "https://evil.example"},
    {"If-None-Match": "*"}, {"If-None-Match": '"other"'}, {"If-None-Match": "*", "Accept-Encoding": "gzip"},
)  # fmt: skip


async def told(client, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    answer = await client.get(path, headers={"Accept-Encoding": "identity", **headers})
    names = {name.lower() for name in answer.headers} - CHANGING
    said = {name: ", ".join(answer.headers.getall(name)) for name in names}
    return answer.status, said, await answer.read()


@pytest.mark.parametrize("path", PATHS)
async def test_both_ways_say_the_same(tmp_path, path, monkeypatch):
    made, make = [], front.ready
    monkeypatch.setattr(front, "ready", lambda *given: made.append(given) or make(*given))
    async with api(tmp_path, PAGES) as client:
        key = await key_for(client, "read")
        for asked in ASKED:
            await client.get(PATHS[0], headers=key)  # now it is at hand
            made.clear()
            quick, slow = [
                await told(client, path, {**key, **asked, **end}) for end in ({}, {"Connection": "close"})
            ]
            assert slow[1].pop("connection") == "close"
            assert quick == slow, asked
            assert len(made) == (path == PATHS[0] or "Accept-Encoding" not in asked)
            assert (quick[0] == 304) == (asked.get("If-None-Match") == "*")


async def test_parts_are_what_their_models_say(tmp_path):
    async with api(tmp_path) as client:
        report = MarginReport.model_validate_json((await told(client, PATHS[0], {}))[2])
        for path, model in zip(PATHS[1:], (Positions, Venues), strict=True):
            said = model.model_validate({name: getattr(report, name) for name in model.model_fields})
            assert (await told(client, path, {}))[2] == said.model_dump_json().encode()


async def test_who_may_not_read_is_refused_though_it_is_at_hand(tmp_path):
    async with api(tmp_path, PRIVATE) as client:
        mine, other = await key_for(client, "read"), await key_for(client, "read", portfolios=("another",))
        writer = await key_for(client, "watch")
        for path in PATHS:
            seen = [(await told(client, path, key))[0] for key in (mine, mine, other, writer, {}, other, writer)]
            assert seen == [200, 200, 404, 403, 401, 404, 403]


async def test_a_limit_counts_what_is_at_hand(tmp_path):
    async with api(tmp_path, PRIVATE.model_copy(update={"requests_per_minute": 3})) as client:
        key = await key_for(client, "read")
        seen = [(await told(client, PATHS[0], key))[0] for _ in range(5)]
        assert seen == [200, 200, 200, 429, 429]


async def test_many_readers_of_a_new_report_ask_the_store_once(tmp_path, monkeypatch):
    from api.http.latest import ReportLog

    asked, first = [], ReportLog.newest

    async def counted(self, name):
        asked.append(name)
        return await first(self, name)

    monkeypatch.setattr(ReportLog, "newest", counted)
    async with api(tmp_path) as client:
        (report,) = hand.maker().make(replace(a_world()))
        report = report.model_copy(update={"id": "rep_" + "7" * 32})
        await client.app[DEPS].store.append([report], status_change, [])
        answers = await asyncio.gather(*(client.get(PATHS[0]) for _ in range(20)))
        ids = {(await answer.json())["id"] for answer in answers}
    assert (ids, asked) == ({report.id}, [NAME])


async def newest_id(client) -> str:
    return (await (await client.get(f"/v1/accounts/{NAME}/margin")).json())["id"]


async def append(client) -> str:
    (report,) = hand.maker().make(a_world())
    await client.app[DEPS].store.append([report], status_change, [])
    return report.id


async def test_a_report_appended_here_is_answered_at_once_and_without_the_store(tmp_path, monkeypatch):
    async with api(tmp_path) as client:
        first = await newest_id(client)

        async def asked(*_):
            raise AssertionError("the store was asked")

        monkeypatch.setattr(ReportLog, "newest", asked)
        monkeypatch.setattr(ReportLog, "newest_seq", asked)
        for _ in range(3):
            second = await append(client)
            assert await newest_id(client) == second != first
        assert client.app[DEPS].store.newest == {}


async def test_a_report_that_was_not_kept_is_looked_up_before_anybody_is_answered(tmp_path):
    async with api(tmp_path) as client:
        await newest_id(client)
        store = client.app[DEPS].store
        store.followed.clear()  # as if the first reader had come while the append was on its way
        second = await append(client)
        assert NAME not in store.newest
        store.newest[NAME] = UNKNOWN
        assert await newest_id(client) == second


async def test_nobody_who_is_not_followed_costs_memory(tmp_path):
    async with api(tmp_path) as client:
        await append(client)
        assert client.app[DEPS].store.newest == {}
