"""Settings: from the environment under what a host gives; a bad one is named."""

import os

import pytest
from pydantic import ValidationError

from worldevents.errors import ConfigurationInvalid
from worldevents.settings import Settings


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start from an environment without any of ours."""
    for name in list(os.environ):
        if name.upper().startswith("WORLDEVENTS_"):
            monkeypatch.delenv(name)


def test_the_defaults_serve_one_process_on_one_machine() -> None:
    """Without a word, there is a database file in the working directory."""
    assert Settings.load().database_url == "sqlite:///worldevents.db"
    assert Settings.load().auto_migrate is True


def test_every_default_is_valid_and_explained() -> None:
    """Each field's default passes its own limits."""
    defaults = Settings().model_dump()
    assert Settings() == Settings.load(**defaults)


def test_the_environment_is_read_with_its_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    """WORLDEVENTS_BATCH_MAX is batch_max; BATCH_MAX is somebody else's."""
    monkeypatch.setenv("WORLDEVENTS_BATCH_MAX", "7")
    monkeypatch.setenv("WAITING_MAX", "8")
    monkeypatch.setenv("WORLDEVENTS_AUTO_MIGRATE", "false")
    settings = Settings.load()
    assert (settings.batch_max, settings.waiting_max, settings.auto_migrate) == (7, 100_000, False)


def test_what_a_host_gives_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument wins; None is no argument."""
    monkeypatch.setenv("WORLDEVENTS_BATCH_MAX", "7")
    assert Settings.load(batch_max=9).batch_max == 9
    assert Settings.load(batch_max=None).batch_max == 7


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_max", 0),
        ("batch_max", -1),
        ("batch_max", 10_001),
        ("batch_max", "many"),
        ("batch_max", ""),
        ("batch_max", "1.5"),
        ("batch_max", 10**30),
        ("batch_max", float("nan")),
        ("waiting_max", 0),
        ("waiting_max", "1e3"),
        ("auto_migrate", "maybe"),
        ("auto_migrate", 2),
        ("database_url", 5),
    ],
)
def test_a_bad_value_is_refused_with_its_name(field: str, value: object) -> None:
    """The message begins with the setting that cannot be used."""
    with pytest.raises(ConfigurationInvalid) as refused:
        Settings.load(**{field: value})
    assert refused.value.field == field
    assert refused.value.detail.startswith(f"{field}: ")


def test_a_bad_value_in_the_environment_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is checked like everything else, and the value is shown."""
    monkeypatch.setenv("WORLDEVENTS_BATCH_MAX", "lots")
    with pytest.raises(ConfigurationInvalid, match=r"^batch_max: .*'lots'"):
        Settings.load()


def test_an_unknown_setting_is_refused() -> None:
    """A setting that is misspelled is not silently left at its default."""
    with pytest.raises(ConfigurationInvalid, match=r"^batch_maximum: ") as refused:
        Settings.load(batch_maximum=5)
    assert refused.value.field == "batch_maximum"


def test_a_message_never_shows_a_text_setting() -> None:
    """An address may hold a password, and so its value is not repeated; nor is that of an unknown setting."""
    for values in (
        {"database_url": b"postgresql://ann:secret@host\xff"},
        {"databaseurl": "postgresql://ann:secret@host"},
    ):
        with pytest.raises(ConfigurationInvalid) as refused:
            Settings.load(**values)
        assert "secret" not in str(refused.value)


def test_a_long_value_is_cut_in_the_message() -> None:
    """A message stays a message."""
    with pytest.raises(ConfigurationInvalid) as refused:
        Settings.load(batch_max="x" * 100_000)
    assert len(refused.value.detail) < 200


def test_settings_are_frozen() -> None:
    """What the system was opened with stays."""
    settings = Settings.load()
    with pytest.raises(ValidationError, match="frozen"):
        settings.batch_max = 5
