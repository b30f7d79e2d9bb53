"""The table of a run."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from statistics import median

from benchmarks.table import print_table
from chaos.judge import Finding
from chaos.options import Options
from chaos.said import Said

PROMISES = {
    "lost": "lost: acknowledged, then not there",
    "duplicated": "duplicated: stored more often than asked",
    "stuck": "stuck: not ended in time",
    "differs": "streams that differ from what is stored",
    "gaps": "conversations with gaps in their order",
    "left": "rows left over at rest",
}
_ENDS_TRACEBACK = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Violation|Warning|Shutdown\w*)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run, told in figures."""

    options: Options
    seconds: float
    said: Sequence[Said]
    findings: Sequence[Finding]
    recovery_seconds: Sequence[float]
    states: Mapping[str, int]
    """How turns ended."""
    harms: Mapping[str, int]
    refusals: Mapping[str, int]
    own_deaths: int
    """Processes that ended although nobody asked them to."""
    start_seconds: Sequence[float]
    is_idempotent: bool
    errors: Mapping[str, int]
    """What servers wrote of exceptions that they did not expect, by kind."""

    @property
    def broken(self) -> Mapping[str, int]:
        """Promises that were not kept, and how often."""
        return Counter(finding.promise for finding in self.findings)

    @property
    def is_held(self) -> bool:
        """Whether every promise was kept."""
        return not self.findings

    def print(self) -> None:
        """The table, then what was found, then what else happened."""
        options = self.options
        title = f"{options.database}, {options.servers} server(s), seed {options.seed}, {self.seconds:.0f} s"
        print_table(title, ("", "figure"), [*self._load(), *self._promises(), *self._recovery()])
        for finding in self.findings[:50]:
            print(f"  {finding.promise}: {finding.told}")
        for name, counts in (
            ("harm done", self.harms),
            ("turns ended", self.states),
            ("refusals met", self.refusals),
            ("exceptions logged", self.errors),
        ):
            print(f"  {name}: {', '.join(f'{what} {count}' for what, count in sorted(counts.items())) or 'none'}")

    def _load(self) -> list[tuple[str, str]]:
        said = self.said
        return [
            ("turns submitted", f"{len(said)}"),
            ("acknowledged", f"{sum(one.is_acknowledged for one in said)}"),
            ("submitted again with the same key", f"{sum(one.sends - 1 for one in said if one.sends > 1)}"),
            ("the server knows keys", "yes" if self.is_idempotent else "no"),
            ("streams resumed", f"{sum(one.resumes for one in said)}"),
        ]

    def _promises(self) -> list[tuple[str, str]]:
        return [(told, f"{self.broken.get(promise, 0)}") for promise, told in PROMISES.items()]

    def _recovery(self) -> list[tuple[str, str]]:
        recoveries = self.recovery_seconds
        return [
            ("processes that died by themselves", f"{self.own_deaths}"),
            ("turns that outlived their process", f"{len(recoveries)}"),
            ("time to recover, p50", f"{median(recoveries) if recoveries else nan:.2f} s"),
            ("time to recover, max", f"{max(recoveries, default=nan):.2f} s"),
            ("a server starts in, p50", f"{median(self.start_seconds):.2f} s"),
        ]


def exceptions_in(logs: Path) -> Mapping[str, int]:
    """The last lines of tracebacks in a folder of logs, by exception."""
    found: Counter[str] = Counter()
    for path in logs.glob("server-*.log"):
        for line in path.read_text(errors="replace").splitlines():
            if match := _ENDS_TRACEBACK.match(line):
                found[match.group()] += 1
    return found
