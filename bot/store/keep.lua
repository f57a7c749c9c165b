-- Write a click down again that is to be tried once more, unless another process has carried it out meanwhile.
-- KEYS: 1 the click
-- ARGV: 1 body, 2 TTL in ms
-- Reply: 1 when it is written, 0 when it was carried out

if redis.pcall('GET', KEYS[1]) == '' then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
