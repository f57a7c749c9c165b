-- Replace the oldest audit lines by a base, unless they, or the previous base, differ from what the caller saw.
-- KEYS: 1 audit log, 2 audit head, 3 audit base
-- ARGV: 1 expected base, 2 how many lines, 3 the first of them, 4 the last of them, 5 new base, 6… its parts
-- Reply: ok | moved | planted KEY

local planted = wrong_kind({'list', 'string', 'list'}, KEYS)
if planted then
  return planted
end
local begins = redis.call('LINDEX', KEYS[3], 0) or ''
if begins == ARGV[5] then
  -- Our own base, sent twice. Writing again gives WAITAOF on this connection something to wait for.
  redis.call('LSET', KEYS[3], 0, ARGV[5])
  return {'ok'}
end
local first, last = redis.call('LINDEX', KEYS[1], 0), redis.call('LINDEX', KEYS[1], ARGV[2] - 1)
if begins ~= ARGV[1] or first ~= ARGV[3] or last ~= ARGV[4] or redis.call('EXISTS', KEYS[2]) == 0 then
  return {'moved'}
end
redis.call('DEL', KEYS[3])
for i = 5, #ARGV do
  redis.call('RPUSH', KEYS[3], ARGV[i])
end
redis.call('LTRIM', KEYS[1], ARGV[2], -1)
return {'ok'}
