-- Store clicks and make them due, each unless the same click is or was stored.
-- KEYS: 1 agenda, 2… clicks
-- ARGV: 1 TTL in ms, then of each click: body, agenda item, now in ms
-- Reply: for each click 1 if it was stored, 0 if it was here already, -1 if its key holds something else

local reply = {}
for i = 2, #KEYS do
  local at = 3 * i - 4
  local found = redis.pcall('GET', KEYS[i])
  if type(found) == 'table' then
    reply[#reply + 1] = -1
  elseif found then
    -- Our own write, sent twice, counts as new. Writing again gives WAITAOF on this connection something to wait for.
    redis.call('PEXPIRE', KEYS[i], redis.call('PTTL', KEYS[i]))
    reply[#reply + 1] = found == ARGV[at] and 1 or 0
  else
    redis.call('ZADD', KEYS[1], 'LT', ARGV[at + 2], ARGV[at + 1])
    redis.call('SET', KEYS[i], ARGV[at], 'PX', ARGV[1])
    reply[#reply + 1] = 1
  end
end
return reply
