-- Append audit lines that belong to no change of a request.
-- KEYS: 1 audit log, 2 audit head, 3 audit base
-- ARGV: 1 expected head, 2 expected length, 3 expected base, 4 new head, 5… lines
-- Reply: ok | moved | planted KEY

local planted = wrong_kind({'list', 'string', 'list'}, KEYS)
if planted then
  return planted
end
if redis.call('GET', KEYS[2]) == ARGV[4] then
  -- Our own append, sent twice. Writing again gives WAITAOF on this connection something to wait for.
  redis.call('SET', KEYS[2], ARGV[4])
  return {'ok'}
end
local moved = log_moved(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3])
if moved then
  return moved
end
log_lines(KEYS[1], KEYS[2], ARGV[4], ARGV, 5, #ARGV)
return {'ok'}
