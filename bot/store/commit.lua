-- One change of a request, all of it or nothing.
-- KEYS: 1 record, 2 sealed secret, 3 agenda, 4 requests of the requester, 5 pending, 6 audit log, 7 audit head,
--       8 open requests of the requester
-- ARGV: 1 expected revision (0: must not exist), 2 new revision, 3 body, 4 TTL of the record in ms,
--       5 agenda item, 6 due in ms or '', 7 secret or '', 8 TTL of the secret in ms, 9 '1': take the secret,
--       10 request id, 11 asked at in ms, 12 how many of these requests are kept, 13 '1': is pending,
--       14 '1': is open, 15 what it is for, 16 how many may be open or 0 for any number, 17 '1': even for the same,
--       18 expected audit head, 19 expected audit length, 20 new audit head, 21 number of audit lines n,
--       22… n lines, then pairs of a further agenda item and when it is due
-- Reply: ok SECRET-OR-'' | conflict | alike REQUEST | full REQUESTS… | moved | planted KEY

local planted = wrong_kind({'hash', 'string', 'zset', 'zset', 'zset', 'list', 'string', 'hash'})
if planted then
  return planted
end
local revision = redis.call('HGET', KEYS[1], 'rev') or '0'
if revision == ARGV[2] and redis.call('HGET', KEYS[1], 'body') == ARGV[3] then
  -- Our own write, sent twice. Writing again gives WAITAOF on this connection something to wait for.
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  return {'ok', ''}
end
if revision ~= ARGV[1] then
  return {'conflict'}
end
-- Also without a line of its own: whether this record is what the log says was decided on the log as it is here.
local moved = log_moved(KEYS[6], KEYS[7], ARGV[18], ARGV[19])
if moved then
  return moved
end
if ARGV[16] ~= '0' then
  local open = redis.call('HGETALL', KEYS[8])
  local reply = {'full'}
  for i = 1, #open, 2 do
    if open[i + 1] == ARGV[15] and ARGV[17] ~= '1' then
      return {'alike', open[i]}
    end
    reply[#reply + 1] = open[i]
  end
  if #open / 2 >= tonumber(ARGV[16]) then
    return reply
  end
end
local lines = tonumber(ARGV[21])

redis.call('HSET', KEYS[1], 'rev', ARGV[2], 'body', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])

if ARGV[6] == '' then
  redis.call('ZREM', KEYS[3], ARGV[5])
else
  redis.call('ZADD', KEYS[3], ARGV[6], ARGV[5])
end
for i = 22 + lines, #ARGV, 2 do
  redis.call('ZADD', KEYS[3], 'LT', ARGV[i + 1], ARGV[i])
end

local taken = ''
if ARGV[9] == '1' then
  taken = redis.call('GET', KEYS[2]) or ''
  redis.call('DEL', KEYS[2])
end
if ARGV[7] ~= '' then
  redis.call('SET', KEYS[2], ARGV[7], 'PX', ARGV[8])
end

redis.call('ZADD', KEYS[4], ARGV[11], ARGV[10])
redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -1 - ARGV[12])
redis.call('PEXPIRE', KEYS[4], ARGV[4])
if ARGV[13] == '1' then
  redis.call('ZADD', KEYS[5], ARGV[11], ARGV[10])
  redis.call('PEXPIRE', KEYS[5], ARGV[4])
else
  redis.call('ZREM', KEYS[5], ARGV[10])
end
if ARGV[14] == '1' then
  redis.call('HSET', KEYS[8], ARGV[10], ARGV[15])
  redis.call('PEXPIRE', KEYS[8], ARGV[4])
else
  redis.call('HDEL', KEYS[8], ARGV[10])
end

if lines > 0 then
  log_lines(KEYS[6], KEYS[7], ARGV[20], 22, 21 + lines)
end
return {'ok', taken}
