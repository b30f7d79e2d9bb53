"""One server with a world in it for all tests of the contract."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from tests.http.world import furnish_over
from tests.serving import SharedServer, serving


@pytest.fixture(scope="package")
async def server(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SharedServer]:
    async with serving(tmp_path_factory.mktemp("contract"), sqlite_template) as server:
        yield server


@pytest.fixture(scope="package")
async def ids(server: SharedServer) -> Mapping[str, str]:
    """Of the things of Ada's and Tess's."""
    return await furnish_over(server.app)
