"""Settings: every name that the design promises, and one line for everything that can be wrong with it."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot import settings
from bot.settings import Settings, SettingsError
from bot.store.sealing import new_master_key

MASTER_KEY = new_master_key()
HTTP = {
    "SLACK_BOT_TOKEN": "xoxb-made-up",
    "SLACK_SIGNING_SECRET": "made-up-signing",
    "CONFLUENT_CLOUD_API_KEY": "AAAABBBBCCCCDDDD",
    "CONFLUENT_CLOUD_API_SECRET": "made-up-secret",
    "LATCHKEY_MASTER_KEYS": MASTER_KEY,
    "LATCHKEY_CHANNEL": "C02ABC",
}
SOCKET = {name: value for name, value in HTTP.items() if name != "SLACK_SIGNING_SECRET"} | {
    "SLACK_APP_TOKEN": "xapp-made-up"
}


@pytest.fixture(autouse=True)
def no_secrets_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(settings, "DEFAULT_SECRETS_DIR", tmp_path / "run-secrets")


def loaded(monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str]) -> Settings:
    for name in settings.KNOWN:
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return settings.load()


def problems(monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as raised:
        loaded(monkeypatch, environ)
    assert str(raised.value).splitlines() == list(raised.value.problems)
    return raised.value.problems


def test_every_variable_of_the_design_and_no_other() -> None:
    assert {name.upper() for name in Settings.model_fields} == {
        "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_MODE", "SLACK_API_URL", "PORT", "HOST",
        "CONFLUENT_CLOUD_API_KEY", "CONFLUENT_CLOUD_API_SECRET", "CONFLUENT_CLOUD_ENDPOINT", "REDIS_URL",
        "LATCHKEY_DATA_DIR", "LATCHKEY_MASTER_KEYS", "LATCHKEY_POLICY", "LATCHKEY_CHANNEL", "LOG_LEVEL",
        "LATCHKEY_REDIS_INSECURE", "LATCHKEY_REDIS_REPLICAS", "LATCHKEY_DRAIN", "LATCHKEY_AUDIT_LOG",
        "LATCHKEY_LEAK_WEBHOOK",
    }  # fmt: skip


def test_what_is_not_set_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    found = loaded(monkeypatch, HTTP)

    assert found.slack_mode == "http"
    assert found.slack_api_url == "https://slack.com/api/"
    assert found.confluent_cloud_endpoint == "https://api.confluent.cloud"
    assert (found.host, found.port, found.log_level) == ("127.0.0.1", 8080, "INFO")
    assert (found.redis_url, found.latchkey_redis_replicas) == (None, 0)
    assert found.latchkey_data_dir == Path("latchkey-data")


def test_what_is_set_holds_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    given = SOCKET | {
        "SLACK_API_URL": "http://127.0.0.1:8123/api/",
        "CONFLUENT_CLOUD_ENDPOINT": "https://confluent.example.com/",
        "SLACK_BOT_TOKEN": " xoxb-made-up\n",
        "REDIS_URL": "rediss://u:p@cache:6380/1",
        "PORT": "0",
        "HOST": "0.0.0.0",
        "LOG_LEVEL": "debug",
        "LATCHKEY_DATA_DIR": "/data",
    }
    found = loaded(monkeypatch, given)

    assert found.slack_mode == "socket"
    assert found.slack_api_url == "http://127.0.0.1:8123/api/"
    assert found.confluent_cloud_endpoint == "https://confluent.example.com"
    assert found.slack_bot_token.get_secret_value() == "xoxb-made-up"
    assert found.redis_url is not None
    assert found.redis_url.get_secret_value() == given["REDIS_URL"]
    assert (found.host, found.port, found.log_level) == ("0.0.0.0", 0, "DEBUG")
    assert found.latchkey_data_dir == Path("/data")


def test_a_blank_value_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    found = loaded(monkeypatch, HTTP | {"SLACK_APP_TOKEN": " ", "REDIS_URL": "", "PORT": "", "LATCHKEY_POLICY": ""})

    assert (found.slack_mode, found.slack_app_token, found.redis_url, found.port) == ("http", None, None, 8080)


def test_the_mode_may_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(monkeypatch, HTTP | SOCKET | {"SLACK_MODE": "HTTP"}).slack_mode == "http"


@pytest.mark.parametrize(
    "url",
    [
        "redis://cache",
        "rediss://:p@cache:6380/1",
        "unix:///run/redis.sock",
        "redis+sentinel://u:p@a:1,b:2/main/0",
        "redis+cluster://:p@a:1,b:2",
    ],
)
def test_kinds_of_redis(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    found = loaded(monkeypatch, HTTP | {"REDIS_URL": url}).redis_url

    assert found is not None
    assert found.get_secret_value() == url


def test_t3_replicas_are_those_of_a_server_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = HTTP | {"LATCHKEY_REDIS_REPLICAS": "1"}

    assert loaded(monkeypatch, asked | {"REDIS_URL": "redis://cache"}).latchkey_redis_replicas == 1
    (line,) = problems(monkeypatch, asked)
    assert line.startswith("LATCHKEY_REDIS_REPLICAS is set, but REDIS_URL is not")


def test_reports_of_scanners_are_taken_in_http_mode_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text("{}")
    for given, found in (
        ("", ""),
        ("GitHub", "https://api.github.com/meta/public_keys/secret_scanning"),
        ("https://ghe.example.com/keys/", "https://ghe.example.com/keys"),
        (str(file), str(file)),
    ):
        assert loaded(monkeypatch, HTTP | {"LATCHKEY_LEAK_WEBHOOK": given}).latchkey_leak_webhook == found

    (line,) = problems(monkeypatch, SOCKET | {"LATCHKEY_LEAK_WEBHOOK": "github"})
    assert line.startswith("LATCHKEY_LEAK_WEBHOOK is set, but SLACK_MODE is socket")


def test_several_master_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    both = f"{MASTER_KEY}, {new_master_key()}"

    assert loaded(monkeypatch, HTTP | {"LATCHKEY_MASTER_KEYS": both}).latchkey_master_keys.get_secret_value() == both


@pytest.mark.parametrize("name", HTTP)
def test_each_missing_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (line,) = problems(monkeypatch, {other: value for other, value in HTTP.items() if other != name})

    assert line.startswith(f"{name} is not set")
    assert line.endswith(".")


def test_all_problems_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [line.split()[0] for line in problems(monkeypatch, {"PORT": "many", "SLACK_BOT_TOKEN": "xoxp-0"})] == [
        "SLACK_BOT_TOKEN",
        "SLACK_SIGNING_SECRET",
        "CONFLUENT_CLOUD_API_KEY",
        "CONFLUENT_CLOUD_API_SECRET",
        "LATCHKEY_MASTER_KEYS",
        "LATCHKEY_CHANNEL",
        "PORT",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SLACK_BOT_TOKEN", "xoxp-sesame"),
        ("SLACK_APP_TOKEN", "xoxb-sesame"),
        ("SLACK_MODE", "sesame"),
        ("SLACK_API_URL", "http://sesame.example.com/api/"),
        ("SLACK_API_URL", "https://u:sesame@slack.com/api/"),
        ("SLACK_API_URL", "sesame"),
        ("CONFLUENT_CLOUD_API_KEY", "sesame/sesame+sesame"),
        ("CONFLUENT_CLOUD_ENDPOINT", "http://10.0.0.1/sesame"),
        ("CONFLUENT_CLOUD_ENDPOINT", "https://[sesame"),
        ("CONFLUENT_CLOUD_ENDPOINT", "https://a:sesame"),
        ("CONFLUENT_CLOUD_ENDPOINT", "https://a/?sesame"),
        ("REDIS_URL", "memcached://u:sesame@cache"),
        ("REDIS_URL", "redis://u:sesame@cache:port"),
        ("REDIS_URL", "redis://u:sesame@\u2100cache"),
        ("REDIS_URL", "redis://"),
        ("REDIS_URL", "unix://"),
        ("REDIS_URL", "redis+sentinel://u:sesame@a:1,b:2"),
        ("LATCHKEY_REDIS_REPLICAS", "sesame"),
        ("LATCHKEY_REDIS_REPLICAS", "-1"),
        ("LATCHKEY_REDIS_REPLICAS", "6"),
        ("LATCHKEY_MASTER_KEYS", "sesame"),
        ("LATCHKEY_LEAK_WEBHOOK", "sesame"),
        ("LATCHKEY_LEAK_WEBHOOK", "http://sesame.example.com/keys"),
        pytest.param("LATCHKEY_MASTER_KEYS", f"{MASTER_KEY},lk1_sesame", id="one master key is none"),
        pytest.param("LATCHKEY_MASTER_KEYS", f"{MASTER_KEY},{MASTER_KEY}", id="one master key twice"),
        ("LATCHKEY_CHANNEL", "#sesame"),
        ("LATCHKEY_CHANNEL", "D02SESAME"),
        ("PORT", "sesame"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("LOG_LEVEL", "sesame"),
    ],
)
def test_a_malformed_value_is_named_and_not_quoted(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    (line,) = problems(monkeypatch, HTTP | {name: value})

    assert line.startswith(f"{name} ")
    assert line.endswith(".")
    assert "sesame" not in line.casefold()
    assert MASTER_KEY not in line


def test_a_policy_file_makes_the_channel_optional(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "policy.yml"
    file.write_text("version: 1\n", "utf-8")
    with_a_file = {name: value for name, value in HTTP.items() if name != "LATCHKEY_CHANNEL"}

    found = loaded(monkeypatch, with_a_file | {"LATCHKEY_POLICY": f" {file} "})

    assert (found.latchkey_policy, found.latchkey_channel) == (file, "")
    assert loaded(monkeypatch, HTTP | {"LATCHKEY_POLICY": str(file)}).latchkey_channel == HTTP["LATCHKEY_CHANNEL"]


def test_a_policy_file_that_is_not_there_is_the_only_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without = {name: value for name, value in HTTP.items() if name != "LATCHKEY_CHANNEL"}

    (line,) = problems(monkeypatch, without | {"LATCHKEY_POLICY": str(tmp_path)})

    assert line.startswith("LATCHKEY_POLICY isn't a file that Latchkey can see. ")


def test_a_mode_without_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = problems(monkeypatch, HTTP | {"SLACK_MODE": "socket"})
    assert line.startswith("SLACK_APP_TOKEN is not set, but SLACK_MODE is socket. ")

    (line,) = problems(monkeypatch, SOCKET | {"SLACK_MODE": "http"})
    assert line.startswith("SLACK_SIGNING_SECRET is not set, and HTTP mode needs it. ")


@pytest.mark.parametrize("name", settings.SECRETS)
def test_each_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    environ = HTTP | SOCKET | {"REDIS_URL": "redis://cache"}
    file = tmp_path / "file"
    file.write_text(environ[name] + "\n", "utf-8")

    named = loaded(
        monkeypatch, {other: value for other, value in environ.items() if other != name} | {f"{name}_FILE": str(file)}
    )

    assert named == loaded(monkeypatch, environ)


@pytest.mark.parametrize("spelt", [str.upper, str.lower])
def test_secrets_may_stand_in_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spelt: type[str]) -> None:
    for name in HTTP.keys() & set(settings.SECRETS):
        (tmp_path / spelt(name)).write_text(HTTP[name], "utf-8")
    (tmp_path / "PORT").write_text("1", "utf-8")
    folder = {"LATCHKEY_SECRETS_DIR": str(tmp_path), "LATCHKEY_CHANNEL": HTTP["LATCHKEY_CHANNEL"]}

    assert loaded(monkeypatch, folder) == loaded(monkeypatch, HTTP)


def test_the_environment_goes_before_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "SLACK_BOT_TOKEN").write_text("xoxb-from-the-folder", "utf-8")

    found = loaded(monkeypatch, HTTP | {"LATCHKEY_SECRETS_DIR": str(tmp_path)})

    assert found.slack_bot_token.get_secret_value() == "xoxb-made-up"


@pytest.mark.parametrize(
    ("content", "what"),
    [(None, "No such file or directory"), (b"", "the file is empty"), (b"\xff", "it isn't text")],
)
def test_a_file_that_will_not_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, what: str
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    environ = {name: value for name, value in HTTP.items() if name != "SLACK_BOT_TOKEN"}

    (line,) = problems(monkeypatch, environ | {"SLACK_BOT_TOKEN_FILE": str(path)})

    assert line.startswith(f"SLACK_BOT_TOKEN can't be read from {path}: {what}")


def test_a_value_and_a_file_are_one_too_many(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert problems(monkeypatch, HTTP | {"SLACK_BOT_TOKEN_FILE": str(tmp_path)}) == (
        "SLACK_BOT_TOKEN and SLACK_BOT_TOKEN_FILE are both set. Unset one of them.",
    )


def test_a_secrets_folder_that_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (line,) = problems(monkeypatch, HTTP | {"LATCHKEY_SECRETS_DIR": str(tmp_path / "none")})

    assert line.startswith("LATCHKEY_SECRETS_DIR isn't a folder: ")


def test_settings_are_frozen_and_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = HTTP | SOCKET | {"REDIS_URL": "redis://u:sesame@cache"}
    found = loaded(monkeypatch, environ)

    for name in set(settings.SECRETS) - {"CONFLUENT_CLOUD_API_KEY"}:
        assert environ[name] not in f"{found!r} {found} {found.model_dump()} {found.model_dump_json()}"
    with pytest.raises(ValidationError):
        found.port = 1  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]


def test_a_variable_that_nobody_reads_is_guessed_at(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("LATCHKEY_")]:
        monkeypatch.delenv(name)
    for name in ["LATCHKEY_CHANEL", "LATCHKEY_CHANNEL", "LATCHKEY_MASTER_KEYS_FILE", "LATCHKEY_XYZZY", "OTHER_CHANEL"]:
        monkeypatch.setenv(name, "sesame")

    assert settings.unknown_variables() == [
        "LATCHKEY_CHANEL isn't a Latchkey setting and was ignored. Did you mean LATCHKEY_CHANNEL?",
        "LATCHKEY_XYZZY isn't a Latchkey setting and was ignored.",
    ]


def test_master_keys_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LATCHKEY_MASTER_KEYS", raising=False)
    assert settings.master_keys() is None

    file = tmp_path / "keys"
    file.write_text(MASTER_KEY, "utf-8")
    monkeypatch.setenv("LATCHKEY_MASTER_KEYS_FILE", str(file))
    keys = settings.master_keys()
    assert keys is not None
    assert keys.get_secret_value() == MASTER_KEY

    file.write_text("sesame", "utf-8")
    with pytest.raises(SettingsError, match=r"^LATCHKEY_MASTER_KEYS is malformed: master key 1 of 1 isn't one that"):
        settings.master_keys()
    file.unlink()
    with pytest.raises(SettingsError, match=r"^LATCHKEY_MASTER_KEYS can't be read from"):
        settings.master_keys()
