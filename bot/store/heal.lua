-- Remove what is not of this kind, from a key that holds no more than copies.
-- KEYS: 1 the key
-- ARGV: 1 its kind
-- Reply: 1 when it was removed

local found = redis.call('TYPE', KEYS[1]).ok
if found == 'none' or found == ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
return 1
