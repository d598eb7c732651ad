-- Restoring.

local function milliseconds()
  return math.floor(now('') / 1000)
end

local function holds(base, token, epoch)
  if field(base, 'token') ~= token or epoch and field(base, 'filling') ~= epoch then
    return false
  end
  redis.call('HSET', base .. ':state', 'touched', text(milliseconds()))
  return true
end

-- shut  ARGV: token, the epoch that was seen or '', lease (ms) -> 1, or 0 where that is not so any more
local function shut(keys, args)
  local base, holder = keys[1], field(keys[1], 'token')
  if field(base, 'epoch') ~= args[2] then
    return 0
  end
  if holder ~= '' and holder ~= args[1] and milliseconds() - number(base, 'touched') < tonumber(args[3]) then
    return 0
  end
  redis.call('HSET', base .. ':state', 'open', '0', 'token', args[1], 'touched', text(milliseconds()))
  -- What is still on its way from an earlier attempt opens nothing any more.
  redis.call('HDEL', base .. ':state', 'filling')
  return 1
end

-- wipe  ARGV: token, the new epoch -> 1, or 0 where somebody else has taken over
local function wipe(keys, args)
  local base = keys[1]
  if not holds(base, args[1]) then
    return 0
  end
  forget(base, 'inf')
  for _, name in ipairs({'state', 'board', 'held', 'days', 'shapes', 'shape', 'outbox', 'undone', 'hours', 'banned',
                          'erased'}) do
    redis.call('UNLINK', base .. ':' .. name)
  end
  redis.call('HSET', base .. ':state', 'filling', args[2], 'open', '0', 'token', args[1],
             'touched', text(milliseconds()))
  return 1
end

-- fill_users  ARGV: token, epoch, then for each: user, amount, pending, history or '', how many days, and each day and
-- its amount
local function fill_users(keys, args)
  local base, place = keys[1], 3
  if not holds(base, args[1], args[2]) then
    return 0
  end
  while place <= #args do
    local user, shape, days = args[place], args[place + 3], tonumber(args[place + 4])
    if args[place + 1] ~= '0' then
      redis.call('ZADD', base .. ':board', '-' .. args[place + 1], user)
    end
    if args[place + 2] ~= '0' then
      redis.call('HSET', base .. ':held', user, args[place + 2])
    end
    -- Once for each user, though a call may be made again.
    if shape ~= '' and redis.call('HSETNX', base .. ':shapes', user, shape) == 1 then
      for step, count in pairs(shape_of(shape)) do
        redis.call('HINCRBY', base .. ':shape', text(step), text(count))
      end
    end
    for day = 0, days - 1 do
      local at = place + 5 + 2 * day
      redis.call('HSET', base .. ':days', user .. ':' .. args[at], args[at + 1])
    end
    place = place + 5 + 2 * days
  end
  return 1
end

-- fill_ids  ARGV: token, epoch, now, then for each: digest, amount|status|epoch|position
local function fill_ids(keys, args)
  local base = keys[1]
  if not holds(base, args[1], args[2]) then
    return 0
  end
  local hour = math.floor(now(args[3]) / HOUR)
  for place = 4, #args, 2 do
    redis.call('HSET', bucket(base, hour, args[place]), args[place], args[place + 1])
  end
  redis.call('ZADD', base .. ':hours', text(hour), text(hour))
  return 1
end

-- fill_banned  ARGV: token, epoch, then for each: user, number of the ban
local function fill_banned(keys, args)
  if not holds(keys[1], args[1], args[2]) then
    return 0
  end
  redis.call('HSET', keys[1] .. ':banned', unpack(args, 3))
  return 1
end

-- reopen  ARGV: token, epoch, seq, total, pending, unlocks (JSON)
local function reopen(keys, args)
  local base = keys[1]
  if not holds(base, args[1], args[2]) then
    return 0
  end
  redis.call('HDEL', base .. ':state', 'token', 'touched', 'filling')
  -- Only now it has an epoch: who saw it without one cannot shut it any more.
  redis.call('HSET', base .. ':state', 'epoch', args[2], 'seq', args[3], 'total', args[4], 'pending', args[5],
             'unlocks', args[6], 'open', '1')
  tell(base, 1)
  return 1
end

writes('shut', shut)
writes('wipe', wipe)
writes('fill_users', fill_users)
writes('fill_ids', fill_ids)
writes('fill_banned', fill_banned)
writes('reopen', reopen)
