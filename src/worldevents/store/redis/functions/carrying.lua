-- What is between the store and its ledger.

-- backlog  ARGV: after, limit
-- -> {epoch, open, run id, last, total, pending, participants, entries}; of a memory that is gone all are '' or 0
local function backlog(keys, args)
  local base = keys[1]
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
  local found = {}
  if tonumber(args[2]) > 0 then
    found = redis.call('XRANGE', base .. ':outbox', text(tonumber(args[1]) + 1) .. '-0', '+', 'COUNT', args[2])
  end
  return {field(base, 'epoch'), field(base, 'open'), run, text(number(base, 'last')), text(number(base, 'total')),
          text(number(base, 'pending')), text(participants(base)), found}
end

-- How far an outbox may be trimmed: behind what is acknowledged, and what is kept of that for a while.
local function trimmable(base, acked, instant, kept, kept_for)
  local stream = base .. ':outbox'
  local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  if not first then
    return 0
  end
  local place = tonumber(string.match(first[1], '^%d+'))
  local target = math.max(place, acked - kept)
  local step = 1024
  while step >= 1 do
    -- The first from there on: where somebody was erased, some are missing.
    local id = text(target + step) .. '-0'
    local entry = target + step <= acked and redis.call('XRANGE', stream, id, '+', 'COUNT', 1)[1]
    if entry and tonumber(as_table(entry[2]).r or 'inf') < instant - kept_for then
      target = target + step
    else
      step = step / 2
    end
  end
  return target
end

-- acknowledge  ARGV: now, epoch, position, entries kept, us kept, window (us) -> 1, or 0 in another epoch
local function acknowledge(keys, args)
  local base, instant = keys[1], now(args[1])
  if field(base, 'epoch') ~= args[2] then
    return 0
  end
  local acked = math.max(number(base, 'acked'), tonumber(args[3]))
  redis.call('HSET', base .. ':state', 'acked', text(acked))
  local least = trimmable(base, acked, instant, tonumber(args[4]), tonumber(args[5]))
  if least > 0 then
    redis.call('XTRIM', base .. ':outbox', 'MINID', '~', text(least) .. '-0')
  end
  forget(base, math.floor((instant - tonumber(args[6])) / HOUR))
  return 1
end

local function unlearn(base, user, step)
  local shape = shape_of(redis.call('HGET', base .. ':shapes', user))
  if shape[step] then
    shape[step] = shape[step] > 1 and shape[step] - 1 or nil
    redis.call('HSET', base .. ':shapes', user, shape_told(shape))
    if redis.call('HINCRBY', base .. ':shape', text(step), '-1') < 1 then
      redis.call('HDEL', base .. ':shape', text(step))
    end
  end
end

-- Whose an entry is now: a user may have been erased since.
local function owner(base, user, position)
  local told = redis.call('HGET', base .. ':erased', user)
  if told then
    local tombstone, last = string.match(told, '^(.+)|(%d+)$')
    return tonumber(position) < tonumber(last) and tombstone or user
  end
  return user
end

-- take_back  ARGV: epoch, position, user, amount, status -> 1, or 0 where that was done, or in another epoch
local function take_back(keys, args)
  local base, position, amount = keys[1], args[2], tonumber(args[4])
  if field(base, 'epoch') ~= args[1] or redis.call('HEXISTS', base .. ':undone', position) == 1 then
    return 0
  end
  redis.call('HSET', base .. ':undone', position, '1')
  local user = owner(base, args[3], position)
  local effect = EFFECTS[args[5]]
  if effect[1] ~= 0 then
    -- For a moment it may be less than nothing, until a movement is taken back as well.
    redis.call('HINCRBY', base .. ':state', 'total', text(-effect[1] * amount))
    add_to_board(base, user, -effect[1] * amount)
  end
  if effect[2] ~= 0 then
    redis.call('HINCRBY', base .. ':state', 'pending', text(-effect[2] * amount))
    redis.call('HINCRBY', base .. ':held', user, text(-effect[2] * amount))
  end
  if args[5] == 'counted' then
    unlearn(base, user, step_of(amount))
  end
  tell(base, 1)
  return 1
end

-- decide  ARGV: unlocks (JSON), how many -> 1, or 0 where they are known
local function decide(keys, args)
  local base = keys[1]
  local before = field(base, 'unlocks')
  if field(base, 'epoch') == '' or before == args[1] then
    return 0
  end
  redis.call('HSET', base .. ':state', 'unlocks', args[1])
  tell(base, math.max(1, tonumber(args[2]) - #cjson.decode(before == '' and '[]' or before)))
  return 1
end

-- configure  ARGV: version, 1 to tell it though it is known, then field, value, ... -> 1, or 0 where it is known
local function configure(keys, args)
  local base = keys[1]
  local version = tonumber(redis.call('HGET', base .. ':goal', 'version') or '0')
  if tonumber(args[1]) < version or (tonumber(args[1]) == version and args[2] ~= '1') then
    return 0
  end
  local before = as_table(redis.call('HGETALL', base .. ':goal'))
  redis.call('HSET', base .. ':goal', 'version', args[1], unpack(args, 3))
  local goal, is_new = as_table(redis.call('HGETALL', base .. ':goal')), false
  for _, name in ipairs({'day', 'deviations'}) do
    is_new = is_new or limit(goal, name) and not limit(before, name)
  end
  if is_new and is_open(base) then
    -- What counted on each day, or how much at once, is in the ledger alone: nothing is taken until it was brought.
    redis.call('HSET', base .. ':state', 'open', '0')
  end
  if is_open(base) then
    tell(base, 1)
  end
  return 1
end

reads('backlog', backlog)
writes('acknowledge', acknowledge)
writes('take_back', take_back)
writes('decide', decide)
writes('configure', configure)
