"""The settings file that people start from."""

import stat

from typer.testing import CliRunner

from aggregator.config import load_settings
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
