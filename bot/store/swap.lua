-- Replace the copy that the caller saw, unless someone else was faster.
-- KEYS: 1 copy
-- ARGV: 1 the copy that was seen, "" for none; 2 the new one; 3 milliseconds that it is kept
-- Reply: 1 if the new one is stored, 0 if another one is

local now = redis.call('GET', KEYS[1]) or ''
if now == ARGV[2] then
  return 1 -- our own write, sent twice
end
if now ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
