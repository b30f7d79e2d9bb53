"""Schemathesis: one right request to every operation, and a wrong one with a body; `make fuzz` makes many."""

import asyncio
from collections.abc import Mapping

import pytest

from tests.contract.fuzz import fuzz
from tests.serving import SharedServer


@pytest.mark.slow
async def test_no_server_error_and_no_answer_that_the_document_does_not_tell(
    server: SharedServer, ids: Mapping[str, str]
) -> None:
    report = await asyncio.to_thread(fuzz, server, ids, examples=1)
    assert not report.faults, "\n".join(f"── {place}\n{fault}" for place, fault in report.faults.items())
    operations = sum(len(ways) for ways in server.app.openapi()["paths"].values())
    assert report.calls > 1.2 * operations
    assert sum(count for status, count in report.statuses.items() if status < 300) > operations / 3
