"""The settings file that people start from."""

import stat

from typer.testing import CliRunner

from aggregator.config import load_settings
from aggregator.doctor.lint import lint
from aggregator.errors import ConfigError
from api.cli.main import app


def run(*arguments: str):
    return CliRunner().invoke(app, ["init", *arguments])


def test_written_settings_load_and_are_private(tmp_path):
    path = tmp_path / "mine.toml"
    result = run(str(path))
    assert result.exit_code == 0
    assert "crossmargin check" in result.stdout
    assert len(load_settings(path).chains) == 4
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_is_overwritten(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("mine")
    result = run(str(path))
    assert isinstance(result.exception, ConfigError)
    assert path.read_text() == "mine"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    result = run(str(tmp_path / "missing" / "mine.toml"))
    assert isinstance(result.exception, ConfigError)
    assert "missing" in str(result.exception)


def test_answers_make_settings_that_load_and_pass_the_lint(tmp_path):
    path = tmp_path / "asked.toml"
    mine = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    answers = [
        "https://one.test/k, wss://two.test/k", "ftp://no", "", "http://127.0.0.1:9", "", "a b", "treasury",
        "0x12", mine, "", "nobody", "keeper", "https://pager.test/x",
    ]  # fmt: skip
    result = CliRunner().invoke(app, ["init", str(path), "--ask"], input="\n".join(answers) + "\n")
    assert result.exit_code == 0, result.output
    settings = load_settings(path)
    assert list(settings.chains) == ["eip155:1", "eip155:10"]
    assert settings.portfolios["treasury"].accounts == (mine,)
    assert (settings.model.reaction, settings.webhooks[0].name) == ("keeper", "alerts")
    assert all(line.ok for line in lint(settings, path))
    assert [line.what for line in lint(settings, path) if "private" in line.what] == []


def test_the_example_as_it_is_does_not_pass_the_lint(tmp_path):
    path = tmp_path / "mine.toml"
    run(str(path))
    failed = [line for line in lint(load_settings(path), path) if not line.ok]
    assert {"chains.eip155:1: endpoints", "portfolios.desk"} <= {line.what for line in failed}
    assert all(line.fix for line in failed)
