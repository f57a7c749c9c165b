-- Take a click off the agenda, in the write that says what became of it: a failover loses both, or neither.
-- KEYS: 1 the click, 2 agenda, 3 leases
-- ARGV: 1 agenda item, 2 TTL in ms when it was carried out, else '': only if there is nothing to be carried out
-- Reply: 1 when it is off the agenda, 0 when there is something at its key

if ARGV[2] ~= '' then
  redis.call('SET', KEYS[1], '', 'PX', ARGV[2])
elseif (redis.pcall('GET', KEYS[1]) or '') ~= '' then
  return 0
end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1]) -- whoever holds it: nothing is left to be done
return 1
