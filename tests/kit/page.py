"""The dashboard in a real browser: what it shows, what it was answered, what it said in its console."""

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: the page is not tried")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
WAIT_MS = 20_000
UNITS = {"k": 1_000, "m": 1_000_000, "bn": 1_000_000_000}
SECONDS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
TOO_WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? []
    : [...document.querySelectorAll('body *')]
    .filter(n => n.getBoundingClientRect().right > innerWidth && !n.closest('.scroll') && !n.closest('.chart'))
    .map(n => n.outerHTML.slice(0, 100))"""
"""What makes the page wider than its window."""
NAMELESS = """() => [...document.querySelectorAll(
        'button, input, select, svg, section, nav, [role="img"], [tabindex="0"]')]
    .filter(n => !n.closest('[aria-hidden="true"]') && !n.parentElement.closest('[role="img"]'))
    .filter(n => n.checkVisibility())
    .filter(n => !(n.getAttribute('aria-label') || n.getAttribute('aria-labelledby') || n.labels?.length
        || (n.getAttribute('role') !== 'img' && n.tagName !== 'svg' && n.textContent.trim())))
    .map(n => n.outerHTML.slice(0, 80))"""
"""What a screen reader could not name."""
ANSWERED = """([id, value]) => new Promise(done => {
    const slider = document.getElementById(id), answer = document.getElementById('answer');
    const from = performance.now();
    new MutationObserver((_, watch) => {
        watch.disconnect();
        requestAnimationFrame(() => done(performance.now() - from));
    }).observe(answer, { attributeFilter: ['data-ms'] });
    slider.value = value;
    slider.dispatchEvent(new Event('input', { bubbles: true }));
})"""
"""Milliseconds from the move of a slider to the answer's figures on the screen."""
FOCUSABLE = """[...document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')]
    .filter(n => !n.disabled && n.checkVisibility() && !n.closest('noscript'))"""
"""Everything that Tab should reach, in order."""
FOCUSED = f"""() => {{ const n = document.activeElement, style = getComputedStyle(n);
    const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 1;
    return [{FOCUSABLE}.indexOf(n), ring]; }}"""
"""Place of what has the focus, and whether one sees that it has."""
SAME_INK = """() => {
    const words = document.querySelector('.sentence'), tick = document.querySelector('#race .ytick text');
    return getComputedStyle(tick).fill === getComputedStyle(words).color; }"""
"""Whether the charts have the colours of the page."""
CONTRAST = """() => {
    const linear = v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    const light = name => { const probe = document.createElement('span');
        probe.style.color = `var(--${name})`;
        document.body.append(probe);
        const [r, g, b] = getComputedStyle(probe).color.match(/[\\d.]+/g).map(Number).map(linear);
        probe.remove();
        return .2126 * r + .7152 * g + .0722 * b; };
    const card = light('card'), names = ['ink', 'quiet', 'safe', 'watch', 'move', 'dead', 'unknown'];
    return Object.fromEntries(names.map(name => [name,
        (Math.max(light(name), card) + .05) / (Math.min(light(name), card) + .05)])); }"""
"""Contrast of the colours of texts against the cards, by WCAG 2."""
CHART = (
    "id => document.getElementById(id).data?.map(t => ({ x: t.x, y: t.y, z: t.z, text: t.text, name: t.name }))"
)


@dataclass
class Tab:
    """A page, with everything that came in and was said."""

    page: Any
    url: str
    said: list[str] = field(default_factory=list)
    """Errors in the console, and requests to anybody but the service."""
    answers: dict[str, list[Any]] = field(default_factory=dict)
    """JSON that the page was answered, by method and path."""
    asked: list[tuple[Any, Any]] = field(default_factory=list)
    """What-if questions, each with its answer."""

    async def heard(self, response) -> None:
        """Keep an answer."""
        request, path = response.request, urlsplit(response.url).path
        if response.status == 200 and response.headers.get("content-type", "").startswith("application/json"):
            body = await response.body()
            self.answers.setdefault(f"{request.method} {path}", []).append(answer := json.loads(body))
            if path == "/v1/margin/simulate":
                self.asked.append((request.post_data_json, answer))

    async def fits(self, path: str, law: Callable[[Any], bool]) -> Any:
        """An answer that the page was given and that what it shows fits; what it draws may be noted before it."""
        try:
            async with asyncio.timeout(WAIT_MS / 1000):
                while True:
                    for answer in reversed(self.answers.get(path, [])):
                        if law(answer):
                            return answer
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"what is shown fits no answer to {path}") from None

    async def simulated(self, amount: str) -> Any:
        """The answer to the question about a transfer of so much."""
        async with asyncio.timeout(WAIT_MS / 1000):
            while True:
                for asked, answer in self.asked:
                    changes = asked["simulations"][0]["changes"]
                    if [transfer["amount"] for transfer in changes["transfers"]] == [amount]:
                        return answer["results"][0]
                await asyncio.sleep(0.05)

    async def choose(self, name: str) -> None:
        """Show a portfolio, and wait until everything of it is drawn."""
        await self.page.click(f"[data-name='{name}']")
        await self.page.wait_for_selector(f"main[data-portfolio='{name}'] h2:has-text('{name}')", timeout=WAIT_MS)
        await self.another_report()

    async def another_report(self) -> str:
        """Wait until a report that was not shown before is wholly drawn; gives its id."""
        old = await self.page.get_attribute("main", "data-report")
        await self.page.wait_for_selector(f"main[data-report]:not([data-report='{old}'])", timeout=WAIT_MS)
        return str(await self.page.get_attribute("main", "data-report"))

    async def chart(self, name: str) -> list[dict[str, Any]]:
        """The traces that a chart was drawn from, as soon as it is drawn."""
        await self.page.wait_for_selector(f"#{name} .main-svg", state="attached", timeout=WAIT_MS)
        return await self.page.evaluate(CHART, name)

    async def rows(self, place: str) -> list[list[str]]:
        """Cells of the tables in a place, also where they are folded away."""
        js = "(all) => all.map(r => [...r.cells].map(c => c.textContent))"
        return await self.page.eval_on_selector_all(f"{place} tbody tr:not(.under)", js)

    async def picture(self, name: str, *, whole: bool = False) -> None:
        """Keep a screenshot in the folder of ``CROSSMARGIN_PICTURES``."""
        if folder := os.environ.get("CROSSMARGIN_PICTURES"):
            await self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=whole)


def drawn(traces: list[dict[str, Any]], *fields: str) -> list[Any]:
    """One field of every trace."""
    return [[trace[name] for name in fields] if len(fields) > 1 else trace[fields[0]] for trace in traces]


def says(text: str, amount: str | None) -> bool:
    """Whether a shown amount is the service's, to the digits that are shown; what is not known must say so."""
    if amount is None or text == "unknown":
        return amount is None and text == "unknown"
    digits = text.replace("$", "").replace(",", "").replace("−", "-").lstrip("+")
    unit = next((factor for name, factor in UNITS.items() if digits.endswith(name)), 1)
    number = digits.rstrip("bnkm")
    last = Decimal(unit).scaleb(-len(number.partition(".")[2]))
    return abs(Decimal(number) * unit - Decimal(amount)) <= last * Decimal("0.5001")


def lasts(text: str, seconds: float) -> bool:
    """Whether a shown time is the service's, to the digits that are shown."""
    number, unit = text.split(" ")
    last = Decimal(SECONDS[unit]).scaleb(-len(number.partition(".")[2]))
    return abs(Decimal(number) * SECONDS[unit] - Decimal(seconds)) <= last * Decimal("0.5001")


@asynccontextmanager
async def browser():
    """Chromium; the driver is part of playwright's wheel, nothing is downloaded."""
    from playwright.async_api import async_playwright

    async with async_playwright() as driver:
        started = await driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield started
        finally:
            await started.close()


async def opened(started, url: str) -> Tab:
    """A tab that listens, before it has gone anywhere."""
    page = await started.new_page(viewport={"width": 1400, "height": 1100}, color_scheme="light")
    tab = Tab(page, url)
    page.on("console", lambda message: tab.said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: tab.said.append(str(error)))
    own = (url, "data:", "blob:")
    page.on("request", lambda asked: None if asked.url.startswith(own) else tab.said.append(asked.url))
    page.on("response", tab.heard)
    return tab
