-- Delete a value of the wrong type.
-- KEYS: 1 the key
-- ARGV: 1 the right type
-- Reply: 1 if it was deleted

local found = redis.call('TYPE', KEYS[1]).ok
if found == 'none' or found == ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
return 1
