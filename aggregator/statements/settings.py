"""Settings of signed statements."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from aggregator.errors import ConfigError
from chains.caip import AccountId, parse_account


class StatementSettings(BaseModel):
    """Without a key nothing is signed. The key moves no money: give it no funds and use it for nothing else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    signing_key: SecretStr | None = None
    """0x and 64 hex digits."""
    signing_key_file: Path | None = None
    """A file that holds the key, where ``signing_key`` is not set."""
    signer: str | None = None
    """CAIP-10 account of a contract that accepts the key's signatures (ERC-1271); None: the key's own address."""
    lifetime_s: int = Field(default=86_400, ge=60, le=2_592_000)
    """How long a statement holds where the caller does not say."""

    @field_validator("signer")
    @classmethod
    def _signer(cls, value: str | None) -> AccountId | None:
        return None if value is None else parse_account(value)

    def key(self) -> SecretStr | None:
        """The key, None where there is none; raises ConfigError for a file that cannot be read."""
        if self.signing_key is not None or self.signing_key_file is None:
            return self.signing_key
        try:
            return SecretStr(self.signing_key_file.read_text(encoding="ascii").strip())
        except (OSError, UnicodeDecodeError) as error:
            kind = type(error).__name__
            raise ConfigError(f"statements.signing_key_file: cannot be read ({kind})") from None


UNSIGNED = StatementSettings()
"""Without a key."""
