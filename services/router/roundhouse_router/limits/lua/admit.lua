-- Reserve under all rules, or under none. A rule with slots of 0 ms bounds the requests that run now.
-- KEYS: one per rule. ARGV: now or '', the lease's name, how long a lease lasts (ms), 1 to look only; then for each
-- rule: bound, need, slot_ms, slots. Returns 1 or 0, the time, and for each rule: used, and how long to wait (ms;
-- 0: it admits; -1: it does not, until somebody ends).
local now = clock(ARGV[1])
local lease, lease_ms, is_look = ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'
local rules, admitted = {}, 1
local answer = { 1, now }

for i, key in ipairs(KEYS) do
  local at = 4 + (i - 1) * 4
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
end
return answer
