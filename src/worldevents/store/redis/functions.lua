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
--                     over (hold or refuse), version
--   :board    zset    user -> the counted amount, negated: ascending is the board's order, ties by user id
--   :held     hash    user -> the held amount
--   :days     hash    user:day -> the counted amount of that UTC day, for goals with such a limit
--   :outbox   stream  <position>-0 -> u user, c contribution id, a amount, s status, o occurred, r received (us), n name
--   :undone   hash    position -> 1, what was taken back in this epoch
--   :hours    zset    hours that have ids
--   :seen:<hour>:<bucket>  hash  digest of (user, contribution id) -> amount|status|epoch|position
--   :updates  channel the state after every change, as JSON

local VERSION = '1'
local HOUR = 3600000000
local DAY = 86400000000
local FUTURE = 60000000
local BOUND = 9007199254740992
local BUCKETS = 2048

local TYPES = {state = 'hash', goal = 'hash', board = 'zset', held = 'hash', days = 'hash', outbox = 'stream',
               undone = 'hash', hours = 'zset'}

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

-- Judging: word for word what `rules` decides.

local function limit(goal, name)
  return tonumber(goal[name] or '')
end

local function window(goal, instant, arrived)
  if instant - arrived > FUTURE then
    return '!occurred_at_future'
  end
  local cancelled = tonumber(goal.cancelled or '')
  if (cancelled and cancelled <= arrived) or instant < tonumber(goal.starts) or instant >= tonumber(goal.ends) then
    return '!goal_not_open'
  end
  return arrived < tonumber(goal.closes) and 'counted' or 'late'
end

local function broken(goal, amount, today, total)
  if limit(goal, 'one') and amount > limit(goal, 'one') then
    return 'the limit for one contribution'
  elseif limit(goal, 'day') and today + amount > limit(goal, 'day') then
    return 'the limit for one user and day'
  elseif limit(goal, 'user') and total + amount > limit(goal, 'user') then
    return 'the limit for one user'
  end
end

local function counted_by(base, user)
  return -tonumber(redis.call('ZSCORE', base .. ':board', user) or '0')
end

-- What the batch would do, so far.
local function picture(base, goal, arrived, cap)
  return {base = base, goal = goal, arrived = arrived, cap = cap, sum = number(base, 'total') + number(base, 'pending'),
          counted = {}, held = {}, days = {}, new = {}, entries = {}, users = {}}
end

local function today_of(batch, item)
  local key = item.user .. ':' .. text(math.floor(item.instant / DAY))
  local stored = tonumber(redis.call('HGET', batch.base .. ':days', key) or '0')
  return key, stored + (batch.days[key] or 0)
end

local function amount_of(batch, item)
  local goal, user, amount = batch.goal, item.user, item.amount
  if amount >= batch.cap - batch.sum then
    return '!limit_exceeded|the goal cannot hold so much'
  end
  local day, today, total = nil, 0, 0
  if limit(goal, 'day') then
    day, today = today_of(batch, item)
  end
  if limit(goal, 'user') then
    total = counted_by(batch.base, user) + (batch.counted[user] or 0)
  end
  local why = broken(goal, amount, today, total)
  if why and goal.over == 'refuse' then
    return '!limit_exceeded|the amount is over ' .. why
  end
  batch.sum = batch.sum + amount
  if why then
    batch.held[user] = (batch.held[user] or 0) + amount
    return 'held'
  end
  batch.counted[user] = (batch.counted[user] or 0) + amount
  if day then
    batch.days[day] = (batch.days[day] or 0) + amount
  end
  return 'counted'
end

-- One item -> its answer; the batch takes note of what is to be written.
local function judge(batch, item)
  local stored = item.known ~= '' and item.known or batch.new[item.digest]
                 or known(batch.base, batch.hours, item.digest)
  if stored then
    local amount, status, epoch, position = string.match(stored, '^(%d+)|(%a+)|([^|]*)|(%d+)$')
    if amount ~= text(item.amount) then
      return {'!contribution_conflict'}
    end
    return {status, '1', epoch, position}
  end
  item.instant = item.occurred ~= '' and tonumber(item.occurred) or batch.arrived
  local status = window(batch.goal, item.instant, batch.arrived)
  if status == 'counted' then
    status = amount_of(batch, item)
  end
  if string.sub(status, 1, 1) == '!' then
    return {status}
  end
  local position = text(batch.last + #batch.entries + 1)
  batch.new[item.digest] = text(item.amount) .. '|' .. status .. '|' .. batch.epoch .. '|' .. position
  item.status, item.position = status, position
  table.insert(batch.entries, item)
  return {status, '0', batch.epoch, position}
end

-- Writing: from here on nothing can fail.

local function write_entry(batch, item)
  local values = {'u', item.user, 'c', item.id, 'a', text(item.amount), 's', item.status,
                  'o', text(item.instant), 'r', text(batch.arrived)}
  if item.has_name then
    table.insert(values, 'n')
    table.insert(values, item.name)
  end
  redis.call('XADD', batch.base .. ':outbox', item.position .. '-0', unpack(values))
  return #item.user + #item.id + #item.name + 40
end

local function write(batch)
  local base, bytes, changes, total, pending = batch.base, 0, 0, 0, 0
  local hour = math.floor(batch.arrived / HOUR)
  for _, item in ipairs(batch.entries) do
    bytes = bytes + write_entry(batch, item)
    redis.call('HSET', bucket(base, hour, item.digest), item.digest, batch.new[item.digest])
    changes = changes + (item.status == 'late' and 0 or 1)
  end
  for user, amount in pairs(batch.counted) do
    redis.call('ZINCRBY', base .. ':board', text(-amount), user)
    total = total + amount
  end
  for user, amount in pairs(batch.held) do
    redis.call('HINCRBY', base .. ':held', user, text(amount))
    pending = pending + amount
  end
  for day, amount in pairs(batch.days) do
    redis.call('HINCRBY', base .. ':days', day, text(amount))
  end
  redis.call('ZADD', base .. ':hours', text(hour), text(hour))
  redis.call('HSET', base .. ':state', 'last', text(batch.last + #batch.entries))
  redis.call('HINCRBY', base .. ':state', 'bytes', bytes)
  redis.call('HINCRBY', base .. ':state', 'total', text(total))
  redis.call('HINCRBY', base .. ':state', 'pending', text(pending))
  if changes > 0 then
    tell(base, changes)
  end
end

local function is_behind(base, last, most, most_bytes)
  local waiting = last - number(base, 'acked')
  local mean = last > 0 and number(base, 'bytes') / last or 0
  return waiting >= most or waiting * mean >= most_bytes
end

local function as_table(pairs_of)
  local found = {}
  for place = 1, #pairs_of, 2 do
    found[pairs_of[place]] = pairs_of[place + 1]
  end
  return found
end

local function items(args, first)
  local found = {}
  for place = first, #args, 8 do
    if not string.match(args[place + 3], '^[1-9]%d*$') then
      return nil
    end
    table.insert(found, {user = args[place], id = args[place + 1], digest = args[place + 2],
                         amount = tonumber(args[place + 3]), occurred = args[place + 4],
                         has_name = args[place + 5] == '1', name = args[place + 6], known = args[place + 7]})
  end
  return found
end

-- contribute  ARGV: now, window (us), most entries waiting, most bytes waiting, cap, then for each item: user,
-- contribution id, digest, amount, occurred or '', 1 if it has a name, the name, what the ledger holds or ''
-- -> {LOST} or {BEHIND} or {OK, total, answers}; an answer is {status, 1 if known, epoch, position, own} or {!code|why}
local function contribute(keys, args)
  local base = keys[1]
  if not sound(base) then
    return redis.error_reply('WRONGTYPE a key of ' .. base .. ' is not of its type')
  end
  local told = items(args, 6)
  if not told then
    return redis.error_reply('ERR an amount is a positive integer')
  end
  local goal = as_table(redis.call('HGETALL', base .. ':goal'))
  if not is_open(base) or not goal.starts then
    return {'LOST'}
  end
  local last = number(base, 'last')
  if is_behind(base, last, tonumber(args[3]), tonumber(args[4])) then
    return {'BEHIND'}
  end
  local batch = picture(base, goal, now(args[1]), tonumber(args[5]))
  batch.epoch, batch.last = field(base, 'epoch'), last
  batch.hours = hours(base, batch.arrived, tonumber(args[2]))
  local answers = {}
  for place, item in ipairs(told) do
    answers[place] = judge(batch, item)
  end
  if #batch.entries > 0 then
    write(batch)
  end
  for place, item in ipairs(told) do
    if string.sub(answers[place][1], 1, 1) ~= '!' then
      table.insert(answers[place], text(counted_by(base, item.user)))
    end
  end
  return {'OK', text(number(base, 'total')), answers}
end

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
    local id = text(target + step) .. '-0'
    local entry = target + step <= acked and redis.call('XRANGE', stream, id, id)[1]
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

-- take_back  ARGV: epoch, position, user, amount, status -> 1, or 0 where that was done, or in another epoch
local function take_back(keys, args)
  local base, position, user, amount = keys[1], args[2], args[3], tonumber(args[4])
  if field(base, 'epoch') ~= args[1] or redis.call('HEXISTS', base .. ':undone', position) == 1 then
    return 0
  end
  redis.call('HSET', base .. ':undone', position, '1')
  if args[5] == 'counted' then
    local left = counted_by(base, user) - amount
    redis.call('HINCRBY', base .. ':state', 'total', text(-amount))
    if left > 0 then
      redis.call('ZADD', base .. ':board', text(-left), user)
    else
      redis.call('ZREM', base .. ':board', user)
    end
  else
    redis.call('HINCRBY', base .. ':state', 'pending', text(-amount))
    redis.call('HINCRBY', base .. ':held', user, text(-amount))
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
  local had_days = limit(as_table(redis.call('HGETALL', base .. ':goal')), 'day')
  redis.call('HSET', base .. ':goal', 'version', args[1], unpack(args, 3))
  if limit(as_table(redis.call('HGETALL', base .. ':goal')), 'day') and not had_days and number(base, 'last') > 0 then
    -- What counted on each day is in the ledger alone: nothing more is taken until it was brought here.
    redis.call('HSET', base .. ':state', 'open', '0')
  end
  if is_open(base) then
    tell(base, 1)
  end
  return 1
end

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
  for _, name in ipairs({'state', 'board', 'held', 'days', 'outbox', 'undone', 'hours'}) do
    redis.call('UNLINK', base .. ':' .. name)
  end
  redis.call('HSET', base .. ':state', 'filling', args[2], 'open', '0', 'token', args[1],
             'touched', text(milliseconds()))
  return 1
end

-- fill_users  ARGV: token, epoch, then for each: user, amount, pending, how many days, and each day and its amount
local function fill_users(keys, args)
  local base, place = keys[1], 3
  if not holds(base, args[1], args[2]) then
    return 0
  end
  while place <= #args do
    local user, days = args[place], tonumber(args[place + 3])
    if args[place + 1] ~= '0' then
      redis.call('ZADD', base .. ':board', '-' .. args[place + 1], user)
    end
    if args[place + 2] ~= '0' then
      redis.call('HSET', base .. ':held', user, args[place + 2])
    end
    for day = 0, days - 1 do
      local at = place + 4 + 2 * day
      redis.call('HSET', base .. ':days', user .. ':' .. args[at], args[at + 1])
    end
    place = place + 4 + 2 * days
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

-- Reading.

-- progress  ARGV: user or '' -> {state, own, own held, how many have strictly more}
local function progress(keys, args)
  local base, user = keys[1], args[1]
  if user == '' then
    return {state(base), '0', '0', '0'}
  end
  local own = counted_by(base, user)
  local above = redis.call('ZCOUNT', base .. ':board', '-inf', '(' .. text(-own))
  return {state(base), text(own), redis.call('HGET', base .. ':held', user) or '0', text(above)}
end

-- Where a user with this amount stands, or would: how many come before. By halves among those with as much.
local function place_of(base, amount, user)
  local board = base .. ':board'
  local low = redis.call('ZCOUNT', board, '-inf', '(' .. text(-amount))
  local high = low + redis.call('ZCOUNT', board, text(-amount), text(-amount))
  while low < high do
    local middle = math.floor((low + high) / 2)
    if redis.call('ZRANGE', board, middle, middle)[1] < user then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

-- rows  ARGV: first place, how many -> {state, user, score, ...}
local function rows(keys, args)
  local first = tonumber(args[1])
  local last = first + tonumber(args[2]) - 1
  return {state(keys[1]), redis.call('ZRANGE', keys[1] .. ':board', first, last, 'WITHSCORES')}
end

-- place  ARGV: amount, user -> how many come before
local function place(keys, args)
  return text(place_of(keys[1], tonumber(args[1]), args[2]))
end

-- above  ARGV: amount -> how many have strictly more
local function above(keys, args)
  return text(redis.call('ZCOUNT', keys[1] .. ':board', '-inf', '(' .. text(-tonumber(args[1]))))
end

-- sum  ARGV: first place, how many -> {epoch, seq, how many there were, the sum of their amounts}
local function sum(keys, args)
  local base, first = keys[1], tonumber(args[1])
  local found = redis.call('ZRANGE', base .. ':board', first, first + tonumber(args[2]) - 1, 'WITHSCORES')
  local total = 0
  for place = 2, #found, 2 do
    total = total - tonumber(found[place])
  end
  return {field(base, 'epoch'), text(number(base, 'seq')), text(#found / 2), text(total)}
end

local function version()
  return VERSION
end

-- Loading has no `pairs`: each is named.
local function writes(name, callback)
  redis.register_function{function_name = 'worldevents_' .. name, callback = callback}
end

local function reads(name, callback)
  redis.register_function{function_name = 'worldevents_' .. name, callback = callback, flags = {'no-writes'}}
end

writes('contribute', contribute)
writes('acknowledge', acknowledge)
writes('take_back', take_back)
writes('decide', decide)
writes('configure', configure)
writes('shut', shut)
writes('wipe', wipe)
writes('fill_users', fill_users)
writes('fill_ids', fill_ids)
writes('reopen', reopen)
reads('backlog', backlog)
reads('progress', progress)
reads('rows', rows)
reads('place', place)
reads('above', above)
reads('sum', sum)
reads('version', version)
