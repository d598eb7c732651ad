-- Judging: word for word what `rules` decides.

-- How many times its amount a row of each status adds to what counts and to what is held: as in `movements`.
local EFFECTS = {counted = {1, 0}, held = {0, 1}, late = {0, 0}, corrected = {1, 0}, released = {1, -1},
                 rejected = {0, -1}, withheld = {-1, 1}, erased = {0, 0}}

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

-- Histories: word for word what `outliers` decides.

local STEPS = 8
local LEAST_SPREAD = 4

local function step_of(amount)
  local part, doublings = math.frexp(amount)
  return STEPS * (doublings - 1) + math.floor((2 * part - 1) * STEPS)
end

local function shape_of(told)
  local found = {}
  for step, count in string.gmatch(told or '', '(%d+)=(%d+)') do
    found[tonumber(step)] = tonumber(count)
  end
  return found
end

local function shape_told(shape)
  local words = {}
  for step, count in pairs(shape) do
    table.insert(words, text(step) .. '=' .. text(count))
  end
  return table.concat(words, ' ')
end

local function middle(shape, all)
  local steps, passed, place = {}, 0, 0
  for step in pairs(shape) do
    table.insert(steps, step)
  end
  table.sort(steps)
  repeat
    place = place + 1
    passed = passed + shape[steps[place]]
  until passed * 2 >= all
  return steps[place]
end

local function is_far(shape, step, least, deviations)
  local all, distances = 0, {}
  for _, count in pairs(shape) do
    all = all + count
  end
  if all < least then
    return false
  end
  local centre = middle(shape, all)
  for other, count in pairs(shape) do
    local distance = math.abs(other - centre)
    distances[distance] = (distances[distance] or 0) + count
  end
  return step - centre > deviations * math.max(LEAST_SPREAD, middle(distances, all))
end

local function counted_by(base, user)
  return -tonumber(redis.call('ZSCORE', base .. ':board', user) or '0')
end

-- Who has nothing any more is not on the board.
local function add_to_board(base, user, amount)
  if tonumber(redis.call('ZINCRBY', base .. ':board', text(-amount), user)) == 0 then
    redis.call('ZREM', base .. ':board', user)
  end
end

local function shape_all(base)
  local found, told = {}, redis.call('HGETALL', base .. ':shape')
  for place = 1, #told, 2 do
    found[tonumber(told[place])] = tonumber(told[place + 1])
  end
  return found
end

-- What the batch would do, so far.
local function picture(base, goal, arrived, cap)
  return {base = base, goal = goal, arrived = arrived, cap = cap, sum = number(base, 'total') + number(base, 'pending'),
          counted = {}, held = {}, days = {}, new = {}, entries = {}, users = {},
          everyones = limit(goal, 'deviations') and shape_all(base), shapes = {}, learnt = {}, learners = {},
          epoch = field(base, 'epoch'), last = number(base, 'last')}
end

local function today_of(batch, item)
  local key = item.user .. ':' .. text(math.floor(item.instant / DAY))
  local stored = tonumber(redis.call('HGET', batch.base .. ':days', key) or '0')
  return key, stored + (batch.days[key] or 0)
end

local function shape_by(batch, user)
  local found = batch.shapes[user] or shape_of(redis.call('HGET', batch.base .. ':shapes', user))
  batch.shapes[user] = found
  return found
end

local function is_outlier(batch, user, amount)
  local goal, step = batch.goal, step_of(amount)
  local deviations = limit(goal, 'deviations')
  return is_far(shape_by(batch, user), step, limit(goal, 'own_least'), deviations)
         and is_far(batch.everyones, step, limit(goal, 'everyones_least'), deviations)
end

local function learn(batch, user, amount)
  local step, own = step_of(amount), shape_by(batch, user)
  own[step] = (own[step] or 0) + 1
  batch.everyones[step] = (batch.everyones[step] or 0) + 1
  batch.learnt[step] = (batch.learnt[step] or 0) + 1
  batch.learners[user] = own
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
  if why or batch.everyones and is_outlier(batch, user, amount) then
    batch.held[user] = (batch.held[user] or 0) + amount
    return 'held'
  end
  batch.counted[user] = (batch.counted[user] or 0) + amount
  if day then
    batch.days[day] = (batch.days[day] or 0) + amount
  end
  if batch.everyones then
    learn(batch, user, amount)
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
  if batch.has_banned and redis.call('HEXISTS', batch.base .. ':banned', item.user) == 1 then
    return {'!user_banned'}
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
    add_to_board(base, user, amount)
    total = total + amount
  end
  for user, amount in pairs(batch.held) do
    redis.call('HINCRBY', base .. ':held', user, text(amount))
    pending = pending + amount
  end
  for day, amount in pairs(batch.days) do
    redis.call('HINCRBY', base .. ':days', day, text(amount))
  end
  for user, shape in pairs(batch.learners) do
    redis.call('HSET', base .. ':shapes', user, shape_told(shape))
  end
  for step, count in pairs(batch.learnt) do
    redis.call('HINCRBY', base .. ':shape', text(step), text(count))
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
  batch.has_banned = redis.call('EXISTS', base .. ':banned') == 1
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

writes('contribute', contribute)
