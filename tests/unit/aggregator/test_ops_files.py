"""The dashboard, the alert rules, the unit and the compose file speak of things that exist."""

import configparser
import json
import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from aggregator.metrics import REGISTRY
from api.cli.main import app

ROOT = Path(__file__).parents[3]
DASHBOARD = json.loads((ROOT / "ops/grafana/crossmargin.json").read_text())
RULES = yaml.safe_load((ROOT / "ops/prometheus/alerts.yml").read_text())["groups"][0]["rules"]


def known() -> dict[str, set[str]]:
    """Labels by series name."""
    found: dict[str, set[str]] = {}
    for collector in set(REGISTRY._collector_to_names):
        labels = set(collector._labelnames)
        for name in REGISTRY._collector_to_names[collector]:
            found[name] = labels | ({"le"} if name.endswith("_bucket") else set())
    return found


EXPRESSIONS = [rule["expr"] for rule in RULES] + [t["expr"] for p in DASHBOARD["panels"] for t in p["targets"]]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_series_and_label_of_an_expression_exists(expression):
    series = known()
    names = set(re.findall(r"crossmargin_\w+", expression))
    assert names <= set(series), names - set(series)
    for name, selector in re.findall(r"(crossmargin_\w+)\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)\s*[!=]~?=?", selector)) <= series[name]
    for grouped in re.findall(r"by \(([^)]*)\)", expression):
        labels = {label.strip() for label in grouped.split(",")}
        assert labels <= set().union(*(series[name] for name in names)), labels


@pytest.mark.parametrize("target", [t for p in DASHBOARD["panels"] for t in p["targets"]], ids=lambda t: t["expr"])
def test_legends_use_labels_of_their_series(target):
    labels = set().union(*(known()[name] for name in re.findall(r"crossmargin_\w+", target["expr"])), set())
    assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_rule_says_how_bad_it_is_and_what_to_do(rule):
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert set(rule["annotations"]) == {"summary", "fix"}
    names = re.findall(r"crossmargin_\w+", rule["expr"])
    labels = set().union(*(known()[name] for name in names)) if names else set()
    assert set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])) <= labels


def test_panels_have_their_own_places():
    assert len({panel["title"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken = [
        (x, y)
        for p in DASHBOARD["panels"]
        for x in range(p["gridPos"]["x"], p["gridPos"]["x"] + p["gridPos"]["w"])
        for y in range(p["gridPos"]["y"], p["gridPos"]["y"] + p["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) == 23


@pytest.mark.parametrize("name", ["crossmargin.service", "crossmargin-worker@.service"])
def test_unit_starts_commands_that_exist(name):
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(ROOT / "ops/systemd" / name)
    service = unit["Service"]
    for line in (service["ExecStartPre"], service["ExecStart"]):
        _, command, *options = line.split()
        shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
        assert shown.exit_code == 0
        assert all(option in shown.stdout for option in options if option.startswith("--"))
    assert (service["Restart"], service["KillSignal"]) == ("always", "SIGTERM")


def test_compose_services_wait_for_healthy_ones():
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert all("healthcheck" in service for service in services.values())
    assert {d["condition"] for d in services["service"]["depends_on"].values()} == {"service_healthy"}
