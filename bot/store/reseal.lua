-- Replace values by the same, sealed again, unless someone wrote there meanwhile.
-- KEYS: 1 key
-- ARGV: a field of a hash, an index of a list or '', the value that was read, the new value; and so on
-- Reply: how many were replaced

local kind, put = redis.call('TYPE', KEYS[1]).ok, 0
for i = 1, #ARGV, 3 do
  local where, before, after = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if kind == 'string' and redis.call('GET', KEYS[1]) == before then
    redis.call('SET', KEYS[1], after, 'KEEPTTL')
    put = put + 1
  elseif kind == 'hash' and redis.call('HGET', KEYS[1], where) == before then
    redis.call('HSET', KEYS[1], where, after)
    put = put + 1
  elseif kind == 'list' and redis.call('LINDEX', KEYS[1], where) == before then
    redis.call('LSET', KEYS[1], where, after)
    put = put + 1
  end
end
return put
