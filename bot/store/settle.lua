-- End a lease, and make its item due again, unless the item was rescheduled meanwhile.
-- KEYS: 1 agenda, 2 leases
-- ARGV: 1 item, 2 end of the lease in ms, 3 next due in ms or ''

if redis.call('HGET', KEYS[2], ARGV[1]) == ARGV[2] then
  redis.call('HDEL', KEYS[2], ARGV[1])
end
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or tonumber(score) ~= tonumber(ARGV[2] .. '.5') then
  return 0
end
if ARGV[3] == '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
end
return 1
