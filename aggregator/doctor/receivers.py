"""Receivers of alerts: address and secret by their form. Nothing is sent."""

import base64
import binascii
from urllib.parse import urlsplit

from aggregator.config import Settings, WebhookSettings
from aggregator.doctor.finding import Finding, failing, warning

FORM = "whsec_ and the base64 of 24 to 64 random bytes"
LENGTHS = range(24, 65)
"""Bytes of a secret by Standard Webhooks."""
LOCAL = {"localhost", "127.0.0.1", "::1"}


def receivers(settings: Settings) -> list[Finding]:
    """One line per receiver, and one where nobody would be told."""
    hooks = settings.webhooks
    if not hooks:
        return [warning("webhooks: somebody is told", "no receiver in the settings", "add a [[webhooks]] table")]
    names = [hook.name for hook in hooks]
    twice = sorted({name for name in names if names.count(name) > 1})
    lines = [_receiver(hook) for hook in hooks]
    if twice:
        lines.append(failing("webhooks: names", f"{twice[0]} stands twice", "give every receiver its own name"))
    return lines


def _receiver(hook: WebhookSettings) -> Finding:
    what = f"webhooks.{hook.name}: address and secret"
    if problem := _secret_problem(hook.secret.get_secret_value()):
        return failing(what, problem, f"a secret is {FORM}")
    try:
        url = urlsplit(hook.url.get_secret_value())
        host = url.hostname
    except ValueError:
        host, url = None, urlsplit("")
    if url.scheme not in {"http", "https"} or not host:
        return failing(what, "the address is not an http(s) URL with a host", "correct its `url`")
    if url.scheme == "http" and host not in LOCAL:
        return warning(what, "alerts travel unencrypted", "use https")
    return Finding(what)


def _secret_problem(secret: str) -> str:
    if not secret.startswith("whsec_"):
        return "the secret does not begin with whsec_"
    try:
        size = len(base64.b64decode(secret.removeprefix("whsec_"), validate=True))
    except (binascii.Error, ValueError):
        return "the secret is not base64 behind whsec_"
    return "" if size in LENGTHS else f"the secret has {size} bytes"
