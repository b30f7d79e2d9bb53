"""How `convo` ends: one exit code for each kind of failure."""

from typing import Final

from conversation_engine.kernel.errors import Kind

EXIT_CODES: Final = {
    Kind.INTERNAL: 1,
    Kind.INVALID: 2,  # what typer ends with when an option makes no sense
    Kind.NOT_FOUND: 3,
    Kind.CONFLICT: 4,
    Kind.UNAUTHENTICATED: 5,
    Kind.FORBIDDEN: 6,
    Kind.TOO_LARGE: 7,
    Kind.RATE_LIMITED: 8,
    Kind.OVER_BUDGET: 9,
    Kind.UPSTREAM: 10,
    Kind.UNAVAILABLE: 11,
    Kind.CANCELLED: 130,  # what a shell reports after Ctrl-C
}
