-- Prolong leases that are still the caller's.
-- KEYS: 1 agenda, 2 leases
-- ARGV: 1 new end of the leases in ms, 2 TTL of the leases in ms, then pairs of an item and the token of its lease
-- Reply: 1 for each that was, 0 for each that is settled or somebody else's

local kept = {}
for i = 3, #ARGV, 2 do
  local ends = (redis.call('HGET', KEYS[2], ARGV[i]) or ''):match('^(%d+)%.' .. ARGV[i + 1] .. '$')
  if ends then
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[1] .. '.' .. ARGV[i + 1])
    redis.call('PEXPIRE', KEYS[2], ARGV[2])
    -- Rescheduled meanwhile, it keeps its place, and waits for the end of the lease as before.
    local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
    if score and tonumber(score) == tonumber(ends .. '.5') then
      redis.call('ZADD', KEYS[1], ARGV[1] .. '.5', ARGV[i])
    end
  end
  kept[#kept + 1] = ends and 1 or 0
end
return kept
