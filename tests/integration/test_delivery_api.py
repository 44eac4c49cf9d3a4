"""Receivers and the delivery log by HTTP and by command line; nothing shows an address or a secret."""

import asyncio
from contextlib import asynccontextmanager

from aiohttp.test_utils import TestClient, TestServer
from typer.testing import CliRunner

from aggregator.access.keys import Keys
from aggregator.alerts import status_change
from aggregator.clock import utc_now
from aggregator.delivery.notifier import Notifier
from aggregator.delivery.outbox import Outbox
from aggregator.delivery.receivers import states
from aggregator.metrics import REGISTRY
from aggregator.portfolios import Portfolios
from aggregator.store.repository import Store
from api.app import Deps, create_app
from api.cli.main import app
from chains.caip import parse_account
from risk.status import Status
from tests.kit.api import PRIVATE
from tests.kit.receivers import FAST, SECRET, Script, hook, serving
from tests.kit.reports import ACCOUNT, a_report

HIDDEN = ("secret-part", "whsec_", "dGVzdC1zZWNyZXQ")


@asynccontextmanager
async def running(tmp_path, *hooks):
    """The API over a store with one alert on each of two portfolios, tried once at each receiver."""
    store = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'd.db'}")
    notifier = Notifier(store, hooks, FAST)
    portfolios = Portfolios({name: (parse_account(ACCOUNT),) for name in ("desk", "treasury")})
    deps = Deps(store, portfolios, None, 60, access=PRIVATE, notifier=notifier)
    try:
        async with TestClient(TestServer(create_app(deps))) as client:
            reports = [a_report("desk", Status.WATCH), a_report("treasury", Status.WATCH)]
            await store.append(reports, status_change, notifier.receivers)
            await notifier.drain()
            yield client, store, notifier
    finally:
        await store.close()


async def key(store, *scopes, portfolios=None):
    _, secret = await Keys(store).create("test", scopes, utc_now(), actor="test", portfolios=portfolios)
    return {"Authorization": f"Bearer {secret}"}


async def test_receivers_are_listed_with_their_state_and_without_their_secrets(tmp_path):
    good, gone = Script([204]), Script([410])
    async with (
        serving(good, gone),
        running(tmp_path, hook(good.url, "good"), hook(gone.url, "gone")) as (client, store, _),
    ):
        answer = await client.get("/v1/webhooks", headers=await key(store, "watch"))
        text, rows = await answer.text(), (await answer.json())["webhooks"]
        seen = (await (await client.get("/v1/webhooks", headers=await key(store, "admin"))).json())["webhooks"]
    assert not any(part in text for part in HIDDEN)
    works, off = rows
    assert (works["enabled"], works["target"], works["waiting"]) == (True, None, 0)
    assert (off["enabled"], off["waiting"], off["disabled_reason"].split(":")[0]) == (False, 2, "HTTP 410")
    assert seen[0]["target"] == "http://127.0.0.1"


async def test_a_trial_says_what_the_receiver_answered_and_is_in_the_log(tmp_path):
    good, bad = Script([204]), Script([500])
    async with (
        serving(good, bad),
        running(tmp_path, hook(good.url, "good"), hook(bad.url, "bad")) as (client, store, _),
    ):
        admin = await key(store, "admin")
        trial = await (await client.post("/v1/webhooks/good/test", headers=admin)).json()
        failed = await (await client.post("/v1/webhooks/bad/test", headers=admin)).json()
        assert (await client.post("/v1/webhooks/nobody/test", headers=admin)).status == 404
        assert (await client.post("/v1/webhooks/good/test", headers=await key(store, "watch"))).status == 403
        listed = await client.get(f"/v1/deliveries?message_id={trial['id']}", headers=admin)
        (line,) = (await listed.json())["deliveries"]
        audit = (await (await client.get("/v1/audit", headers=admin)).json())["lines"]
    assert [(noted["action"], noted["subject"]) for noted in audit[1:3]] == [
        ("receiver.tried", "bad"), ("receiver.tried", "good"),
    ]  # fmt: skip
    assert (trial["delivered"], failed["delivered"], failed["detail"]) == (True, False, "HTTP 500")
    assert good.ids[-1] == trial["id"]
    assert (line["receiver"], line["delivered"], line["attempt"]) == ("good", True, 1)


async def test_the_log_is_paged_and_shows_visible_portfolios_only(tmp_path):
    good = Script([204])
    async with serving(good), running(tmp_path, hook(good.url, "good")) as (client, store, notifier):
        for _ in range(3):
            await notifier.try_out("good")
        mine = await key(store, "watch", portfolios=("desk",))
        lines, path = [], "/v1/deliveries?limit=2"
        while path:
            answer = await client.get(path, headers=mine)
            lines += (await answer.json())["deliveries"]
            path = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert [line["portfolio"] for line in lines] == [None, None, None, "desk"]
    assert [line["seq"] for line in lines] == sorted((line["seq"] for line in lines), reverse=True)


async def test_metrics_show_backlog_age_and_what_is_off(tmp_path):
    gone = Script([410])
    async with serving(gone), running(tmp_path, hook(gone.url, "off-one")) as (_, _, notifier):
        await notifier.measure()

    def value(name):
        return REGISTRY.get_sample_value(name, {"receiver": "off-one"})

    assert value("crossmargin_delivery_backlog") == 2
    assert value("crossmargin_receiver_off") == 1
    assert value("crossmargin_delivery_oldest_seconds") > 0
    assert (
        REGISTRY.get_sample_value("crossmargin_deliveries_total", {"receiver": "off-one", "result": "failed"}) >= 1
    )


def settings_file(tmp_path, *scripts):
    lines = [
        'deployments = "mainnet_v1"', f'database = "sqlite+aiosqlite:///{tmp_path}/c.db"',
        '[chains."eip155:1"]', 'rpc_urls = ["http://127.0.0.1:9"]',
    ]  # fmt: skip
    for i, script in enumerate(scripts):
        lines += ["[[webhooks]]", f'name = "r{i}"', f'url = "{script.url}"', f'secret = "{SECRET}"']
        lines += ["allow_private = true"]
    path = tmp_path / "c.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


async def invoke(*words):
    return await asyncio.to_thread(CliRunner(env={"COLUMNS": "200"}).invoke, app, list(words))


async def test_commands_try_show_and_switch_on(tmp_path):
    good, gone = Script([204]), Script([410])
    async with serving(good, gone):
        config = ("--config", str(settings_file(tmp_path, good, gone)))
        tried = await invoke("notify", "test", *config)
        assert tried.exit_code == 1
        assert "ok   r0: HTTP 204" in tried.output
        assert "FAIL r1: HTTP 410" in tried.output
        assert (await invoke("notify", "test", "r0", *config)).exit_code == 0
        store = await Store.open(f"sqlite+aiosqlite:///{tmp_path}/c.db")
        await store.append([a_report(status=Status.WATCH)], status_change, ["r1"])
        await Notifier(store, (hook(gone.url, "r1"),), FAST).drain()
        assert "off" in (await invoke("notify", "list", *config)).output
        assert "switched on" in (await invoke("notify", "enable", "r1", *config)).output
        assert "was not switched off" in (await invoke("notify", "enable", "r1", *config)).output
        assert (await states(store))["r1"].disabled_at is None
        assert await Outbox(store).undelivered() == 1
        shown = (await invoke("notify", "log", *config)).output
        await store.close()
    assert shown.count("HTTP 410") == 2
    assert not any(part in tried.output + shown for part in HIDDEN)


async def test_an_unknown_receiver_is_named(tmp_path):
    config = ("--config", str(settings_file(tmp_path)))
    for words in (("test", "nobody"), ("enable", "nobody"), ("test",)):
        result = await invoke("notify", *words, *config)
        assert "no receiver" in str(result.exception)
