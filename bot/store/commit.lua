-- Changes of requests, in order, each of them all or nothing.
-- KEYS, nine for each change: 1 record, 2 sealed secret, 3 agenda, 4 requests of the requester, 5 pending, 6 audit log, 7 audit head,
--       8 open requests of the requester, 9 audit base
-- ARGV, for each change how many there are, then: 1 expected revision (0: must not exist), 2 new revision, 3 body, 4 TTL of the record in ms,
--       5 agenda item, 6 due in ms or '', 7 secret or '', 8 TTL of the secret in ms, 9 '1': take the secret,
--       10 request id, 11 asked at in ms, 12 how many of these requests are kept, 13 '1': is pending,
--       14 '1': is open, 15 what it is for, 16 how many may be open or 0 for any number, 17 '1': even for the same,
--       18 expected audit head, 19 expected audit length, 20 expected audit base, 21 new audit head,
--       22 number of audit lines n, 23… n lines, then pairs of a further agenda item and when it is due
-- Reply, for each change: ok SECRET-OR-'' | conflict | alike REQUEST | full REQUESTS… | moved | planted KEY

local function commit(keys, args)
  local planted = wrong_kind({'hash', 'string', 'zset', 'zset', 'zset', 'list', 'string', 'hash', 'list'}, keys)
  if planted then
    return planted
  end
  local revision = redis.call('HGET', keys[1], 'rev') or '0'
  if revision == args[2] and redis.call('HGET', keys[1], 'body') == args[3] then
    -- Our own write, sent twice. Writing again gives WAITAOF on this connection something to wait for.
    redis.call('PEXPIRE', keys[1], args[4])
    return {'ok', ''}
  end
  if revision ~= args[1] then
    return {'conflict'}
  end
  -- Also for a change without lines: whether the record matches the log was decided on the log as it is now.
  local moved = log_moved(keys[6], keys[7], keys[9], args[18], args[19], args[20])
  if moved then
    return moved
  end
  if args[16] ~= '0' then
    local open = redis.call('HGETALL', keys[8])
    local reply = {'full'}
    for i = 1, #open, 2 do
      if open[i + 1] == args[15] and args[17] ~= '1' then
        return {'alike', open[i]}
      end
      reply[#reply + 1] = open[i]
    end
    if #open / 2 >= tonumber(args[16]) then
      return reply
    end
  end
  local lines = tonumber(args[22])

  redis.call('HSET', keys[1], 'rev', args[2], 'body', args[3])
  redis.call('PEXPIRE', keys[1], args[4])

  if args[6] == '' then
    redis.call('ZREM', keys[3], args[5])
  else
    redis.call('ZADD', keys[3], args[6], args[5])
  end
  for i = 23 + lines, #args, 2 do
    redis.call('ZADD', keys[3], 'LT', args[i + 1], args[i])
  end

  local taken = ''
  if args[9] == '1' then
    taken = redis.call('GET', keys[2]) or ''
    redis.call('DEL', keys[2])
  end
  if args[7] ~= '' then
    redis.call('SET', keys[2], args[7], 'PX', args[8])
  end

  redis.call('ZADD', keys[4], args[11], args[10])
  redis.call('ZREMRANGEBYRANK', keys[4], 0, -1 - args[12])
  redis.call('PEXPIRE', keys[4], args[4])
  if args[13] == '1' then
    redis.call('ZADD', keys[5], args[11], args[10])
    redis.call('PEXPIRE', keys[5], args[4])
  else
    redis.call('ZREM', keys[5], args[10])
  end
  if args[14] == '1' then
    redis.call('HSET', keys[8], args[10], args[15])
    redis.call('PEXPIRE', keys[8], args[4])
  else
    redis.call('HDEL', keys[8], args[10])
  end

  if lines > 0 then
    log_lines(keys[6], keys[7], args[21], args, 23, 22 + lines)
  end
  return {'ok', taken}
end

local replies, at = {}, 1
for first = 1, #KEYS, 9 do
  local last = at + ARGV[at]
  replies[#replies + 1] = commit({unpack(KEYS, first, first + 8)}, {unpack(ARGV, at + 1, last)})
  at = last + 1
end
return replies
