-- Shared by every script that writes audit lines.

-- nil when the log ends where the caller thinks; else a reply.
local function log_moved(log, head, expected_head, expected_length)
  local current = redis.call('GET', head) or ''
  local length = redis.call('LLEN', log)
  if current ~= expected_head or length ~= tonumber(expected_length) then
    return {'moved'}
  end
end

-- Lines are args[first] to args[last].
local function log_lines(log, head, new_head, args, first, last)
  for i = first, last do
    redis.call('RPUSH', log, args[i])
  end
  redis.call('SET', head, new_head)
end

-- nil when every key is absent or of its kind; else a reply. A write that failed on a planted key would leave half.
local function wrong_kind(kinds, keys)
  for i, kind in ipairs(kinds) do
    local found = redis.call('TYPE', keys[i]).ok
    if found ~= 'none' and found ~= kind then
      return {'planted', keys[i]}
    end
  end
end
