-- Take a click off the agenda, in the same write as its outcome: a failover loses both or neither.
-- KEYS: 1 the click, 2 agenda, 3 leases
-- ARGV: 1 agenda item, 2 TTL in ms if it was carried out, else '': then only if the click is done or gone
-- Reply: 1 if it's off the agenda, 0 if a click is stored

if ARGV[2] ~= '' then
  redis.call('SET', KEYS[1], '', 'PX', ARGV[2])
elseif (redis.pcall('GET', KEYS[1]) or '') ~= '' then
  return 0
end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1]) -- no matter who holds it: nothing is left to do
return 1
