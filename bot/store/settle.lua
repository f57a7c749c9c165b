-- End a lease and make its item due again, unless the item was rescheduled or taken by someone else meanwhile.
-- KEYS: 1 agenda, 2 leases, 3 a record (optional)
-- ARGV: 1 item, 2 token of the lease, 3 next due in ms or '', 4 the same if that record exists

local ends = (redis.call('HGET', KEYS[2], ARGV[1]) or ''):match('^(%d+)%.' .. ARGV[2] .. '$')
if not ends then
  return 0
end
redis.call('HDEL', KEYS[2], ARGV[1])
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or tonumber(score) ~= tonumber(ends .. '.5') then
  return 0
end
local due = KEYS[3] and redis.call('EXISTS', KEYS[3]) == 1 and ARGV[4] or ARGV[3]
if due == '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], due, ARGV[1])
end
return 1
