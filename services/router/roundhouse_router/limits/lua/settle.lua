-- Count what was really used, and give back the place among concurrent requests.
-- KEYS: one per rule, then two per budget: its counter and its leases. ARGV: now or '', when it was reserved (ms), the
-- lease's name, how many budgets; then for each rule: bound, what was used beyond the reservation (negative: what was
-- not used of it), slot_ms, slots; for each budget: what was spent. Returns nothing of interest.
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

local budget_count = tonumber(ARGV[4])
local rule_count = #KEYS - 2 * budget_count

for i = 1, rule_count do
  local key, at = KEYS[i], 4 + (i - 1) * 4
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
for i = 1, budget_count do
  local first = rule_count + 2 * i - 1
  settle_budget(KEYS[first], KEYS[first + 1], lease, tonumber(ARGV[4 + rule_count * 4 + i]))
end
return 1
