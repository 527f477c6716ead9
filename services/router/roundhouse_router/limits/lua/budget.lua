-- Budgets on Redis: what BudgetCounter of domain/limits/budgets.py does, in one hash per budget and period.
-- v: settled; o: reserved by requests in flight; e: epoch; p: what the ledger says; l:<lease>: what a request holds.
-- Beside it the leases, by when they run out: what a router held that died is given back.

local function forget_lost(budget, now)
  for _, lease in ipairs(redis.call('ZRANGEBYSCORE', budget.leases, '-inf', text(now))) do
    local held = redis.call('HGET', budget.key, 'l:' .. lease)
    if held then
      budget.outstanding = budget.outstanding - tonumber(held)
      redis.call('HDEL', budget.key, 'l:' .. lease)
      redis.call('HSET', budget.key, 'o', text(budget.outstanding))
    end
    redis.call('ZREM', budget.leases, lease)
  end
  if budget.outstanding > 0 and redis.call('ZCARD', budget.leases) == 0 then -- all leases ran out together
    redis.call('DEL', budget.key)
    budget.outstanding = 0
    redis.call('HSET', budget.key, 'v', text(budget.settled), 'o', '0', 'e', text(budget.epoch), 'p', text(budget.projected))
  end
end

local function hear(budget, epoch, projected)
  if epoch > budget.epoch then
    budget.settled = projected + math.max(0, budget.settled - budget.projected)
  elseif epoch == budget.epoch and projected > budget.projected then
    budget.settled = math.max(budget.settled, projected)
  else
    return
  end
  budget.epoch, budget.projected = epoch, projected
  redis.call('HSET', budget.key, 'v', text(budget.settled), 'e', text(epoch), 'p', text(projected))
end

local function load_budget(key, leases, epoch, projected, now)
  local head = redis.call('HMGET', key, 'v', 'o', 'e', 'p')
  local budget = { key = key, leases = leases, settled = projected, outstanding = 0, epoch = epoch, projected = projected }
  if head[1] then
    budget.settled, budget.outstanding = tonumber(head[1]), tonumber(head[2])
    budget.epoch, budget.projected = tonumber(head[3]), tonumber(head[4])
    forget_lost(budget, now)
    hear(budget, epoch, projected)
  end
  return budget
end

local function reserve(budget, lease, ends_at)
  budget.outstanding = budget.outstanding + budget.need
  redis.call('HSET', budget.key, 'v', text(budget.settled), 'o', text(budget.outstanding), 'e', text(budget.epoch),
    'p', text(budget.projected), 'l:' .. lease, text(budget.need))
  redis.call('ZADD', budget.leases, text(ends_at), lease)
  redis.call('PEXPIRE', budget.key, budget.keep_ms)
  redis.call('PEXPIRE', budget.leases, budget.keep_ms)
end

-- A counter that is gone has nothing to settle: the next one begins from what the ledger says.
local function settle_budget(key, leases, lease, spent)
  local head = redis.call('HMGET', key, 'v', 'o', 'l:' .. lease)
  if not head[1] then return end
  if head[3] then redis.call('HDEL', key, 'l:' .. lease) end
  redis.call('HSET', key, 'v', text(tonumber(head[1]) + spent), 'o', text(tonumber(head[2]) - tonumber(head[3] or 0)))
  redis.call('ZREM', leases, lease)
end
