"""When a local model that died is started again: a pure decision over how long its last lives were."""

from dataclasses import dataclass

# Dying this soon after the load means that the machine, and not a request, is at fault.
INSTANT_DEATH_SECONDS = 5.0
# A process that served this long has proven that it can run: what killed it is a new crash.
STABLE_LIFE_SECONDS = 60.0
INSTANT_DEATHS_LIMIT = 5

_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartHistory:
    """The deaths since the process was last stable."""

    short_lives: int = 0
    """Deaths in a row before `STABLE_LIFE_SECONDS`; the instant ones are among them."""
    instant_deaths: int = 0
    """Deaths in a row before `INSTANT_DEATH_SECONDS`. A start that failed is one."""

    def after_a_life_of(self, lived_seconds: float) -> "RestartHistory":
        """The history after one more death, `lived_seconds` after the process was ready."""
        return RestartHistory(
            short_lives=0 if lived_seconds >= STABLE_LIFE_SECONDS else self.short_lives + 1,
            instant_deaths=0 if lived_seconds >= INSTANT_DEATH_SECONDS else self.instant_deaths + 1,
        )

    @property
    def delay_seconds(self) -> float | None:
        """The wait before the next automatic restart: 0.5 s, doubled by each short life, at most 30 s.

        `None` after `INSTANT_DEATHS_LIMIT` instant deaths: only being asked for starts it then.
        """
        if self.instant_deaths >= INSTANT_DEATHS_LIMIT:
            return None
        doublings = max(0, self.short_lives - 1)
        # Bounded before the power is taken: a float overflows at 2 ** 1024.
        return min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * 2.0 ** min(doublings, 10))
