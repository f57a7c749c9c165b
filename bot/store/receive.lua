-- Store clicks and make them due, each unless the same click is or was here.
-- KEYS: 1 agenda, 2… clicks
-- ARGV: 1 TTL in ms, then of each click: body, agenda item, now in ms
-- Reply: of each click 1 when it is stored, 0 when it was here already, -1 when something else is in its place

local reply = {}
for i = 2, #KEYS do
  local at = 3 * i - 4
  local found = redis.pcall('GET', KEYS[i])
  if type(found) == 'table' then
    reply[#reply + 1] = -1
  elseif found then
    -- Our own write, sent twice, is as new. Writing again gives WAITAOF on this connection something to wait for.
    redis.call('PEXPIRE', KEYS[i], redis.call('PTTL', KEYS[i]))
    reply[#reply + 1] = found == ARGV[at] and 1 or 0
  else
    redis.call('ZADD', KEYS[1], 'LT', ARGV[at + 2], ARGV[at + 1])
    redis.call('SET', KEYS[i], ARGV[at], 'PX', ARGV[1])
    reply[#reply + 1] = 1
  end
end
return reply
