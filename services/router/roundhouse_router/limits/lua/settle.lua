-- Count what was really used, and give back the place among concurrent requests.
-- KEYS: one per rule. ARGV: now or '', when it was reserved (ms), the lease's name; then for each rule: bound, what was
-- used beyond the reservation (negative: what was not used of it), slot_ms, slots. Returns nothing of interest.
local now = clock(ARGV[1])
local reserved_at, lease = tonumber(ARGV[2]), ARGV[3]

local function give_back(window, amount)
  local forgiven = math.min(amount, window.debt)
  window.debt = window.debt - forgiven
  local slot = math.min(math.floor(reserved_at / window.slot_ms), window.slot)
  local taken = math.min(amount - forgiven, amount_of(window, slot))
  if taken > 0 then change(window, slot, -taken) end
end

local function charge(window, amount)
  local fits = math.min(amount, math.max(0, window.bound - window.held))
  window.debt = window.debt + amount - fits
  change(window, window.slot, fits)
end

for i, key in ipairs(KEYS) do
  local at = 3 + (i - 1) * 4
  local bound, surplus = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local slot_ms, slots = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  if slot_ms == 0 then
    redis.call('ZREM', key, lease)
  else
    local window = load(key, bound, slot_ms, slots, now)
    if surplus < 0 then give_back(window, -surplus) else charge(window, surplus) end
    write(window)
  end
end
return 1
