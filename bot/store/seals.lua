-- How many values each master key seals, by the ids in their headers.
-- KEYS: keys of any kind
-- ARGV: none, or 1, 2 the first and the last line of the audit log that count
-- Reply: ID, COUNT, …

local found, reply = {}, {}
local function count(id)
  found[id] = (found[id] or 0) + 1
end
local function look(value)
  if string.byte(value) == 1 then
    count(string.sub(value, 2, 9))
  end
end

for _, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  if kind == 'string' then
    look(redis.call('GETRANGE', key, 0, 8))
  elseif kind == 'hash' then
    for _, value in ipairs(redis.call('HVALS', key)) do
      look(value)
    end
  elseif kind == 'list' and ARGV[1] then
    for _, line in ipairs(redis.call('LRANGE', key, ARGV[1], ARGV[2])) do
      look(line)
      local id = string.match(line, '"mac":"(' .. string.rep('%x', 16) .. ')%.') -- of before lines were sealed
      if id then
        count((string.gsub(id, '%x%x', function(byte) return string.char(tonumber(byte, 16)) end)))
      end
    end
  end
end
for id, number in pairs(found) do
  reply[#reply + 1] = id
  reply[#reply + 1] = number
end
return reply
