-- What was written of a tally; one that then holds nothing but its first is over.
-- KEYS: 1 tally
-- ARGV: 1 how many were written, 2 the event of that, sealed
-- Reply: 1 when it goes on, 0 when it is over

if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0 -- it expired meanwhile: what counts it down now would live for ever
end
local left = redis.call('HINCRBY', KEYS[1], 'n', -ARGV[1])
if ARGV[1] == '0' and left <= 1 then
  redis.call('DEL', KEYS[1])
  return 0
end
redis.call('HSET', KEYS[1], 'event', ARGV[2])
return 1
