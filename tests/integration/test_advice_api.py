"""Advice beside the scans: asked for or called for by a status, worked out on forks, answered from the store."""

import asyncio
from datetime import UTC, datetime

import aiohttp
import pytest
from sqlalchemy import create_engine, inspect

from aggregator.advice.desk import AdviceDesk
from aggregator.advice.model import Advice
from aggregator.advice.settings import AdviceSettings
from aggregator.store.advice import AdviceLog
from aggregator.store.migrate import downgrade, upgrade
from aggregator.store.repository import Store
from api.cli.receiver import receiver
from api.http.advice import _example
from api.http.deps import DEPS
from chains.errors import EndpointUnreachable
from risk.status import Status
from tests.integration.test_service import SECRET, running, until
from tests.kit.api import NAME, api
from tests.kit.reports import a_report

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ADVICE = Advice.model_validate(_example()["advice"])
PATH = f"/v1/accounts/{NAME}/advice"


@pytest.fixture
async def store(tmp_path):
    opened = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}")
    yield opened
    await opened.close()


async def test_advice_comes_back_equal_and_a_failure_does_not_hide_it(store):
    kept = AdviceLog(store)
    assert await kept.newest("desk") is None
    await kept.add("desk", "rep_1", AT, ADVICE)
    await kept.add("desk", "rep_2", AT, "no fork")
    await kept.add("other", "rep_3", AT, "no fork")
    newest, good = await kept.newest("desk"), await kept.newest("desk", good=True)
    assert (newest.report_id, newest.error, newest.advice) == ("rep_2", "no fork", None)
    assert (good.report_id, good.error, good.advice) == ("rep_1", "", ADVICE)


def test_the_table_comes_and_goes_with_its_rows(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'm.db'}")
    with engine.begin() as connection:
        upgrade(connection)
        connection.exec_driver_sql(
            "INSERT INTO advice (portfolio, report_id, at, error) VALUES ('desk', 'rep_1', '2026-01-01', 'x')"
        )
        downgrade(connection, "0006")
        assert "advice" not in inspect(connection).get_table_names()
        upgrade(connection)
        assert connection.exec_driver_sql("SELECT count(*) FROM advice").scalar() == 0
    engine.dispose()


class Hand:
    """A desk whose work the test does."""

    def __init__(self, store, **settings):
        self.started, self.answers = [], {}
        self.go = asyncio.Event()
        self.desk = AdviceDesk(
            AdviceLog(store), AdviceSettings(**settings), {"desk": None, "other": None}, self.work
        )

    async def work(self, world, report):
        self.started.append(report.portfolio.name)
        await self.go.wait()
        answer = self.answers.get(report.portfolio.name, ADVICE)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def settled(desk, *names):
    async def done():
        return not any(map(desk.pending, names))

    await until(done)


@pytest.fixture
async def hand(store):
    made = Hand(store)
    task = asyncio.create_task(made.desk.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_worst_status_goes_first_and_one_at_a_time(hand):
    hand.desk.heard([a_report("other", Status.WATCH), a_report("desk", Status.DELEVERAGE)])
    await asyncio.sleep(0.05)
    assert hand.started == ["desk"]
    assert hand.desk.pending("other")
    hand.go.set()
    await settled(hand.desk, "desk", "other")
    assert hand.started == ["desk", "other"]


async def test_quiet_statuses_call_for_nothing_and_the_same_status_not_again(hand, store):
    hand.go.set()
    hand.desk.heard([a_report("desk", Status.SAFE), a_report("other", Status.UNKNOWN)])
    assert not hand.desk.pending("desk")
    assert not hand.desk.pending("other")
    first = a_report("desk", Status.WATCH)
    hand.desk.heard([first])
    await settled(hand.desk, "desk")
    assert (await AdviceLog(store).newest("desk")).report_id == first.id
    hand.desk.heard([a_report("desk", Status.WATCH)])
    assert not hand.desk.pending("desk")
    hand.desk.heard([a_report("desk", Status.BRIDGE_NOW)])
    assert hand.desk.pending("desk")
    await settled(hand.desk, "desk")
    assert hand.desk.ask("desk")  # on request always
    assert not hand.desk.ask("nobody")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (EndpointUnreachable("eip155:1: the endpoint to fork did not answer eth_chainId"), "did not answer"),
        (KeyError("http://secret"), "unexpected: KeyError"),
    ],
)
async def test_a_failure_is_kept_with_its_reason_and_the_desk_goes_on(hand, store, error, words):
    hand.answers["desk"] = error
    hand.go.set()
    hand.desk.heard([a_report("desk", Status.WATCH)])
    await settled(hand.desk, "desk")
    tried = await AdviceLog(store).newest("desk")
    assert words in tried.error
    assert "secret" not in tried.error
    hand.desk.heard([a_report("other", Status.WATCH)])
    await settled(hand.desk, "other")
    assert (await AdviceLog(store).newest("other")).advice == ADVICE


async def test_work_that_takes_too_long_has_failed(store):
    slow = Hand(store, timeout_s=0.05)
    task = asyncio.create_task(slow.desk.run())
    slow.desk.heard([a_report("desk", Status.WATCH)])
    await settled(slow.desk, "desk")
    assert (await AdviceLog(store).newest("desk")).error == "nothing after 0.05 s"
    task.cancel()


async def test_get_answers_from_the_store_and_says_how_far_it_is(tmp_path):
    async with api(tmp_path) as client:
        deps = client.app[DEPS]
        nothing = await (await client.get(PATH)).json()
        assert (nothing["state"], nothing["advice"]) == ("none", None)
        assert nothing["reason"]
        kept = AdviceLog(deps.store)
        await kept.add(NAME, nothing["newest_report_id"], datetime.now(UTC), ADVICE)
        ready = await (await client.get(PATH)).json()
        assert ready["state"] == "ready"
        assert ready["report_id"] == ready["newest_report_id"]
        assert 0 <= ready["age_s"] < 60
        assert Advice.model_validate(ready["advice"]) == ADVICE
        await kept.add(NAME, "rep_later", datetime.now(UTC), "no endpoint answered")
        failed = await (await client.get(PATH)).json()
        assert (failed["state"], failed["reason"]) == ("failed", "no endpoint answered")
        assert failed["advice"] == ready["advice"]
        assert (await client.get("/v1/accounts/nobody/advice")).status == 404
        assert (await client.post(PATH)).status == 409


@pytest.mark.devnet
async def test_the_service_works_out_advice_by_itself_and_on_request(devnet, tmp_path):
    """The portfolio that should bridge now gets its plan without anybody asking, from forks of the devnet."""
    called_for = {"automatic": True, "statuses": ("BRIDGE_NOW",)}
    database = f"sqlite+aiosqlite:///{tmp_path / 's.db'}"
    async with (
        receiver(SECRET, lambda _: None) as taken,
        running(devnet, database, taken.url, advice=called_for) as (url, _),
        aiohttp.ClientSession() as session,
    ):

        async def found(name):
            async with session.get(f"{url}/v1/accounts/{name}/advice") as response:
                return await response.json()

        async def ready(name):
            return (await found(name))["state"] == "ready"

        await until(lambda: ready("far-from-funds"))
        answer = await found("far-from-funds")
        assert answer["advice"]["status"] == "BRIDGE_NOW"
        assert answer["report_id"].startswith("rep_")
        assert answer["advice"]["plans"][0]["after"]["status"] == "SAFE"
        assert "127.0.0.1" not in str(answer)
        assert (await found("steady-lender"))["state"] == "none"
        async with session.post(f"{url}/v1/accounts/steady-lender/advice") as response:
            assert response.status == 202
            assert (await response.json())["state"] == "pending"
        await until(lambda: ready("steady-lender"))
        assert (await found("steady-lender"))["advice"]["do_nothing"] is True
