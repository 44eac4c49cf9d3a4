"""The page in a real browser against the running service: its figures are the service's, in words and in pictures.

``CROSSMARGIN_PICTURES=<folder>`` keeps the pictures; ``dashboard.png`` of them is the one in docs/.
"""

import asyncio
import json
from decimal import Decimal
from statistics import median

import pytest

from aggregator.access.keys import Keys
from aggregator.clock import utc_now
from api.cli.receiver import receiver
from chains.devnet import pyth
from chains.devnet.tape import play
from tests.integration.test_service import SECRET, get, running, until
from tests.kit import page_figures as shown
from tests.kit.page import (
    ANSWERED,
    CONTRAST,
    FOCUSABLE,
    FOCUSED,
    NAMELESS,
    SAME_INK,
    TOO_WIDE,
    WAIT_MS,
    Tab,
    browser,
    needs_browser,
    opened,
    says,
)

pytestmark = [pytest.mark.devnet, needs_browser]
ANSWER_MS = 200
SELDOM_S = 14
READABLE = 4.5
MOVES = 4
STEPS = {"spot": -3, "vol": 10, "send": 10_000}
ROUNDS = 8


async def ready_at(url: str) -> None:
    async def ready() -> bool:
        return (await get(f"{url}/readyz"))[0] == 200

    await until(ready)


async def test_every_picture_and_figure_is_the_service_s_own(devnet, tmp_path):
    database = f"sqlite+aiosqlite:///{tmp_path / 's.db'}"
    async with (
        running(devnet, database, "http://127.0.0.1:9/none", scan_interval_s=2) as (url, _),
        browser() as chromium,
    ):
        await ready_at(url)
        tab = await opened(chromium, url)
        await tab.page.goto(url)
        await tab.choose("hedged-pair")
        await shown.urgent_first(tab)
        await tab.picture("dashboard")
        await shown.words(tab)
        await shown.buffers(tab)
        await shown.heat_map(tab)
        await shown.timeline(tab)
        await shown.map_of_chains(tab)
        await sliders_answer_at_once(tab)
        await a_transfer_helps(tab)
        await shown.greeks(tab)
        await shown.unknown(tab)
        await keyboard(tab)
        await themes_and_phone(tab)
        assert await tab.page.evaluate(NAMELESS) == []
        assert tab.said == []
        await nothing_read_becomes_markup(await opened(chromium, url))


async def sliders_answer_at_once(tab: Tab) -> None:
    page = tab.page
    await tab.choose("thin-borrower")
    await page.focus("#spot")
    for _ in range(25):
        await page.keyboard.press("ArrowLeft")
    assert await page.input_value("#spot") == "-25"
    await page.wait_for_selector("#answer td.LIQUIDATABLE", timeout=WAIT_MS)
    rows = {row[0]: row[1:] for row in await tab.rows("#answer")}

    def same(answer) -> bool:
        (found,) = answer["results"]
        change = found["mm_excess_change_usd"]
        fits = says(rows["excess"][1], found["after"]["mm_excess_usd"]) and says(rows["excess"][2], change)
        return fits and float(change) < 0

    await tab.fits("POST /v1/margin/simulate", same)
    await page.focus("#reset")
    await page.keyboard.press("Enter")
    assert await page.input_value("#spot") == "0"
    await tab.choose("far-from-funds")
    medians: list[float] = []
    while not medians or min(medians) >= ANSWER_MS:  # a machine that does much else besides has quieter moments
        assert len(medians) < ROUNDS, medians
        medians.append(await middle_of_a_round(tab))


async def middle_of_a_round(tab: Tab) -> float:
    """Median milliseconds over moves of all three sliders."""
    moves = [(slider, step * move) for move in range(1, MOVES) for slider, step in STEPS.items()]
    return median([await moved(tab.page, *move) for move in moves])


async def moved(page, slider: str, value: int) -> float:
    """Milliseconds that the answer to a moved slider took."""
    await page.wait_for_timeout(80)
    return float(await page.evaluate(ANSWERED, [slider, value]))


async def a_transfer_helps(tab: Tab) -> None:
    page = tab.page
    await tab.choose("far-from-funds")
    assert "USDC in the wallet on base" in await page.inner_text("#from")
    assert await page.inner_text("#to") == "perp-v2 on optimism"
    await page.click("#reset")
    await moved(page, "send", 46_000)
    assert await page.input_value("#send") == "46000"
    found = await tab.simulated("46000")
    here, there = (
        next(v for v in found[when]["venues"] if v["venue"] == "perp-v2") for when in ("before", "after")
    )
    assert 45_000 < float(there["surplus_usd"]) - float(here["surplus_usd"]) < 47_000
    rows = {row[0]: row[1:] for row in await tab.rows("#answer")}
    assert rows["status"][0] == "BRIDGE NOW"
    assert rows["status"][1] in {"WATCH", "SAFE"}
    assert float(there["ttl_s"] or there["ttl_exceeds_s"]) > float(here["ttl_s"])
    assert says(rows["latency add-on"][1], found["after"]["bridge_latency_addon_usd"])


async def keyboard(tab: Tab) -> None:
    """Tab reaches every control in order, and it shows; what was opened stays open while the page lives."""
    page = tab.page
    await page.focus("[data-name='hedged-pair']")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("main[data-portfolio='hedged-pair']", timeout=WAIT_MS)
    await tab.another_report()
    await page.evaluate("() => document.activeElement.blur()")
    await page.evaluate("() => window.getSelection().removeAllRanges()")
    many = await page.evaluate(f"{FOCUSABLE}.length")
    await page.focus(".skip")
    reached = [await page.evaluate(FOCUSED)]
    for _ in range(many - 1):
        await page.keyboard.press("Tab")
        reached.append(await page.evaluate(FOCUSED))
    assert [place for place, _ in reached] == list(range(many))
    assert all(seen for _, seen in reached)
    await page.focus("#heat-words summary")
    await page.keyboard.press("Space")
    await tab.another_report()
    await tab.another_report()
    assert await page.is_visible("#heat-words table")
    assert await page.evaluate("() => document.activeElement.closest('#heat-words') !== null")


async def themes_and_phone(tab: Tab) -> None:
    page = tab.page
    inks = []
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        await page.wait_for_function(SAME_INK, timeout=WAIT_MS)
        inks.append(
            await page.evaluate("() => getComputedStyle(document.querySelector('#race .ytick text')).fill")
        )
        assert {name: ratio for name, ratio in (await page.evaluate(CONTRAST)).items() if ratio < READABLE} == {}
    assert inks[0] != inks[1]
    await tab.picture("dark", whole=True)
    await page.set_viewport_size({"width": 390, "height": 844})
    for name in ("far-from-funds", "stale-feed", "short-strangle", "morpho-borrower"):
        await tab.choose(name)
        assert await page.evaluate(TOO_WIDE) == [], name
        assert await page.evaluate(NAMELESS) == []
    await tab.picture("phone", whole=True)
    await page.set_viewport_size({"width": 1400, "height": 1100})
    await page.emulate_media(color_scheme="light")


TAG = "<img src=x onerror='window.hacked = true'><b>x</b>"
TEXTS = {
    "status_reason",
    "reason",
    "venue",
    "sub_account",
    "label",
    "detail",
    "bridge",
    "what",
    "price_key",
    "risk_factor",
}


def tagged(value, name: str = ""):
    """Everything that a chain or a person may have written, with markup in it."""
    if isinstance(value, dict):
        return {f"{k}{TAG}" if name == "delta_usd" else k: tagged(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [tagged(one, name) for one in value]
    return f"{value}{TAG}" if isinstance(value, str) and name in TEXTS else value


async def nothing_read_becomes_markup(tab: Tab) -> None:
    async def rewritten(route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, body=json.dumps(tagged(await answer.json())))

    page = tab.page
    await page.route(lambda url: "/v1/" in url and "/stream" not in url, rewritten)
    await page.goto(f"{tab.url}/#hedged-pair")
    await page.wait_for_selector("main[data-report]", timeout=WAIT_MS)
    for name in ("timeline", "race", "heat", "greeks"):
        await tab.chart(name)
    assert TAG in await page.inner_text("#head")
    assert TAG in await page.inner_text("#venues")
    assert "<img" in str(await page.text_content("#race .yaxislayer-above"))
    assert await page.evaluate(
        "() => window.hacked === undefined && !document.querySelector('img, main b:not(.chart b)')"
    )
    assert tab.said == []
    told = {"status": 503, "json": {"wrong": ["the last scan finished 99 s ago"]}}
    await page.route("**/readyz", lambda route: route.fulfill(**told))
    await page.wait_for_selector(".old #old:has-text('finished 99 s ago')", timeout=WAIT_MS)


async def test_a_crash_shows_without_a_reload_to_whoever_has_a_key(devnet_snapshot, tmp_path):
    database = f"sqlite+aiosqlite:///{tmp_path / 's.db'}"
    private = {"public": False, "domains": ["127.0.0.1"]}
    async with browser() as chromium:
        async with (
            receiver(SECRET, lambda _: None) as taken,
            running(devnet_snapshot, database, taken.url, access=private) as (url, store),
        ):
            await ready_at(url)
            scopes = ("read", "simulate", "watch")
            _, secret = await Keys(store).create("page", scopes, utc_now(), actor="test")
            tab = await opened(chromium, url)
            await signs_in(tab, secret)
            await it_is_live(tab)
            await advice_has_before_and_after(tab)
            await a_dissenter_is_named_and_drawn(tab, devnet_snapshot)
            await asyncio.to_thread(play, devnet_snapshot, "crash-1")
            await the_crash_shows(tab)
            assert await tab.page.evaluate("() => window.loadedOnce") is True
            assert [said for said in tab.said if "401" not in said] == []  # but for those before the key was given
        await old_figures_look_old(tab)


async def signs_in(tab: Tab, secret: str) -> None:
    page = tab.page
    await page.goto(tab.url)
    await page.evaluate("() => { window.loadedOnce = true; }")
    await page.wait_for_selector("#signin:not([hidden])", timeout=WAIT_MS)
    assert await page.locator("nav button").count() == 0
    await page.focus("#key")
    await page.keyboard.type(secret)
    await page.keyboard.press("Enter")
    await page.wait_for_selector("main[data-report]", timeout=WAIT_MS)
    assert await page.is_hidden("#signin")


async def it_is_live(tab: Tab) -> None:
    """By the stream: without it the page would say so, and ask every 15 seconds at most while it is there."""
    await tab.choose("thin-borrower")
    await tab.page.wait_for_selector("#fresh:has-text('live')", timeout=WAIT_MS)
    asked = len(tab.answers["GET /v1/accounts"])
    async with asyncio.timeout(SELDOM_S):
        for _ in range(3):
            await tab.another_report()
    assert len(tab.answers["GET /v1/accounts"]) - asked >= 2  # it would be one at most
    assert await tab.page.inner_text("#head .badge") == "DELEVERAGE"


async def advice_has_before_and_after(tab: Tab) -> None:
    await tab.choose("far-from-funds")
    await tab.page.focus("#ask-advice")
    await tab.page.keyboard.press("Enter")
    await tab.page.wait_for_selector("#advice table", timeout=3 * WAIT_MS)
    worked_out = await tab.fits(
        "GET /v1/accounts/far-from-funds/advice", lambda answer: answer["advice"] is not None
    )
    plan = worked_out["advice"]["plans"][0]
    rows = {row[0]: row[1:] for row in (await tab.rows("#advice"))[:5]}
    assert rows["status"] == [plan[when]["status"].replace("_", " ") for when in ("before", "after")]
    assert rows["status"][0] != rows["status"][1]
    fields = {
        "surplus of the account": "surplus_usd",
        "excess": "mm_excess_usd",
        "requirement": "mm_requirement_usd",
    }
    for name, figure in fields.items():
        assert says(rows[name][0], plan["before"][figure])
        assert says(rows[name][1], plan["after"][figure])
    assert await tab.page.evaluate("() => document.activeElement.id") == "ask-advice"
    await tab.page.wait_for_selector(f".facts:has-text('{plan['about']}')", timeout=WAIT_MS)


async def a_dissenter_is_named_and_drawn(tab: Tab, world) -> None:
    """Pyth says 4 % more for ether than everybody else."""

    def publish(chain) -> None:
        pyth.update_many(chain.ctx, {"ETH": chain.ctx.prices["ETH"] * Decimal("1.04")})

    await asyncio.to_thread(world.each, publish)
    await tab.page.wait_for_selector("#prices-words:has-text('left out: pyth@eip155:')", timeout=WAIT_MS)
    async with asyncio.timeout(WAIT_MS / 1000):
        while not (await tab.chart("prices"))[2]["x"]:
            await asyncio.sleep(0.05)
    cross = (await tab.chart("prices"))[2]
    assert cross["y"] == ["ETH"]
    assert cross["x"][0] > 1


async def the_crash_shows(tab: Tab) -> None:
    page = tab.page
    await page.wait_for_selector("[data-name='thin-borrower'] .badge:has-text('LIQUIDATABLE')", timeout=WAIT_MS)
    await page.focus("[data-name='thin-borrower']")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#head.LIQUIDATABLE", timeout=WAIT_MS)
    await page.wait_for_selector(".alerts li.LIQUIDATABLE[data-state='open']", timeout=WAIT_MS)
    facts = await page.locator(".facts dd").all_inner_texts()
    assert facts[:2] == ["aave-v3 on arbitrum", "now"]
    lines = await page.locator(".alerts li").all_inner_texts()

    def same(answer) -> bool:
        reasons = [alert["reason"] for alert in answer["alerts"]]
        return len(reasons) == len(lines) and all(r in line for r, line in zip(reasons, lines, strict=True))

    assert (await tab.fits("GET /v1/alerts", same))["alerts"]
    await tab.chart("timeline")
    await tab.picture("crash")


async def old_figures_look_old(tab: Tab) -> None:
    """The service has gone: the page says so, and nothing on it is green any more."""
    page = tab.page
    await page.wait_for_selector("#old:has-text('Old figures')", timeout=WAIT_MS)
    tones = "all => [...new Set(all.map(n => getComputedStyle(n).color))]"
    unknown = await page.eval_on_selector("nav .UNKNOWN .badge", "n => getComputedStyle(n).color")
    assert await page.eval_on_selector_all("nav .badge, #venues .tone", tones) == [unknown]
    assert await page.inner_text("#fresh") != ""
    await tab.picture("old")
