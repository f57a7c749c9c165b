-- Store a click again that is to be tried once more, unless another process has carried it out meanwhile.
-- KEYS: 1 the click, 2 agenda
-- ARGV: 1 body, 2 TTL in ms, 3 agenda item, 4 when it is due in ms, or '' for never
-- Reply: 1 if it was written, 0 if the click was carried out

if redis.pcall('GET', KEYS[1]) == '' then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if ARGV[4] ~= '' then
  -- A failover may have lost it and its place. If it has a place, its holder decides when it's due.
  redis.call('ZADD', KEYS[2], 'NX', ARGV[4], ARGV[3])
end
return 1
