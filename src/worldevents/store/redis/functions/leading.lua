-- Leading. Here KEYS[1] is a role's own key: a string, the token of who has it, for as long as that one renews it.

-- lead  ARGV: token, ttl (ms) -> 1, or 0 where somebody else has it
local function lead(keys, args)
  local holder = redis.call('GET', keys[1])
  if holder and holder ~= args[1] then
    return 0
  end
  redis.call('SET', keys[1], args[1], 'PX', args[2])
  return 1
end

-- resign  ARGV: token
local function resign(keys, args)
  if redis.call('GET', keys[1]) == args[1] then
    redis.call('DEL', keys[1])
  end
end

writes('lead', lead)
writes('resign', resign)
