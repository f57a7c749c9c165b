-- How many values each master key seals, by the key IDs in their headers.
-- KEYS: keys; those of another type don't count
-- ARGV: 1 their type; for a list, 2, 3 the first and last index that count
-- Reply: for each master key its ID, COUNT, and the first of KEYS that it seals

local found, first, reply = {}, {}, {}
local function count(id, key)
  found[id] = (found[id] or 0) + 1
  first[id] = first[id] or key
end
local function look(value, key)
  if string.byte(value) == 1 then
    count(string.sub(value, 2, 9), key)
  end
end

for _, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  if kind ~= ARGV[1] then
    -- nothing that is sealed
  elseif kind == 'string' then
    look(redis.call('GETRANGE', key, 0, 8), key)
  elseif kind == 'hash' then
    for _, value in ipairs(redis.call('HVALS', key)) do
      look(value, key)
    end
  elseif kind == 'list' then
    for _, line in ipairs(redis.call('LRANGE', key, ARGV[2], ARGV[3])) do
      look(line, key)
      local id = string.match(line, '"mac":"(' .. string.rep('%x', 16) .. ')%.') -- from before lines were sealed
      if id then
        count((string.gsub(id, '%x%x', function(byte) return string.char(tonumber(byte, 16)) end)), key)
      end
    end
  end
end
for id, number in pairs(found) do
  reply[#reply + 1] = id
  reply[#reply + 1] = number
  reply[#reply + 1] = first[id]
end
return reply
