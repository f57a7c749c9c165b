-- Extend leases that the caller still holds.
-- KEYS: 1 agenda, 2 leases
-- ARGV: 1 new end of the leases in ms, 2 TTL of the leases in ms, then pairs of an item and the token of its lease
-- Reply: for each, 1 if it was extended, 0 if it's settled or someone else holds it

local kept = {}
for i = 3, #ARGV, 2 do
  local ends = (redis.call('HGET', KEYS[2], ARGV[i]) or ''):match('^(%d+)%.' .. ARGV[i + 1] .. '$')
  if ends then
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[1] .. '.' .. ARGV[i + 1])
    redis.call('PEXPIRE', KEYS[2], ARGV[2])
    -- If it was rescheduled meanwhile, it keeps its place and waits for the end of the lease as before.
    local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
    if score and tonumber(score) == tonumber(ends .. '.5') then
      redis.call('ZADD', KEYS[1], ARGV[1] .. '.5', ARGV[i])
    end
  end
  kept[#kept + 1] = ends and 1 or 0
end
return kept
