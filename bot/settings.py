"""Settings: the environment, read once, checked as a whole, frozen.

A field is named like its variable, in lower case. Its description says where to find the value, and ends every error
about it. A secret can also be in a file: the one that `X_FILE` names, or one named X (or x) in a secrets folder.
"""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot import variables

SECRETS_DIR = "LATCHKEY_SECRETS_DIR"
DEFAULT_SECRETS_DIR = Path("/run/secrets")
SLACKS = frozenset({"slack.com", "slack-gov.com"})
"""Hosts of Slack's own Web API."""


class SettingsError(Exception):
    """Settings are missing or invalid.

    `str` has one line per problem, which names the variable and quotes no secret.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class StartupError(Exception):
    """The settings are valid, but don't work: for example, the token is wrong or Redis is missing.

    `str` is one line.
    """


class TryAgain(StartupError):
    """A start failed that may succeed later without any change."""


class _Common(BaseSettings):
    model_config = SettingsConfigDict(
        frozen=True, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True, validate_default=True
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Use DEBUG, INFO, WARNING or ERROR."
    )

    @model_validator(mode="before")
    @classmethod
    def _tidy(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Trim all values, and drop blank ones."""
        return _trimmed(values)

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_capitals(cls, value: str) -> str:
        return value.upper()


class StoreSettings(_Common):
    """The settings of the store. Read by `load_store()`."""

    redis_url: Annotated[SecretStr, AfterValidator(variables.redis_url)] | None = Field(
        default=None, description="Leave it unset for an embedded server in LATCHKEY_DATA_DIR."
    )
    latchkey_redis_insecure: bool = Field(
        default=False, description="Set it to 1 only if REDIS_URL has to turn off checks of the server's certificate."
    )
    latchkey_redis_replicas: int = Field(
        default=0,
        ge=0,
        le=5,
        description="Use a whole number up to 5: how many Redis replicas must confirm a step before it takes effect.",
    )
    latchkey_data_dir: Path = Field(
        default=Path("latchkey-data"), description="Name a folder that Latchkey can write to."
    )
    latchkey_master_keys: Annotated[SecretStr, AfterValidator(variables.master_keys)] = Field(
        description="Create a key with `latchkey keygen` and keep it safe: without it, stored data can't be read."
    )
    latchkey_audit_log: str = Field(
        default="", description="Use stdout, or a file that Latchkey can append to; leave it unset for neither."
    )

    @field_validator("latchkey_redis_replicas")
    @classmethod
    def _of_a_server(cls, number: int, info: ValidationInfo) -> int:
        if number and info.data.get("redis_url", "wrong") is None:
            raise ValueError("is set, but REDIS_URL is not, and the embedded server has no replicas")
        return number


class CloudSettings(_Common):
    """The settings for calls to Slack and Confluent Cloud, without the store. Read by `load_clouds()`."""

    slack_bot_token: Annotated[SecretStr, AfterValidator(lambda token: variables.begins_with("xoxb-", token))] = Field(
        description='Copy the "Bot User OAuth Token" from "OAuth & Permissions" in the settings of the Slack app.'
    )
    slack_api_url: variables.Endpoint = Field(
        default="https://slack.com/api/", description="Leave it unset, except for the sandbox."
    )
    confluent_cloud_api_key: str = Field(
        pattern=r"^[A-Za-z0-9]{8,}$",
        description="Use the ID of a Cloud API key of the bot's own service account.",
    )
    confluent_cloud_api_secret: SecretStr = Field(
        description="Use the secret that was shown when that Cloud API key was created.",
    )
    confluent_cloud_endpoint: variables.Endpoint = Field(
        default="https://api.confluent.cloud",
        description="Leave it unset, unless you use the government cloud or the sandbox.",
    )

    @field_validator("slack_api_url")
    @classmethod
    def _as_a_folder(cls, url: str) -> str:
        """End the URL with a slash.

        When the Slack SDK appends a method name, it would replace a last part without one.
        """
        return f"{url}/"


class Settings(StoreSettings, CloudSettings):
    """All settings. Read by `load()`."""

    slack_mode: Literal["socket", "http"] = Field(
        description="Leave it unset: it's socket when SLACK_APP_TOKEN is set, otherwise http."
    )
    slack_app_token: SecretStr | None = Field(
        default=None,
        description='Create an "App-Level Token" with connections:write under "Basic Information" of the Slack app.',
    )
    slack_signing_secret: SecretStr | None = Field(
        default=None,
        description='Copy the "Signing Secret" from "Basic Information" of the Slack app; '
        "or set SLACK_APP_TOKEN for Socket Mode.",
    )
    latchkey_policy: Annotated[Path | None, AfterValidator(variables.policy_file)] = Field(
        default=None,
        description="Name a policy file (try `latchkey policy check`), or unset it and set LATCHKEY_CHANNEL.",
    )
    latchkey_channel: str = Field(
        default="",
        pattern=r"^([CG][A-Z0-9]+)?$",
        description="Use the ID of the approvals channel (C… or G…), the end of the channel's link.",
    )

    latchkey_leak_webhook: Annotated[str, AfterValidator(variables.scanner)] = Field(
        default="",
        description="Use github, or the https:// address or the file of the public keys that sign a secret scanner's "
        "reports; leave it unset to take none.",
    )

    host: str = Field(default="127.0.0.1", description="Use an address of this machine; 0.0.0.0 is all of them.")
    port: int = Field(
        default=8080, ge=0, le=65535, description="Use a whole number up to 65535; 0 takes any free port."
    )
    latchkey_drain: float = Field(
        default=5.0,
        ge=0,
        le=300,
        description="Use a number of seconds up to 300: how long to keep answering in HTTP mode once asked to stop.",
    )

    @model_validator(mode="before")
    @classmethod
    def _tidy(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Trim all values, drop blank ones, and choose the mode, which other fields depend on."""
        tidy = _trimmed(values)
        return {"slack_mode": "socket" if "slack_app_token" in tidy else "http"} | tidy

    @field_validator("slack_mode", mode="before")
    @classmethod
    def _in_lower_case(cls, value: str) -> str:
        return value.lower()

    @field_validator("slack_app_token")
    @classmethod
    def _for_socket_mode(cls, token: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if token is None and info.data.get("slack_mode") == "socket":
            raise ValueError("is not set, but SLACK_MODE is socket")
        return token and variables.begins_with("xapp-", token)

    @field_validator("slack_signing_secret")
    @classmethod
    def _for_http_mode(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        # Bolt would start without one and answer every request with 500.
        if secret is None and info.data.get("slack_mode") == "http":
            raise ValueError("is not set, and HTTP mode needs it")
        return secret

    @field_validator("latchkey_channel")
    @classmethod
    def _for_cards(cls, channel: str, info: ValidationInfo) -> str:
        """Require a channel if there's no policy file.

        A file names its own channels, and its own check requires them.
        """
        if not channel and info.data.get("latchkey_policy", "wrong") is None:
            raise ValueError("is not set, and neither is LATCHKEY_POLICY")
        return channel

    @field_validator("latchkey_leak_webhook")
    @classmethod
    def _for_scanners(cls, source: str, info: ValidationInfo) -> str:
        """Refuse a scanner in Socket Mode, where Latchkey has no public address, so no report could arrive."""
        if source and info.data.get("slack_mode") == "socket":
            raise ValueError("is set, but SLACK_MODE is socket, and only HTTP mode takes reports of scanners")
        return source

    @property
    def is_real_slack(self) -> bool:
        """Whether calls go to Slack itself, and not to the sandbox or a test's stand-in."""
        return urlsplit(self.slack_api_url).netloc in SLACKS


SettingsT = TypeVar("SettingsT", bound=_Common)
SECRETS = tuple(
    name.upper()
    for name, field in Settings.model_fields.items()
    if name == "confluent_cloud_api_key" or "SecretStr" in str(field.annotation)
)
"""Variables whose value can be in a file instead: all secrets, and the key ID that belongs to one."""
KNOWN = frozenset(
    [name.upper() for name in Settings.model_fields] + [f"{name}_FILE" for name in SECRETS] + [SECRETS_DIR]
)


def load() -> Settings:
    """Read the environment and the secret files. Raises `SettingsError` with all problems."""
    return _loaded(Settings)


def load_store() -> StoreSettings:
    """Read only the settings of the store, for work without Slack and Confluent. Raises `SettingsError`."""
    return _loaded(StoreSettings)


def load_clouds() -> CloudSettings:
    """Read only the settings for calls to Slack and Confluent Cloud. Raises `SettingsError`."""
    return _loaded(CloudSettings)


def _loaded(kind: type[SettingsT]) -> SettingsT:
    problems: dict[str, str] = {}
    files = dict(_from_files(os.environ, problems))
    problems = {
        name: text for name, text in problems.items() if name == SECRETS_DIR or name.lower() in kind.model_fields
    }
    values: dict[str, Any] = files
    try:
        settings = kind(**values)
    except ValidationError as error:
        complaints = error.errors(include_url=False, include_input=False)
        for complaint in sorted(complaints, key=lambda each: _place(str(each["loc"][0]))):
            name = str(complaint["loc"][0]).upper()
            problems.setdefault(name, _line(name, complaint["type"], complaint["msg"]))
        raise SettingsError(list(problems.values())) from None
    if problems:
        raise SettingsError(list(problems.values()))
    return settings


def _place(name: str) -> int:
    """The rank of a field's errors: Slack and Confluent first, then the store, as in the README."""
    if name.startswith("slack_"):
        return 0
    return 1 if name in CloudSettings.model_fields else 2 if name in StoreSettings.model_fields else 3


def _trimmed(values: dict[str, Any]) -> dict[str, Any]:
    """The values, trimmed, without blank ones."""
    trimmed = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
    return {name: value for name, value in trimmed.items() if value != ""}


def master_keys() -> SecretStr | None:
    """Only LATCHKEY_MASTER_KEYS, for work without Slack and Confluent; None if unset. Raises `SettingsError`."""
    name, problems = "LATCHKEY_MASTER_KEYS", dict[str, str]()
    text = dict(_from_files(os.environ, problems)).get(name.lower()) or os.environ.get(name, "").strip()
    if name in problems:
        raise SettingsError([problems[name]])
    try:
        return variables.master_keys(SecretStr(text)) if text else None
    except ValueError as error:
        raise SettingsError([_line(name, "value_error", str(error))]) from None


def policy_settings() -> tuple[Path | None, str]:
    """Only LATCHKEY_POLICY and LATCHKEY_CHANNEL, unchecked, for work without Slack and Confluent."""
    path, channel = (os.environ.get(name, "").strip() for name in ("LATCHKEY_POLICY", "LATCHKEY_CHANNEL"))
    return Path(path) if path else None, channel


def unknown_variables() -> list[str]:
    """One line for every LATCHKEY_* variable that isn't a setting: most likely a typo."""
    unknown = sorted(name for name in os.environ if name.startswith("LATCHKEY_") and name not in KNOWN)
    return [f"{name} isn't a Latchkey setting and was ignored.{_guess(name)}" for name in unknown]


def _guess(name: str) -> str:
    near = difflib.get_close_matches(name, sorted(KNOWN), n=1, cutoff=0.8)
    return f" Did you mean {near[0]}?" if near else ""


def _line(name: str, kind: str, message: str) -> str:
    if kind == "missing":
        message = "is not set"
    elif kind == "string_pattern_mismatch":
        message = "is malformed"
    elif kind == "value_error":
        message = message.removeprefix("Value error, ")
    else:
        message = f"is malformed: {message[:1].lower()}{message[1:]}"
    return f"{name} {message}. {Settings.model_fields[name.lower()].description}"


def _from_files(environ: Mapping[str, str], problems: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Field name and value of each secret in a file. Files that can't be read are added to `problems`."""
    folder = Path(environ.get(SECRETS_DIR) or DEFAULT_SECRETS_DIR)
    if environ.get(SECRETS_DIR) and not folder.is_dir():
        problems[SECRETS_DIR] = f"{SECRETS_DIR} isn't a folder: {folder}. Correct it, or unset it."
    for name in SECRETS:
        named = environ.get(f"{name}_FILE")
        if named and environ.get(name):
            problems[name] = f"{name} and {name}_FILE are both set. Unset one of them."
        elif named or not environ.get(name):
            path = Path(named) if named else _in_folder(folder, name)
            if path is not None and (text := _read(path, name, problems)):
                yield name.lower(), text


def _in_folder(folder: Path, name: str) -> Path | None:
    paths = (folder / name, folder / name.lower())
    return next((path for path in paths if os.path.isfile(path)), None)  # noqa: PTH113 - Path's raises if not allowed


def _read(path: Path, name: str, problems: dict[str, str]) -> str:
    try:
        text = path.read_text("utf-8").strip()
    except OSError as error:
        problems[name] = f"{name} can't be read from {path}: {error.strerror}. Correct the path or its permissions."
    except UnicodeDecodeError:
        problems[name] = f"{name} can't be read from {path}: it isn't text. Put only the value there."
    else:
        if not text:
            problems[name] = f"{name} can't be read from {path}: the file is empty. Put the value there."
        return text
    return ""
