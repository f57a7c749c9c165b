-- Take due agenda items: each is moved to the end of its lease, and is nobody else's until then.
-- KEYS: 1 agenda, 2 leases
-- ARGV: 1 now in ms, 2 end of the lease in ms, 3 how many at most, 4 TTL of the leases in ms
-- Reply: the items, earliest first

local taken = {}
-- A held item that was rescheduled is due as well; it waits until its holder settles, and must not hide the others.
for _, item in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3] + 1000)) do
  local held = tonumber(redis.call('HGET', KEYS[2], item) or '') -- nil also for what is no lease of ours
  if #taken < tonumber(ARGV[3]) and (not held or held <= tonumber(ARGV[1])) then
    redis.call('ZADD', KEYS[1], ARGV[2] .. '.5', item)
    redis.call('HSET', KEYS[2], item, ARGV[2])
    redis.call('PEXPIRE', KEYS[2], ARGV[4])
    taken[#taken + 1] = item
  end
end
return taken
