"""Wiring of what is read about conversations."""

from dataclasses import dataclass
from typing import Protocol

from conversation_engine.engine.settings import Settings
from conversation_engine.infra.audit.service import AuditLog
from conversation_engine.infra.db.database import Database
from conversation_engine.infra.jobs.service import JobQueue
from conversation_engine.insights.calls.service import CallService
from conversation_engine.insights.cost.service import CostService
from conversation_engine.insights.search.indexing.service import Indexer
from conversation_engine.insights.search.service import SearchService
from conversation_engine.insights.statistics.folding.service import Folder
from conversation_engine.insights.statistics.service import StatisticsService
from conversation_engine.insights.warehouse.ports import Warehouse
from conversation_engine.insights.warehouse.service import WarehouseFeed
from conversation_engine.kernel.clock import Clock
from conversation_engine.turns.service import TurnService


class InsightParts(Protocol):
    """What it is made of: an engine."""

    database: Database
    clock: Clock
    audit: AuditLog
    jobs: JobQueue
    turns: TurnService


@dataclass(frozen=True, slots=True, kw_only=True)
class Insights:
    """The read path."""

    calls: CallService
    costs: CostService
    statistics: StatisticsService
    folder: Folder
    search: SearchService
    indexer: Indexer
    warehouse: WarehouseFeed

    def start(self) -> None:
        """Begin what is done in the background."""
        for worker in (self.folder, self.indexer, self.warehouse):
            worker.chore.start()

    async def aclose(self) -> None:
        """End it. Idempotent."""
        await self.warehouse.aclose()
        await self.folder.chore.aclose()
        await self.indexer.chore.aclose()


def make_insights(engine: InsightParts, *, settings: Settings) -> Insights:
    """Over the same store."""
    database, clock = engine.database, engine.clock
    is_working = settings.jobs_at_once > 0
    return Insights(
        calls=CallService(database, clock=clock),
        costs=CostService(database, clock=clock, settings=settings),
        statistics=StatisticsService(database, clock=clock, audit=engine.audit),
        folder=Folder(database, seconds=settings.statistics_seconds if is_working else 0),
        search=SearchService(database, audit=engine.audit),
        indexer=Indexer(
            database,
            seconds=settings.search_index_seconds if is_working else 0,
            is_busy=lambda: engine.turns.running_count > 0,
        ),
        warehouse=make_feed(database, engine.jobs, settings),
    )


def make_feed(database: Database, jobs: JobQueue, settings: Settings) -> WarehouseFeed:
    """To the warehouse that is set. Connects to nothing yet. Raises BadWarehouseError."""
    return WarehouseFeed(
        database,
        warehouse=_warehouse(settings),
        jobs=jobs,
        seconds=settings.warehouse_seconds if settings.jobs_at_once else 0,
        batch=settings.warehouse_batch,
    )


def _warehouse(settings: Settings) -> Warehouse | None:
    if settings.warehouse_url is None:
        return None
    from conversation_engine.insights.warehouse.snowflake import SnowflakeWarehouse

    return SnowflakeWarehouse(settings.warehouse_url)
