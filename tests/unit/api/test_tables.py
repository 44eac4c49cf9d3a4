"""The overview fits the terminal it is printed in."""

import pytest
from rich.console import Console

from api.cli.tables import overview
from risk.status import Status
from tests.kit.reports import a_report


@pytest.mark.parametrize("width", [80, 100, 120, 150, 200])
def test_names_statuses_and_figures_are_whole_at_any_width(width):
    reports = [a_report("correlated-book", Status.LIQUIDATABLE), a_report("liquidity-provider", Status.DELEVERAGE)]
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(overview(reports, console.width))
        text = console.export_text()
    assert ("the figures" in text) is (width == 200)
    for word in ("correlated-book", "liquidity-provider", "LIQUIDATABLE", "DELEVERAGE", "latency add-on", "1,235"):
        assert word in text
    assert max(map(len, text.splitlines())) <= width
