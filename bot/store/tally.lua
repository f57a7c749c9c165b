-- Subtract what the audit log got from a tally. The tally is over if nothing was counted since.
-- KEYS: 1 tally
-- ARGV: 1 how many were written to the log, 2 the sealed event of that line
-- Reply: 1 if counting continues, 0 if it's over

if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0 -- it expired meanwhile; counting down would create one without a TTL
end
local left = redis.call('HINCRBY', KEYS[1], 'n', -ARGV[1])
if ARGV[1] == '0' and left <= 1 then
  redis.call('DEL', KEYS[1])
  return 0
end
redis.call('HSET', KEYS[1], 'event', ARGV[2])
return 1
