"""What the page shows of a portfolio beside what the service answered: figures, tables, data of the charts."""

from typing import Any

from tests.kit.page import Tab, drawn, lasts, says

MARGIN = "GET /v1/accounts/{}/margin"
CHAINS = {"eip155:1": "ethereum", "eip155:10": "optimism", "eip155:42161": "arbitrum", "eip155:8453": "base"}
BUFFERS = ("isolated_buffer_usd", "unified_buffer_usd", "netted_buffer_usd")
GREEKS = ("delta_usd", "gamma_usd", "vega_usd", "theta_usd_per_day")
URGENCY = ["LIQUIDATABLE", "DELEVERAGE", "UNKNOWN", "BRIDGE NOW", "WATCH", "SAFE"]


async def urgent_first(tab: Tab) -> None:
    """The list of portfolios."""
    shown = await tab.page.locator("nav .badge").all_inner_texts()
    assert len(shown) == 17
    assert [URGENCY.index(badge) for badge in shown] == sorted(URGENCY.index(badge) for badge in shown)


async def words(tab: Tab) -> None:
    """The status sentence; who dies first and when, when help is there, what to do."""
    sentence = await tab.page.inner_text(".sentence")
    report = await tab.fits(MARGIN.format("hedged-pair"), lambda a: a["status_reason"] == sentence)
    assert "reaches liquidation" in sentence
    names, told = tab.page.locator(".facts dt"), tab.page.locator(".facts dd")
    facts = dict(zip(await names.all_inner_texts(), await told.all_inner_texts(), strict=True))
    assert report["binding_account"].endswith("/perp-v2")
    assert facts["dies first"] == "perp-v2 on arbitrum"
    assert facts["to do"] == "nothing now"
    (line,) = [v for v in report["venues"] if v["venue"] == "perp-v2"]
    assert lasts(facts["liquidation"].removeprefix("in "), line["ttl_s"])
    assert lasts(facts["help there"].removeprefix("in "), line["ttf_s"])


async def buffers(tab: Tab) -> None:
    """The bar of isolated, unified and netted margin, its part of latency, and its table."""
    local, late, totals = drawn(await tab.chart("buffers"), "x")
    rows = {row[0]: row[1] for row in await tab.rows("#buffers-words")}
    path = MARGIN.format("hedged-pair")
    now = await tab.fits(path, lambda a: [float(a[name]) for name in BUFFERS] == totals)
    assert local == [float(now[BUFFERS[0]]), float(now[BUFFERS[2]]), float(now[BUFFERS[2]])]
    assert late == [0, float(now["bridge_latency_addon_usd"]), 0]
    await tab.fits(path, lambda a: all(says(rows[name.split("_")[0]], a[name]) for name in BUFFERS))
    assert "bridge latency" in str(await tab.page.get_attribute("#buffers", "aria-label"))


async def heat_map(tab: Tab) -> None:
    """Scenarios: every cell, and the frame around the worst."""
    path = "GET /v1/accounts/hedged-pair/scenarios"
    (trace,), frame = (
        await tab.chart("heat"),
        await tab.page.evaluate("() => document.getElementById('heat').layout.shapes[0]"),
    )

    def cells(answer: Any) -> list[list[float]]:
        return [[float(value) for value in line] for line in answer["heat_map"]["change_usd"]]

    row, column = (await tab.fits(path, lambda a: cells(a) == trace["z"]))["heat_map"]["worst"]
    assert trace["z"][row][column] == min(min(line) for line in trace["z"])
    assert (frame["x0"] + 0.5, frame["y0"] + 0.5) == (column, row)
    framed = str(await tab.page.text_content("#heat-words td.worst"))
    await tab.fits(path, lambda a: says(framed, a["heat_map"]["change_usd"][row][column]))


async def timeline(tab: Tab) -> None:
    """Time to liquidation against time to fund, a pair of lines for each venue."""
    traces = await tab.chart("timeline")
    names = {"perp-v2 on arbitrum", "synthetix-perps-v2 on optimism (sETHPERP)", "help"}
    assert {trace["name"] for trace in traces} == names

    def told(history: Any, venue: str, field: str) -> list[float | None]:
        lines = [v for report in reversed(history["reports"]) for v in report["venues"] if v["venue"] == venue]
        return [None if v[field] is None else max(float(v[field]), 1) for v in lines]

    def same(history: Any) -> bool:
        pairs = zip(traces[::2], traces[1::2], strict=True)
        return all(
            [line["y"], helped["y"]]
            == [told(history, line["name"].split(" on ")[0], f) for f in ("ttl_s", "ttf_s")]
            for line, helped in pairs
        )

    await tab.fits("GET /v1/accounts/hedged-pair/margin/history", same)
    assert "help in" in str(await tab.page.get_attribute("#timeline", "aria-label"))


async def map_of_chains(tab: Tab) -> None:
    """Surplus and floor at every chain; every route with its fee, latency and capacity."""
    written = await tab.page.locator("#chains svg text").all_text_contents()
    rows = await tab.rows("#chains")

    def same(totals: Any) -> bool:
        shown = [(c, written[written.index(CHAINS[c["name"]]) + 1].split(" · floor ")) for c in totals["chains"]]
        return all(says(s, c["surplus_usd"]) and says(f, c["local_floor_usd"]) for c, (s, f) in shown)

    assert len((await tab.fits("GET /v1/accounts/hedged-pair/portfolio", same))["chains"]) == len(CHAINS)
    bridges = (await tab.fits("GET /v1/bridges", lambda _: True))["bridges"]
    routes = {(r["bridge"], CHAINS[r["source"]], CHAINS[r["destination"]]): r for r in bridges}
    assert {(row[1], *row[0].split(" → ")) for row in rows} == set(routes)
    for way, bridge, half, most, fee, capacity in rows:
        route = routes[bridge, *way.split(" → ")]
        assert float(fee.removesuffix(" bps")) == float(route["fee_bps"])
        assert says(capacity, str(route["capacity_usd"]))
        assert lasts(half, route["median_s"])
        assert lasts(most, route["p99_s"])


async def greeks(tab: Tab) -> None:
    """Delta, gamma, vega and theta of a book with options."""
    await tab.choose("short-strangle")
    traces, path = await tab.chart("greeks"), MARGIN.format("short-strangle")
    cells = {row[0]: row[1:] for row in await tab.rows("#greeks-words")}
    factors, bars = traces[0]["y"], [trace["x"] for trace in traces]
    await tab.fits(path, lambda a: bars == [[float(a["greeks"][n].get(f, 0)) for f in factors] for n in GREEKS])
    shown = list(zip(cells["ETH"], GREEKS, strict=True))
    await tab.fits(path, lambda a: all(says(cell, a["greeks"][name]["ETH"]) for cell, name in shown))
    assert cells["USDC"][1:] == ["–"] * 3


async def unknown(tab: Tab) -> None:
    """What is not known is never a zero, and never green; prices name who was left out."""
    page = tab.page
    await tab.choose("stale-feed")
    assert await page.inner_text("#head .badge") == "UNKNOWN"
    figures = await page.locator("#head .figures dd").all_inner_texts()
    assert figures == ["unknown"] * 6 + ["incomplete"]
    assert await page.inner_text("#buffers-words") == await page.inner_text("#greeks-words") == "unknown"
    assert [await page.is_visible(chart) for chart in ("#buffers", "#greeks")] == [False, False]
    lines = {row[0]: row[1:] for row in await tab.rows("#venues")}
    assert lines["aave-v3 on ethereum"][0] == "UNKNOWN"
    prices = {row[0]: row[1:] for row in await tab.rows("#prices-words")}
    assert prices["LINK"] == ["unknown", "unknown", "STALE"]
    assert "left out: chainlink@eip155:1 $15, stale" in await page.inner_text("#prices-words")
    low, high = prices["ETH"][1].split(" – ")

    def quoted(answer: Any) -> bool:
        (ether,) = [p for p in answer["prices"] if p["price_key"] == "ETH"]
        return says(low, ether["low_usd"]) and says(high, ether["high_usd"])

    await tab.fits("GET /v1/prices", quoted)
