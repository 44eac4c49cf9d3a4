"""Opaque cursors: where the next page begins, not for reading by clients."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from api.errors import Problem
from api.http.answer import error_at

MARK = "s:"


def cursor_of(seq: int) -> str:
    """Cursor for what comes below a sequence number."""
    return urlsafe_b64encode(f"{MARK}{seq}".encode()).decode().rstrip("=")


def seq_of(cursor: str | None) -> int | None:
    """Sequence number of a cursor; a Problem where it is not one of ours."""
    if cursor is None:
        return None
    try:
        text = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode("ascii")
        if text.startswith(MARK) and text[2:].isdigit() and len(text) <= 20 and cursor_of(int(text[2:])) == cursor:
            return int(text[2:])
    except ValueError:
        pass
    message = "not a cursor of this service: take it from the Link header of the page before"
    raise Problem(400, "bad_request", f"cursor: {message}", (error_at(("query", "cursor"), message),))
