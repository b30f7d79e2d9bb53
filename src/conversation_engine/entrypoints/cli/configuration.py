"""What a command is set to, and where its log goes."""

import os
from typing import TYPE_CHECKING

from conversation_engine.entrypoints.cli.errors import BadSettingsError

if TYPE_CHECKING:
    from conversation_engine.engine.settings import Settings


def load_settings() -> "Settings":
    """The settings of this environment. Raises BadSettingsError.

    The log goes to stderr from here on: warnings and worse, or what CE_LOG_LEVEL asks for.
    """
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from conversation_engine.engine.settings import SETTINGS_PREFIX, Settings
    from conversation_engine.infra.observability import logs

    try:
        settings = Settings()
    except ValidationError as error:
        # Values stay out of the sentence: one of them may be a secret.
        wrong = "; ".join(
            f"{SETTINGS_PREFIX}{'.'.join(map(str, fault['loc'])).upper()}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        )
        raise BadSettingsError(f"The environment has settings that make no sense. {wrong}.") from error
    except SettingsError as error:  # its own sentence names the field, never the value
        raise BadSettingsError(f"The environment has a setting that is not JSON: {error}.") from None
    level = settings.log_level if "log_level" in settings.model_fields_set else "WARNING"
    logs.configure(level, settings.log_format)
    return settings


def set_in_environment(name: str, value: object | None) -> None:
    """Let a flag override its variable, for this process and everything that it starts; `None` changes nothing."""
    if value is not None:
        os.environ[name] = str(value)
