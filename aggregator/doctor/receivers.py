"""Receivers: is there one, and how do alerts travel. The settings check the form when they load."""

from aggregator.config import Settings
from aggregator.delivery.senders import understood
from aggregator.delivery.settings import WebhookSettings
from aggregator.doctor.finding import Finding, failing, warning

LOCAL = {"http://localhost", "http://127.0.0.1", "http://::1"}


def receivers(settings: Settings) -> list[Finding]:
    """One line per receiver, and one where nobody would be told."""
    if not settings.webhooks:
        return [warning("webhooks: somebody is told", "no receiver in the settings", "add a [[webhooks]] table")]
    return [_receiver(hook) for hook in settings.webhooks]


def _receiver(hook: WebhookSettings) -> Finding:
    what = f"webhooks.{hook.name}: address and secret"
    if hook.kind == "apprise":
        if understood(hook.url.get_secret_value()):
            return Finding(what)
        return failing(what, "apprise does not understand the address", "write it as apprise documents it")
    if hook.target in LOCAL and not hook.allow_private:
        return failing(what, "the address is on this host", "set allow_private = true if that is meant")
    if hook.target.startswith("http://") and hook.target not in LOCAL:
        return warning(what, "alerts travel unencrypted", "use https")
    return Finding(what)
