"""`convo` with a data folder of its own, and models that answer it."""

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.scenes import Convo, SlowModel, Terminal
from tests.serving import SharedServer, serving


@pytest.fixture
def convo(data_dir: Path) -> Convo:
    """On a laptop where nothing is set."""
    return Convo(data_dir=data_dir)


@pytest.fixture
def fresh_convo(tmp_path: Path) -> Convo:
    """On a laptop where nothing was ever started."""
    return Convo(data_dir=tmp_path / "fresh")


@pytest.fixture
def data_dir(tmp_path: Path, sqlite_template: Path) -> Path:
    """A folder whose database has its schema: to make that takes longer than most commands."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    shutil.copy(sqlite_template, folder / "conversations.db")
    return folder


@pytest.fixture
def slow_model() -> Iterator[SlowModel]:
    """Takes 20 seconds to finish a reply of 400 words."""
    with SlowModel(words=400, pause_seconds=0.05) as model:
        yield model
        model.shutdown()


@pytest.fixture
def quick_model() -> Iterator[SlowModel]:
    """Says five words at once."""
    with SlowModel(words=5, pause_seconds=0) as model:
        yield model
        model.shutdown()


@pytest.fixture
def quick_convo(data_dir: Path, quick_model: SlowModel) -> Convo:
    """With the quick model as its default."""
    return Convo(data_dir=data_dir, settings=quick_model.settings)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Opens terminals; they are closed after the test."""
    opened: list[Terminal] = []

    def open_one(convo: Convo, *arguments: str) -> Terminal:
        opened.append(Terminal(convo, *arguments))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture(scope="session")
async def chat_server(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SharedServer]:
    """A server for those who chat over the network."""
    async with serving(tmp_path_factory.mktemp("chat"), sqlite_template) as server:
        yield server
