-- Store a click and make it due, unless the same click is or was here.
-- KEYS: 1 click, 2 agenda
-- ARGV: 1 body, 2 TTL in ms, 3 agenda item, 4 now in ms
-- Reply: 1 when it is stored, 0 when it was here already

if redis.call('EXISTS', KEYS[1]) == 1 then
  -- Our own write, sent twice, is as new.
  return redis.call('GET', KEYS[1]) == ARGV[1] and 1 or 0
end
redis.call('ZADD', KEYS[2], 'LT', ARGV[4], ARGV[3])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
