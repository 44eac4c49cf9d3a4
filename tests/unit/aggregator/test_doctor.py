"""The doctor's lines: each fault gives the line that says what to do."""

import base64

import pytest

from aggregator.config import make_settings
from aggregator.doctor.database import database
from aggregator.doctor.finding import Outcome
from aggregator.doctor.heads import clocks
from aggregator.doctor.receivers import receivers
from aggregator.store.migrate import downgrade, newest
from aggregator.store.repository import Store
from chains.data import packaged

GOOD = "whsec_" + base64.b64encode(b"x" * 32).decode()


def settings(**more):
    base = {"deployments": str(packaged()), "chains": {"eip155:1": {"rpc_urls": ["https://a.test"]}}}
    return make_settings(base | more, "t")


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # imported by apprise
@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ({"url": "https://a.test/x", "secret": GOOD}, Outcome.PASS),
        ({"url": "http://a.test/x", "secret": GOOD}, Outcome.WARN),
        ({"url": "http://127.0.0.1:9/x", "secret": GOOD}, Outcome.FAIL),
        ({"url": "http://127.0.0.1:9/x", "secret": GOOD, "allow_private": True}, Outcome.PASS),
        ({"url": "json://a.test/x", "kind": "apprise"}, Outcome.PASS),
        ({"url": "nosuch://a.test/x", "kind": "apprise"}, Outcome.FAIL),
    ],
)
def test_receiver_is_judged_by_its_form_and_never_shown(given, outcome):
    (line,) = receivers(settings(webhooks=[{"name": "pager"} | given]))
    assert line.outcome is outcome
    assert given["url"] not in line.detail + line.fix
    assert bool(line.fix) == (outcome is not Outcome.PASS)


def test_nobody_to_tell_is_said():
    assert receivers(settings())[0].outcome is Outcome.WARN


@pytest.mark.parametrize(
    ("leads", "outcome"),
    [
        ([-1.0, -12.0], Outcome.PASS), ([7.0, -3.0], Outcome.FAIL), ([-90.0, -100.0], Outcome.WARN),
        ([-90.0], Outcome.PASS), ([], Outcome.WARN),
    ],
)  # fmt: skip
def test_clock_of_the_host_by_those_of_the_chains(leads, outcome):
    (line,) = clocks(leads)
    assert line.outcome is outcome


async def test_database_lines_leave_the_disk_as_it_is(tmp_path):
    path = tmp_path / "s.db"
    wanted = settings(database=f"sqlite+aiosqlite:///{path}")
    assert [line.ok for line in await database(wanted)] == [True, True]
    assert not path.exists()
    store = await Store.open(f"sqlite+aiosqlite:///{path}")
    lines = {line.what: line for line in await database(wanted)}
    assert newest() in lines["database: schema"].detail
    async with store.transaction(writing=True) as connection:
        await connection.run_sync(downgrade, "0003")
    await store.close()
    lines = {line.what: line for line in await database(wanted)}
    assert lines["database: schema"].outcome is Outcome.WARN


@pytest.mark.parametrize(
    "dsn", ["nonsense", "sqlite+aiosqlite:////no/such/folder/x.db", "mystery://secret@host/x"]
)
async def test_unusable_database_fails_without_its_dsn(dsn):
    (line,) = await database(settings(database=dsn))
    assert not line.ok
    assert "secret" not in line.detail + line.fix
