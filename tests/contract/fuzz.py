"""Asks every operation of the OpenAPI document what it says it takes, and what it says it does not, and reads answers.

`python -m tests.contract.fuzz --examples 50` (`make fuzz`) for as long as you like; `test_fuzz.py` for one of each.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import schemathesis
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from conversation_engine.engine.migrating import upgrade
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.opening import open_database
from conversation_engine.kernel.people import Role
from tests.http.world import furnish_over
from tests.serving import SharedServer, serving

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
LAST = ("delete", "erase", "logout")
"""What ends things is asked last, so that there is something to ask about."""
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)


@dataclass(slots=True)
class Report:
    """What came of it."""

    calls: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)


def fuzz(server: SharedServer, ids: Mapping[str, str], *, examples: int, seed: int | None = None) -> Report:
    """Ask; as somebody who may do everything."""
    report = Report()
    document = server.app.openapi()
    schema = schemathesis.openapi.from_dict(document)
    headers = {"Authorization": f"Bearer {server.token('ada', Role.ADMIN)}"}
    operations = [found.ok() for found in schema.get_all_operations()]
    operations.sort(key=lambda one: any(word in f"{one.method} {one.path}".lower() for word in LAST))
    for operation in operations:
        for mode in MODES:
            if mode is MODES[0] or "requestBody" in operation.definition.raw or examples > 1:
                _ask(operation, mode, report, url=server.url, headers=headers, ids=ids, examples=examples, seed=seed)
    return report


def _ask(
    operation: Any,
    mode: schemathesis.GenerationMode,
    report: Report,
    *,
    url: str,
    headers: Mapping[str, str],
    ids: Mapping[str, str],
    examples: int,
    seed: int | None,
) -> None:
    settings = hypothesis.settings(
        max_examples=examples,
        deadline=None,
        derandomize=seed is None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )

    @settings
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        if mode is schemathesis.GenerationMode.POSITIVE:  # else it would be about things that there are not
            case.path_parameters = {**case.path_parameters, **_known(case.path_parameters, ids)}
        case.headers = {**(case.headers or {}), **headers}
        response = case.call(base_url=url, timeout=30)
        report.calls += 1
        report.statuses[response.status_code] = report.statuses.get(response.status_code, 0) + 1
        try:
            assert response.status_code != 500, response.text
            case.validate_response(response, checks=CHECKS)
        except BaseException as fault:
            if isinstance(fault, KeyboardInterrupt):
                raise
            report.faults.setdefault(f"{operation.label} ({mode.value})", str(fault)[:2000])

    if seed is not None:
        ask = hypothesis.seed(seed)(ask)
    try:
        ask()
    except hypothesis.errors.Unsatisfiable:
        return  # there is no wrong way to ask for this


def _known(parameters: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, str]:
    return {name: ids[name] for name in parameters if name in ids}


async def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=30, help="of each operation, right and wrong ones each")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        template, folder = Path(name) / "template.db", Path(name) / "served"
        folder.mkdir()
        database = open_database(f"sqlite:///{template}", Settings())
        await upgrade(database)
        await database.aclose()
        async with serving(folder, template) as server:
            ids = await furnish_over(server.app)
            report = await asyncio.to_thread(fuzz, server, ids, examples=chosen.examples, seed=chosen.seed)
    for place, fault in report.faults.items():
        print(f"── {place}\n{fault}\n")
    print(
        f"{report.calls} calls, {len(report.faults)} faults; answers by status: {dict(sorted(report.statuses.items()))}"
    )
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
