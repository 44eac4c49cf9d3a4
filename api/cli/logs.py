"""Log lines on standard error: words for people, or one JSON object per line where a collector reads them."""

import logging
import os
from datetime import UTC, datetime

import msgspec

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
VARIABLE = "CROSSMARGIN_LOG"
"""``json`` for JSON lines; anything else, or nothing, for words."""
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """``{"time", "level", "logger", "message"}``, the exception where there is one, and what the line is about."""

    def format(self, record: logging.LogRecord) -> str:
        """One object."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _PLAIN and name[0] != "_"}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


def log_to_stderr(level: int = logging.INFO) -> None:
    """Log lines on standard error, so that standard output carries results only."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if os.environ.get(VARIABLE) == "json" else logging.Formatter(FORMAT))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
