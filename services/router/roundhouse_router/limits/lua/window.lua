-- Counters on Redis: what domain/limits/windows.py does, in one hash per counter.
-- s: the slot that runs now; u: used, debt included; d: debt; by number: what each slot holds, this one included.

local function text(number)
  return string.format('%.0f', number)
end

-- Milliseconds: those given (tests do), else the server's, so that routers need not agree on a time.
local function clock(given)
  if given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function put(window, slot, amount)
  if window.amounts[slot] == nil then
    window.amounts[slot] = 0
    window.order[#window.order + 1] = slot
  end
  window.amounts[slot] = window.amounts[slot] + amount
  window.held = window.held + amount
end

local function pay_into(window, slot)
  local paid = math.min(window.debt, window.bound - window.held)
  if paid > 0 then
    window.debt = window.debt - paid
    put(window, slot, paid)
  end
end

local function read_slots(window)
  local fields = redis.call('HGETALL', window.key)
  window.amounts, window.order = {}, {}
  for i = 1, #fields, 2 do
    local slot = tonumber(fields[i])
    if slot ~= nil then
      window.amounts[slot] = tonumber(fields[i + 1])
      window.order[#window.order + 1] = slot
    end
  end
  table.sort(window.order)
end

-- Forget what has left the window, oldest first, and let debt move in where room appears.
local function advance(window)
  read_slots(window)
  local first = 1
  while first <= #window.order and window.order[first] < window.slot - window.slots do
    local oldest = window.order[first]
    window.held = window.held - window.amounts[oldest]
    window.amounts[oldest] = nil
    first = first + 1
    if window.debt > 0 then pay_into(window, oldest + window.slots + 1) end
  end
  if first > 1 then
    local kept = {}
    for i = first, #window.order do kept[#kept + 1] = window.order[i] end
    window.order = kept
  end
  if window.debt > 0 then pay_into(window, window.slot) end
end

-- A counter as it is at this moment. Nothing is written until `write`.
local function load(key, bound, slot_ms, slots, now)
  local window = {
    key = key, bound = bound, slot_ms = slot_ms, slots = slots,
    slot = math.floor(now / slot_ms), held = 0, debt = 0, amounts = {}, order = {}, is_moved = true,
  }
  local head = redis.call('HMGET', key, 's', 'u', 'd')
  if head[1] then
    local last = tonumber(head[1])
    window.debt = tonumber(head[3])
    window.held = tonumber(head[2]) - window.debt
    if window.slot > last then
      advance(window)
    else -- also for a clock that went back: it stands
      window.slot = last
      window.is_moved = false
    end
  end
  return window
end

local function used(window)
  return window.held + window.debt
end

-- It is gone when nothing of it can count any more.
local function set_expiry(window)
  local rounds = 1 + math.ceil(window.debt / math.max(1, window.bound))
  redis.call('PEXPIRE', window.key, text(rounds * (window.slots + 2) * window.slot_ms))
end

-- Write a counter whose slots were read.
local function save(window)
  local fields = { 's', text(window.slot), 'u', text(used(window)), 'd', text(window.debt) }
  for _, slot in ipairs(window.order) do
    if window.amounts[slot] > 0 then
      fields[#fields + 1] = text(slot)
      fields[#fields + 1] = text(window.amounts[slot])
    end
  end
  redis.call('DEL', window.key)
  redis.call('HSET', window.key, unpack(fields))
  set_expiry(window)
end

local function amount_of(window, slot)
  if window.is_moved then return window.amounts[slot] or 0 end
  return tonumber(redis.call('HGET', window.key, text(slot)) or 0)
end

-- Add to a slot, or take from it; `write` must follow.
local function change(window, slot, amount)
  if window.is_moved then
    put(window, slot, amount)
  else -- most often: the slot has not changed since the last request, and the others need not be read
    redis.call('HINCRBY', window.key, text(slot), text(amount))
    window.held = window.held + amount
  end
end

local function write(window)
  if window.is_moved then
    save(window)
  else
    redis.call('HSET', window.key, 'u', text(used(window)), 'd', text(window.debt))
    if window.debt > 0 then set_expiry(window) end
  end
end

local function wait_ms(window, need, now)
  local excess = used(window) + need - window.bound
  if excess <= 0 then return 0 end
  if not window.is_moved then read_slots(window) end
  local held = math.max(1, window.held)
  local rounds = math.floor((excess - 1) / held)
  excess = (excess - 1) % held + 1
  local slot = window.slot
  for _, one in ipairs(window.order) do
    excess = excess - window.amounts[one]
    if excess <= 0 then
      slot = one
      break
    end
  end
  return math.max(1, (slot + (rounds + 1) * (window.slots + 1)) * window.slot_ms - now)
end
