"""The page in a real browser: it shows the crash, answers what-if, works by keyboard, with a quiet console.

``CROSSMARGIN_PICTURES=<folder>`` keeps the pictures.
"""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from api.cli.receiver import receiver
from chains.devnet.tape import play
from tests.integration.test_service import SECRET, get, running, until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.devnet,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: the page is not tried"),
]
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
WAIT_MS = 20_000
TOO_WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? []
    : [...document.querySelectorAll('body *')]
    .filter(n => n.getBoundingClientRect().right > innerWidth && !n.closest('.scroll') && !n.closest('#timeline'))
    .map(n => n.outerHTML.slice(0, 100))"""
"""What makes the page wider than its window."""


async def pictured(page, name: str) -> None:
    if folder := os.environ.get("CROSSMARGIN_PICTURES"):
        await page.screenshot(path=Path(folder) / f"{name}.png")


async def chosen(page, name: str):
    await page.click(f"[data-name='{name}']")
    await page.wait_for_selector(f"main h2:has-text('{name}')", timeout=WAIT_MS)


async def look(page, url: str, said: list[str], world) -> None:
    await page.goto(url)
    await chosen(page, "thin-borrower")
    assert "LIQUIDATABLE" not in await page.inner_text("main .head")
    assert await page.locator("nav button").count() == 17
    await chosen(page, "hedged-pair")
    assert "reaches liquidation" in await page.inner_text(".sentence")
    await page.wait_for_selector(".heat td.worst", timeout=WAIT_MS)
    await page.wait_for_selector("#timeline .scatterlayer .trace", state="attached", timeout=WAIT_MS)
    await page.wait_for_selector("main summary:has-text('routes: fees, latency, capacity')", timeout=WAIT_MS)
    await pictured(page, "dashboard")

    await page.focus("#spot")
    for _ in range(25):
        await page.keyboard.press("ArrowLeft")
    await page.wait_for_selector("#answer:has-text('excess')", timeout=WAIT_MS)
    assert await page.input_value("#spot") == "-25"
    assert "→" in await page.inner_text("#answer")
    assert int(await page.get_attribute("#answer", "data-ms")) > 0

    await chosen(page, "steady-lender")
    await page.click("#ask-advice")
    await page.wait_for_selector("#advice:has-text('do nothing')", timeout=WAIT_MS)

    await chosen(page, "stale-feed")
    assert "unknown" in await page.inner_text("main .head")
    assert "left out: chainlink" in await page.inner_text("main")
    await asyncio.to_thread(play, world, "crash-1")
    await page.wait_for_selector("[data-name='thin-borrower'] .badge:has-text('LIQUIDATABLE')", timeout=WAIT_MS)
    await page.focus("[data-name='thin-borrower']")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("main .head.LIQUIDATABLE", timeout=WAIT_MS)
    await page.wait_for_selector(".alerts li.LIQUIDATABLE[data-state='open']", timeout=WAIT_MS)
    await pictured(page, "crash")
    assert await nameless(page) == []
    await page.emulate_media(color_scheme="dark")
    await page.set_viewport_size({"width": 390, "height": 844})
    assert await page.evaluate(TOO_WIDE) == []
    await pictured(page, "phone")
    assert said == []


async def nameless(page) -> list[str]:
    """What a screen reader could not name."""
    return await page.evaluate(
        """() => [...document.querySelectorAll('button, input, svg, section, nav, [tabindex="0"]')]
        .filter(n => !n.closest('[aria-hidden="true"]') && !n.parentElement.closest('[role="img"]'))
        .filter(n => n.offsetParent !== null || n.tagName === 'svg')
        .filter(n => !(n.getAttribute('aria-label') || n.textContent.trim() || n.labels?.length))
        .map(n => n.outerHTML.slice(0, 80))"""
    )


def installed() -> None:
    """The driver of playwright for Python is part of its wheel; nothing is downloaded."""
    subprocess.run([sys.executable, "-m", "playwright", "--version"], check=True, capture_output=True)


async def test_the_page_shows_a_crash_answers_what_if_and_works_by_keyboard(devnet_snapshot, tmp_path):
    from playwright.async_api import async_playwright

    installed()
    said: list[str] = []
    async with (
        receiver(SECRET, lambda _: None) as taken,
        running(devnet_snapshot, f"sqlite+aiosqlite:///{tmp_path / 's.db'}", taken.url) as (url, _),
        async_playwright() as driver,
    ):

        async def ready():
            return (await get(f"{url}/readyz"))[0] == 200

        await until(ready)
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            page = await browser.new_page(viewport={"width": 1400, "height": 1100}, color_scheme="light")
            page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: said.append(str(error)))
            own = (url, "data:", "blob:")
            page.on("request", lambda asked: None if asked.url.startswith(own) else said.append(asked.url))
            await look(page, url, said, devnet_snapshot)
        finally:
            await browser.close()
