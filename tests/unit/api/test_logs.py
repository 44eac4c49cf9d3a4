"""Log lines as JSON: one object per line, whatever the message holds."""

import json
import logging

from api.cli.logs import JsonLines


def line(**changes) -> dict:
    values = {
        "name": "aggregator.service",
        "levelno": 30,
        "levelname": "WARNING",
        "msg": "%s:\n%s",
        "args": ("a", 1),
    }
    text = JsonLines().format(logging.makeLogRecord(values | changes))
    assert "\n" not in text
    return json.loads(text)


def test_a_line_says_when_how_bad_who_and_what():
    told = line(created=1_767_322_000.5)
    assert told == {
        "time": "2026-01-02T02:46:40.500+00:00", "level": "warning", "logger": "aggregator.service",
        "message": "a:\n1",
    }  # fmt: skip


def test_what_a_line_is_about_stands_beside_its_words():
    assert line(portfolio="desk", watch="status")["portfolio"] == "desk"


def test_an_exception_is_in_its_line():
    try:
        raise ValueError("no")
    except ValueError as error:
        told = line(exc_info=(type(error), error, error.__traceback__))
    assert told["exception"].endswith("ValueError: no")
