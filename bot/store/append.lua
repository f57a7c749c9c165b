-- Append audit lines that go with no change of a request.
-- KEYS: 1 audit log, 2 audit head
-- ARGV: 1 expected head, 2 expected length, 3 new head, 4… lines
-- Reply: ok | moved | planted KEY

local planted = wrong_kind({'list', 'string'}, KEYS)
if planted then
  return planted
end
if redis.call('GET', KEYS[2]) == ARGV[3] then
  -- Our own append, sent twice. Writing again gives WAITAOF on this connection something to wait for.
  redis.call('SET', KEYS[2], ARGV[3])
  return {'ok'}
end
local moved = log_moved(KEYS[1], KEYS[2], ARGV[1], ARGV[2])
if moved then
  return moved
end
log_lines(KEYS[1], KEYS[2], ARGV[3], ARGV, 4, #ARGV)
return {'ok'}
