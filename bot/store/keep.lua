-- Write a click down again that is to be tried once more, unless another process has carried it out meanwhile.
-- KEYS: 1 the click, 2 agenda
-- ARGV: 1 body, 2 TTL in ms, 3 agenda item, 4 when it is due in ms, or '' for never
-- Reply: 1 when it is written, 0 when it was carried out

if redis.pcall('GET', KEYS[1]) == '' then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if ARGV[4] ~= '' then
  -- A failover may have lost it with its place. Where it has one, who holds it says when it is due.
  redis.call('ZADD', KEYS[2], 'NX', ARGV[4], ARGV[3])
end
return 1
