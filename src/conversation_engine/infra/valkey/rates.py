"""Counting in Valkey (or Redis): exact among all processes that share it, in one round trip a request.

A quota is one list: `first:last:sum` for each stretch of hits, where `sum` counts everything up to it. The first
element is the newest that is over, so what is used is the last sum minus the first. Constant work, whatever the limit.
Time is the server's own, so clocks of replicas do not matter; entries from its future, after it was set back, are
stamped anew: they then count for one period more, not for as long as it was set back.
"""

from collections.abc import Sequence
from typing import Any, Final

from pydantic import SecretStr

from conversation_engine.infra.rates.types import Charge, Quota, Standing

PREFIX: Final = "conversation_engine:rate:{rates}:"
"""One hash slot: a script decides over all quotas of a request, which a cluster allows within a slot only."""
TIMEOUT_SECONDS: Final = 1.0
"""Longest wait for an answer. A counter in the same data centre takes less than a millisecond; a process that is
short of CPU may take a quarter of a second to hear it, and must not count alone for that."""
CONNECTIONS: Final = 8
QUEUE_SECONDS: Final = 5.0
"""Longest wait for one of them to become free."""
_SECOND: Final = 1_000_000
"""The script's unit of time is the microsecond."""

_SCRIPT: Final = """
local mode, now = ARGV[1], tonumber(ARGV[2])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end

local function entry(text)
  if not text then return nil end
  local first, last, sum = string.match(text, '(%d+):(%d+):(%d+)')
  return {first = tonumber(first), last = tonumber(last), sum = tonumber(sum)}
end
local function at(key, index) return entry(redis.call('LINDEX', key, index)) end
local function text(first, last, sum) return string.format('%.0f:%.0f:%.0f', first, last, sum) end

local function stamp_anew(key, period)
  local all = redis.call('LRANGE', key, 0, -1)
  for index, old in ipairs(all) do
    local e = entry(old)
    redis.call('LSET', key, index - 1, text(math.min(e.first, now), math.min(e.last, now), e.sum))
  end
  redis.call('PEXPIRE', key, math.ceil(period / 1000))
end

local function add(key, period, units, base, newest)
  if not base then
    redis.call('RPUSH', key, text(now, now, 0), text(now, now, units))
  elseif redis.call('LLEN', key) > 1 and now - newest.first < period / 1000 then
    redis.call('LSET', key, -1, text(newest.first, now, newest.sum + units))
  else
    redis.call('RPUSH', key, text(now, now, newest.sum + units))
  end
  redis.call('PEXPIRE', key, math.ceil(period / 1000))
end

local found, fits = {}, true
for index, key in ipairs(KEYS) do
  local limit, period, units = tonumber(ARGV[3 * index]), tonumber(ARGV[3 * index + 1]), tonumber(ARGV[3 * index + 2])
  local newest = at(key, -1)
  if newest and newest.last > now and mode ~= 'look' then
    stamp_anew(key, period)
    newest = at(key, -1)
  end
  local over = 0
  while true do
    local e = at(key, over + 1)
    if not e or e.last + period > now then break end
    over = over + 1
  end
  if mode ~= 'look' then
    for _ = 1, over do redis.call('LPOP', key) end
    over = 0
  end
  local base = at(key, over)
  local used = base and newest.sum - base.sum or 0
  local needed = math.max(units, 1)
  local oldest, wait = at(key, over + 1), 0
  if mode == 'take' and used + needed > limit then
    fits, wait = false, period
    local place, e = over + 1, oldest
    while e do
      if newest.sum - e.sum + needed <= limit then wait = e.last + period - now; break end
      place = place + 1
      e = at(key, place)
    end
  end
  found[index] = {key = key, limit = limit, period = period, units = units, used = used, wait = wait,
                  oldest = oldest, base = base, newest = newest}
end

local answer = {}
for _, f in ipairs(found) do
  if (mode == 'add' or (mode == 'take' and fits)) and f.units > 0 then
    add(f.key, f.period, f.units, f.base, f.newest)
    f.used = f.used + f.units
    f.oldest = at(f.key, 1)
  end
  answer[#answer + 1] = math.max(0, f.limit - f.used)
  answer[#answer + 1] = f.oldest and math.max(0, f.oldest.last + f.period - now) or 0
  answer[#answer + 1] = f.wait
end
return answer
"""


class ValkeyWindows:
    """Windows that all processes with the same URL share. Raises the client's errors and TimeoutError."""

    def __init__(
        self, url: SecretStr, *, server_time: float | None = None, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        """`server_time` stands in for the server's clock, in seconds: for tests of what it may do."""
        from valkey.asyncio import BlockingConnectionPool, Valkey

        pool: Any = BlockingConnectionPool.from_url(
            url.get_secret_value(),
            max_connections=CONNECTIONS,
            timeout=max(QUEUE_SECONDS, timeout_seconds),
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
        )
        self._client: Any = Valkey(connection_pool=pool)
        self._pool = pool
        self._script: Any = self._client.register_script(_SCRIPT)
        self.server_time = server_time

    async def take(self, charges: Sequence[Charge]) -> Sequence[Standing]:
        return await self._run("take", charges)

    async def look(self, quotas: Sequence[Quota]) -> Sequence[Standing]:
        return await self._run("look", [Charge(quota=quota, units=0) for quota in quotas])

    async def add(self, quota: Quota, units: int) -> None:
        await self._run("add", [Charge(quota=quota, units=units)])

    async def aclose(self) -> None:
        await self._client.aclose()
        await self._pool.aclose()

    async def _run(self, mode: str, charges: Sequence[Charge]) -> Sequence[Standing]:
        if not charges:
            return []
        arguments: list[str | int] = [mode, round((self.server_time or 0) * _SECOND)]
        for charge in charges:
            arguments += [charge.quota.limit, round(charge.quota.period_seconds * _SECOND), charge.units]
        numbers = await self._script(keys=[PREFIX + charge.quota.key for charge in charges], args=arguments)
        return [
            Standing(
                quota=charge.quota,
                remaining=numbers[3 * place],
                reset_seconds=numbers[3 * place + 1] / _SECOND,
                wait_seconds=numbers[3 * place + 2] / _SECOND,
            )
            for place, charge in enumerate(charges)
        ]
