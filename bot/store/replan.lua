-- Make clicks due that haven't been carried out and aren't on the agenda.
-- KEYS: 1 agenda, 2… clicks
-- ARGV: 1 now in ms, 2… their agenda items
-- Reply: how many there were

local number = 0
for i = 2, #KEYS do
  local found = redis.pcall('GET', KEYS[i])
  if type(found) == 'string' and found ~= '' then
    number = number + redis.call('ZADD', KEYS[1], 'NX', ARGV[1], ARGV[i])
  end
end
return number
