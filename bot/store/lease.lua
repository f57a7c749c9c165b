-- Take due agenda items. Each is moved to the end of its lease, and no one else takes it until then.
-- KEYS: 1 agenda, 2 leases, 3 due items of kinds that some process doesn't know
-- ARGV: 1 now in ms, 2 end of the leases in ms, 3 their token, 4 how many at most, 5 '1': newest first,
--       6 TTL of the leases in ms, 7 TTL of what is put aside in ms,
--       8… known kinds: whole names, or prefixes up to their colon
-- Reply: how many items were put aside, then the items

local room, many = tonumber(ARGV[4]), 1000
for key, kind in pairs({[KEYS[2]] = 'hash', [KEYS[3]] = 'zset'}) do
  if redis.call('TYPE', key).ok ~= kind then
    redis.call('DEL', key) -- lost leases matter only until they'd have ended
  end
end

-- Items that another process put aside go back to the agenda if this one knows their kind.
for i = 8, #ARGV do
  local past = ARGV[i]:sub(-1) == ':' and '(' .. ARGV[i]:sub(1, -2) .. ';' or '[' .. ARGV[i] -- ; follows :
  for _, item in ipairs(redis.call('ZRANGEBYLEX', KEYS[3], '[' .. ARGV[i], past, 'LIMIT', 0, many)) do
    redis.call('ZADD', KEYS[1], 'LT', ARGV[1], item)
    redis.call('ZREM', KEYS[3], item)
  end
end

local taken, aside = {0}, 0
local function known(item)
  for i = 8, #ARGV do
    if item == ARGV[i] or ARGV[i]:sub(-1) == ':' and item:sub(1, #ARGV[i]) == ARGV[i] then
      return true
    end
  end
end
local function take(item)
  if not item or not redis.call('ZSCORE', KEYS[1], item) then
    return
  elseif not known(item) then
    redis.call('ZADD', KEYS[3], 0, item) -- all with the same score, which ZRANGEBYLEX needs
    redis.call('ZREM', KEYS[1], item)
    aside = aside + 1
    return
  end
  local held = tonumber(redis.call('HGET', KEYS[2], item) or '') -- nil also if it isn't a lease of ours
  -- No real lease ends hours after this one, however wrong a clock is. An item must not be held forever.
  if #taken <= room and (not held or held <= tonumber(ARGV[1]) or held > tonumber(ARGV[2]) + 7200000) then
    redis.call('ZADD', KEYS[1], ARGV[2] .. '.5', item)
    redis.call('HSET', KEYS[2], item, ARGV[2] .. '.' .. ARGV[3])
    redis.call('PEXPIRE', KEYS[2], ARGV[6])
    taken[#taken + 1] = item
  end
end

-- A held item that was rescheduled is due as well. It waits until its holder settles, and must not hide the others.
local oldest = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, room + many)
local newest = redis.call('ZREVRANGEBYSCORE', KEYS[1], ARGV[1], '-inf', 'LIMIT', 0, room + many)
-- From both ends: in a backlog of any size, an item that just became due doesn't wait for all older ones.
for i = 1, #oldest do
  if #taken > room then
    break -- checking the rest takes milliseconds, during which Redis answers no one
  end
  take(ARGV[5] == '1' and newest[i] or oldest[i])
  take(ARGV[5] == '1' and oldest[i] or newest[i])
end
if aside > 0 then
  redis.call('PEXPIRE', KEYS[3], ARGV[7])
end
taken[1] = aside
return taken
