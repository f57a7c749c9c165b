-- Take due agenda items: each is moved to the end of its lease, and is nobody else's until then.
-- KEYS: 1 agenda, 2 leases
-- ARGV: 1 now in ms, 2 end of the lease in ms, 3 how many at most, 4 TTL of the leases in ms, 5 '1': newest first
-- Reply: the items

local room = tonumber(ARGV[3])
if redis.call('TYPE', KEYS[2]).ok ~= 'hash' then
  redis.call('DEL', KEYS[2]) -- nobody misses leases for longer than they last
end
-- A held item that was rescheduled is due as well; it waits until its holder settles, and must not hide the others.
local oldest = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, room + 1000)
local newest = redis.call('ZREVRANGEBYSCORE', KEYS[1], ARGV[1], '-inf', 'LIMIT', 0, room + 1000)

local taken = {}
local function take(item)
  local held = item and tonumber(redis.call('HGET', KEYS[2], item) or '') -- nil also for what is no lease of ours
  if item and #taken < room and (not held or held <= tonumber(ARGV[1])) then
    redis.call('ZADD', KEYS[1], ARGV[2] .. '.5', item)
    redis.call('HSET', KEYS[2], item, ARGV[2])
    redis.call('PEXPIRE', KEYS[2], ARGV[4])
    taken[#taken + 1] = item
  end
end
-- From both ends: in a backlog of any size, what became due just now does not wait for all that is before it.
for i = 1, #oldest do
  take(ARGV[5] == '1' and newest[i] or oldest[i])
  take(ARGV[5] == '1' and oldest[i] or newest[i])
end
return taken
