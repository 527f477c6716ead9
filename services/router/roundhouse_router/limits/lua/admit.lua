-- Reserve under all rules, or under none. A rule with slots of 0 ms bounds the requests that run now.
-- KEYS: one per rule, then two per budget: its counter and its leases. ARGV: now or '', the lease's name, how long a
-- lease lasts (ms), 1 to look only, how many budgets; then for each rule: bound, need, slot_ms, slots; for each budget:
-- amount, need, epoch, what the ledger says is spent, how long to keep it (ms). Returns 1 or 0, the time, and for each
-- rule and each budget: used, and how long to wait (ms; 0: it admits; -1: it does not, until somebody ends; -2: it has
-- no room).
local now = clock(ARGV[1])
local lease, lease_ms, is_look = ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'
local budget_count = tonumber(ARGV[5])
local rule_count = #KEYS - 2 * budget_count
local rules, budgets, admitted = {}, {}, 1
local answer = { 1, now }

for i = 1, rule_count do
  local key, at = KEYS[i], 5 + (i - 1) * 4
  local bound, need = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local slot_ms, slots = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local rule = { key = key, need = need }
  local wait = 0
  if slot_ms == 0 then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now))
    rule.used = redis.call('ZCARD', key)
    if rule.used >= bound then wait = -1 end
  else
    rule.window = load(key, bound, slot_ms, slots, now)
    rule.used = used(rule.window)
    if need > 0 and rule.used + need > bound then wait = wait_ms(rule.window, need, now) end
  end
  if wait ~= 0 then admitted = 0 end
  rules[i] = rule
  answer[#answer + 1] = rule.used
  answer[#answer + 1] = wait
end

for i = 1, budget_count do
  local at, first = 5 + rule_count * 4 + (i - 1) * 5, rule_count + 2 * i - 1
  local amount, need = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local budget = load_budget(KEYS[first], KEYS[first + 1], tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]), now)
  budget.need, budget.keep_ms = need, ARGV[at + 5]
  budgets[i] = budget
  local spent = budget.settled + budget.outstanding
  local wait = 0
  if spent + need > amount then wait, admitted = -2, 0 end
  answer[#answer + 1] = spent
  answer[#answer + 1] = wait
end

answer[1] = admitted
if admitted == 1 and not is_look then
  for i, rule in ipairs(rules) do
    if rule.window == nil then
      redis.call('ZADD', rule.key, text(now + lease_ms), lease)
      redis.call('PEXPIRE', rule.key, text(lease_ms))
      answer[1 + 2 * i] = rule.used + 1
    elseif rule.need > 0 then
      change(rule.window, rule.window.slot, rule.need)
      write(rule.window)
      answer[1 + 2 * i] = used(rule.window)
    end
  end
  for i, budget in ipairs(budgets) do
    reserve(budget, lease, now + lease_ms)
    answer[1 + 2 * (rule_count + i)] = budget.settled + budget.outstanding
  end
end
return answer
