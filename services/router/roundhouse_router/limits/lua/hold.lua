-- Keep leases alive that are still in use; those that had run out are taken again, because they are.
-- KEYS: one per rule. ARGV: how long a lease lasts (ms); then for each rule: how many names, and the names.
local time = redis.call('TIME')
local ends_at = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(ARGV[1])
local at = 2
for _, key in ipairs(KEYS) do
  local count = tonumber(ARGV[at])
  local members = {}
  for i = at + 1, at + count do
    members[#members + 1] = string.format('%.0f', ends_at)
    members[#members + 1] = ARGV[i]
  end
  redis.call('ZADD', key, unpack(members))
  redis.call('PEXPIRE', key, ARGV[1])
  at = at + count + 1
end
return 1
