"""The doctor's lines: each fault gives the line that says what to do."""

import base64

import pytest
from pydantic import SecretStr

from aggregator.config import WebhookSettings, make_settings
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


@pytest.mark.parametrize(
    ("url", "secret", "outcome"),
    [
        ("https://a.test/x", GOOD, Outcome.PASS),
        ("http://a.test/x", GOOD, Outcome.WARN),
        ("a.test", GOOD, Outcome.FAIL),
        ("http://[", GOOD, Outcome.FAIL),
        ("https://a.test/x", "hunter2", Outcome.FAIL),
        ("https://a.test/x", "whsec_§", Outcome.FAIL),
        ("https://a.test/x", "whsec_" + base64.b64encode(b"short").decode(), Outcome.FAIL),
    ],
)
def test_receiver_is_judged_by_its_form_and_never_shown(url, secret, outcome):
    hook = WebhookSettings(name="pager", url=SecretStr(url), secret=SecretStr(secret))
    (line,) = receivers(settings(webhooks=[hook]))
    assert line.outcome is outcome
    assert url not in line.detail + line.fix
    assert secret not in line.detail + line.fix
    assert bool(line.fix) == (outcome is not Outcome.PASS)


def test_nobody_to_tell_and_a_name_twice_are_said():
    assert receivers(settings())[0].outcome is Outcome.WARN
    hook = WebhookSettings(name="a", url=SecretStr("https://a.test"), secret=SecretStr(GOOD))
    assert any("twice" in line.detail for line in receivers(settings(webhooks=[hook, hook])))


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
