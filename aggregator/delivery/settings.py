"""Settings of the receivers and of the delivery to them. Addresses and secrets are ``SecretStr``."""

import binascii
from base64 import b64decode
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

PREFIX = "whsec_"
KEY_BYTES = range(16, 65)
"""Standard Webhooks asks for 24 to 64 bytes; 16 are taken too, for secrets that exist already."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _checked_secret(value: SecretStr | None) -> SecretStr | None:
    """Refuse what cannot sign, without showing it."""
    if value is None:
        return None
    text = value.get_secret_value().removeprefix(PREFIX)
    try:
        if text == value.get_secret_value():
            raise ValueError
        size = len(b64decode(text + "=" * (-len(text) % 4), validate=True))
    except (binascii.Error, ValueError):
        raise ValueError(f"expected {PREFIX} and base64") from None
    if size not in KEY_BYTES:
        raise ValueError(f"expected a key of {KEY_BYTES.start} to {KEY_BYTES.stop - 1} bytes, was one of {size}")
    return value


class OldSecret(_Section):
    """A key that a receiver may still verify with while it changes to the new one."""

    secret: SecretStr
    until: AwareDatetime | None = None
    """Signs no more from then on; None: as long as it is in the settings."""

    _secret = field_validator("secret")(_checked_secret)


class WebhookSettings(_Section):
    """A receiver of alerts."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    kind: Literal["webhook", "apprise"] = "webhook"
    """``webhook``: signed JSON (Standard Webhooks); ``apprise``: words (Telegram, Slack, e-mail ...)."""
    url: SecretStr
    secret: SecretStr | None = None
    """``whsec_`` and base64, as Standard Webhooks writes it; signs beside ``old_secrets``."""
    old_secrets: tuple[OldSecret, ...] = Field(default=(), max_length=4)
    timeout_s: float = Field(default=5, gt=0, le=60)
    """For one attempt as a whole."""
    concurrency: int = Field(default=4, ge=1, le=64)
    """Attempts at a time."""
    allow_private: bool = False
    """Let the address be in a private network or on this host."""

    _secret = field_validator("secret")(_checked_secret)

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "WebhookSettings":
        if self.kind == "apprise":
            if self.secret is not None or self.old_secrets:
                raise ValueError("secret: only a webhook is signed")
            return self
        if self.secret is None:
            raise ValueError("secret: a webhook needs one (whsec_ and base64)")
        try:
            parts = urlsplit(self.url.get_secret_value())
            good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good:
            raise ValueError("url: expected http:// or https:// and a host")
        return self

    def keys(self, now: datetime) -> tuple[str, ...]:
        """Keys that sign at a time, the new one first."""
        first = (self.secret,) if self.secret is not None else ()
        old = (item.secret for item in self.old_secrets if item.until is None or now < item.until)
        return tuple(secret.get_secret_value() for secret in (*first, *old))

    @property
    def target(self) -> str:
        """Where it goes, without anything that could be a secret: scheme and host, or the service's scheme."""
        text = self.url.get_secret_value()
        if self.kind == "apprise":
            return text.partition("://")[0][:40]
        parts = urlsplit(text)
        return f"{parts.scheme}://{parts.hostname}"


class DeliverySettings(_Section):
    """How alerts are delivered."""

    retry_base_s: float = Field(default=1, gt=0)
    """Delay after the first failed attempt; doubles with every further one."""
    retry_max_s: float = Field(default=900, gt=0, le=86_400)
    """Longest delay between two attempts."""
    poll_s: float = Field(default=1, gt=0)
    """How often the outbox is looked at for what other processes wrote."""
    disable_after_s: float = Field(default=432_000, gt=0)
    """A receiver that has taken nothing for so long (5 days) is switched off until it is enabled again ..."""
    disable_after_attempts: int = Field(default=20, ge=1)
    """... if it was tried at least so often."""
    log_days: float = Field(default=30, gt=0)
    """The delivery log forgets attempts that are older."""
    log_rows: int = Field(default=100_000, ge=100)
    """Most attempts that the delivery log holds."""


def unlike(receivers: tuple[WebhookSettings, ...]) -> tuple[WebhookSettings, ...]:
    """The receivers as they are; ValueError where two have one name."""
    names = [receiver.name for receiver in receivers]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two receivers are called {twice[0]!r}: names tell them apart in the outbox")
    return receivers
