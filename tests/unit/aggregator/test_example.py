"""The settings that people copy load, name packaged addresses, and say every chain they need."""

from pathlib import Path

import pytest

from aggregator.config import load_settings
from aggregator.portfolios import Portfolios
from aggregator.wiring import _deployments
from chains.caip import ChainId
from chains.data import packaged

EXAMPLE = Path(__file__).parents[3] / "aggregator" / "config.example.toml"


def test_example_loads_over_the_packaged_addresses():
    settings = load_settings(EXAMPLE)
    assert settings.deployments == packaged()
    deployments = _deployments(settings)
    assert set(deployments) == set(settings.chains) == {"eip155:1", "eip155:10", "eip155:42161", "eip155:8453"}
    given = {name: item.accounts for name, item in settings.portfolios.items()}
    portfolios = Portfolios.of(given, map(ChainId, settings.chains))
    assert len(portfolios.accounts("desk")) == 5


def test_example_holds_placeholders_only():
    urls = [url.get_secret_value() for chain in load_settings(EXAMPLE).chains.values() for url in chain.rpc_urls]
    assert all(".example/" in url for url in urls)


@pytest.mark.parametrize("given", ["world.json", "./mainnet_v1.json", "../x/mainnet_v1"])
def test_paths_stay_relative_to_the_settings(tmp_path, given):
    path = tmp_path / "crossmargin.toml"
    path.write_text(EXAMPLE.read_text().replace('deployments = "mainnet_v1"', f'deployments = "{given}"'))
    assert load_settings(path).deployments == tmp_path / given
