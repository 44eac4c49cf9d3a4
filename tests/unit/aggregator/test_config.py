"""Settings: a mistake is named with its path, and a secret is never shown."""

import pytest

from aggregator.config import load_settings
from aggregator.errors import ConfigError
from aggregator.factors import load_factors
from aggregator.model import load_model
from chains.types import Finality

GOOD = """
deployments = "world.json"

[chains."eip155:1"]
rpc_urls = ["http://user:secret@127.0.0.1:8545/key"]

[portfolios.desk]
accounts = ["0x70997970C51812dc3A010C7d01b50e0d17dc79C8"]
"""


def settings(tmp_path, text: str):
    path = tmp_path / "crossmargin.toml"
    path.write_text(text)
    return load_settings(path)


def test_good_file_loads_and_is_relative_to_itself(tmp_path):
    found = settings(tmp_path, GOOD)
    assert found.deployments == tmp_path / "world.json"
    assert found.finality is Finality.LATEST
    assert "secret" not in repr(found)


def test_chain_numbers_are_accepted(tmp_path):
    assert set(settings(tmp_path, GOOD.replace("eip155:1", "1")).chains) == {"eip155:1"}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("rpc_urls", "rpc_url", "chains.eip155:1.rpc_url"),
        ('"eip155:1"', '"mainnet"', "mainnet"),
        ("0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "0x7099", "40 hex digits"),
        ("0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "0x70997970c51812dc3A010C7d01b50e0d17dc79C8", "checksum"),
        ("[portfolios.desk]", "[portfolio.desk]", "portfolio"),
        ('deployments = "world.json"', "", "deployments"),
        ('deployments = "world.json"', 'deployments = "w"\nfinalty = "safe"', "finalty"),
        ('deployments = "world.json"', 'deployments = "w"\nfinality = "soon"', "finality"),
        ('deployments = "world.json"', 'deployments = "w"\n[model]\nconfidence = 2', "model.confidence"),
        ("[chains", "[[chains", "TOML"),
    ],
)
def test_mistake_is_named_and_the_secret_is_not(tmp_path, old, new, says):
    with pytest.raises(ConfigError) as error:
        settings(tmp_path, GOOD.replace(old, new))
    assert says in str(error.value)
    assert "secret" not in str(error.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no such settings file"):
        load_settings(tmp_path / "none.toml")


def test_environment_goes_before_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("CROSSMARGIN_SERVICE__PORT", "9999")
    monkeypatch.setenv("CROSSMARGIN_DATABASE", "sqlite+aiosqlite:///other.db")
    found = settings(tmp_path, GOOD + "\n[service]\nport = 1234\nscan_interval_s = 7\n")
    assert (found.service.port, found.service.scan_interval_s) == (9999, 7)
    assert found.database.get_secret_value().endswith("other.db")


def test_bridge_without_a_law_is_refused(tmp_path):
    found = settings(tmp_path, GOOD + '\n[model]\nbridges = ["acros"]\n')
    with pytest.raises(ConfigError, match=r"model\.bridges: no latency law for 'acros'.*across"):
        load_model(found.model, ("eip155:1",))


def test_unknown_factor_file_is_refused():
    with pytest.raises(ConfigError, match="factors_v9"):
        load_factors("factors_v9")
