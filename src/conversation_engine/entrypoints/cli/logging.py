"""Where log lines of the terminal's commands go."""

import logging
import sys
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from conversation_engine.engine.settings import Settings


def log_to_stderr(settings: "Settings") -> None:
    """Log to stderr: warnings and worse, or what CE_LOG_LEVEL asks for. Standard output belongs to the commands."""
    chosen = settings.log_level if "log_level" in settings.model_fields_set else "WARNING"
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[chosen]),
        # Asked anew for each line: rich replaces sys.stderr while it draws a reply.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
