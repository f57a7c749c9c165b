-- Shared by every script that writes audit lines.

-- nil if the log starts and ends where the caller thinks; otherwise a reply.
local function log_moved(log, head, base, expected_head, expected_length, expected_base)
  local current = redis.call('GET', head) or ''
  local length = redis.call('LLEN', log)
  local begins = redis.call('LINDEX', base, 0) or ''
  if current ~= expected_head or length ~= tonumber(expected_length) or begins ~= expected_base then
    return {'moved'}
  end
end

-- The lines are args[first] to args[last].
local function log_lines(log, head, new_head, args, first, last)
  for i = first, last do
    redis.call('RPUSH', log, args[i])
  end
  redis.call('SET', head, new_head)
end

-- nil if every key is absent or has its type; otherwise a reply. A write that fails on a planted key would stop halfway.
local function wrong_kind(kinds, keys)
  for i, kind in ipairs(kinds) do
    local found = redis.call('TYPE', keys[i]).ok
    if found ~= 'none' and found ~= kind then
      return {'planted', keys[i]}
    end
  end
end
