#!lua name=worldevents

-- The store in Redis: every change of a goal is one call of one function here, and no other way leads in.
--
-- A function does not roll back. So each one checks everything first, on a picture of what it would do, and only then
-- writes. Numbers travel as strings: an integer of Lua is a double, exact below 2^53, and no sum here reaches that.
--
-- Keys. All of one partition begin with KEYS[1], `<prefix>:{<goal>:<number>}`, and so live in one slot:
--   :state    hash    epoch, open (1 or 0), seq, last (newest position), acked, bytes (of all entries), total, pending,
--                     unlocks (JSON), token and touched (who restores it, and when that one was last heard of, in ms),
--                     filling (the epoch that it will have)
--   :goal     hash    what contributions are judged by: starts, ends, closes, cancelled (us), one, day, user (limits),
--                     over (hold or refuse), deviations, own_least, everyones_least (of outliers), version
--   :board    zset    user -> the counted amount, negated: ascending is the board's order, ties by user id
--   :held     hash    user -> the held amount
--   :days     hash    user:day -> the counted amount of that UTC day, for goals with such a limit
--   :shapes   hash    user -> how many counted amounts are in each step, step=count ..., for goals that hold outliers
--   :shape    hash    step -> the same of all users
--   :outbox   stream  <position>-0 -> u user, c contribution id, a amount (of a movement it may be negative), s status, o occurred, r received (us), n name
--   :undone   hash    position -> 1, what was taken back in this epoch
--   :hours    zset    hours that have ids
--   :banned   hash    user -> the number of the ban, of those of whom nothing is taken
--   :seen:<hour>:<bucket>  hash  digest of (user, contribution id) -> amount|status|epoch|position
--   :updates  channel the state after every change, as JSON

local VERSION = '5'
local HOUR = 3600000000
local DAY = 86400000000
local FUTURE = 60000000
local BOUND = 9007199254740992
local BUCKETS = 2048

local TYPES = {state = 'hash', goal = 'hash', board = 'zset', held = 'hash', days = 'hash', outbox = 'stream',
               undone = 'hash', hours = 'zset', shapes = 'hash', shape = 'hash', banned = 'hash'}

local function text(number)
  return string.format('%.0f', number)
end

local function field(base, name)
  return redis.call('HGET', base .. ':state', name) or ''
end

local function number(base, name)
  return tonumber(redis.call('HGET', base .. ':state', name) or '0')
end

-- Instants are in microseconds; a caller with a clock of its own tells the time.
local function now(told)
  if told ~= '' then
    return tonumber(told)
  end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- Whether every key is what it should be: the wrong type would stop a function halfway.
local function sound(base)
  for name, wanted in pairs(TYPES) do
    local found = redis.call('TYPE', base .. ':' .. name).ok
    if found ~= wanted and found ~= 'none' then
      return false
    end
  end
  return true
end

local function is_open(base)
  return field(base, 'open') == '1'
end

local function participants(base)
  return redis.call('ZCARD', base .. ':board')
end

local function state(base)
  return {field(base, 'epoch'), field(base, 'open'), text(number(base, 'seq')), text(number(base, 'total')),
          text(number(base, 'pending')), text(participants(base)), field(base, 'unlocks')}
end

-- Raise the version by so many changes, and tell everybody who listens.
local function tell(base, changes)
  redis.call('HINCRBY', base .. ':state', 'seq', changes)
  redis.call('SPUBLISH', base .. ':updates', cjson.encode(state(base)))
end

-- Ids.

local function bucket(base, hour, digest)
  local place = (string.byte(digest, 1) * 256 + string.byte(digest, 2)) % BUCKETS
  return base .. ':seen:' .. text(hour) .. ':' .. place
end

local function hours(base, instant, window)
  local first = math.floor((instant - window) / HOUR)
  return redis.call('ZRANGE', base .. ':hours', '+inf', text(first), 'BYSCORE', 'REV')
end

local function known(base, among, digest)
  for _, hour in ipairs(among) do
    local found = redis.call('HGET', bucket(base, hour, digest), digest)
    if found then
      return found
    end
  end
end

local function forget(base, before)
  for _, hour in ipairs(redis.call('ZRANGE', base .. ':hours', '-inf', '(' .. text(before), 'BYSCORE')) do
    for place = 0, BUCKETS - 1 do
      redis.call('UNLINK', base .. ':seen:' .. hour .. ':' .. place)
    end
    redis.call('ZREM', base .. ':hours', hour)
  end
end

-- Loading has no `pairs`: each is named.
local function writes(name, callback)
  redis.register_function{function_name = 'worldevents_' .. name, callback = callback}
end

local function reads(name, callback)
  redis.register_function{function_name = 'worldevents_' .. name, callback = callback, flags = {'no-writes'}}
end

local function version()
  return VERSION
end

reads('version', version)
