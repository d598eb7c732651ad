-- Erasing: a user's place in a partition becomes the tombstone's, in one step, and a row in the outbox says where.

-- One field of a hash under another name.
local function rename_field(key, from, to)
  local found = redis.call('HGET', key, from)
  if found then
    redis.call('HSET', key, to, found)
    redis.call('HDEL', key, from)
  end
end

-- Contributions happened within the goal's window, and not later than now.
local function rename_days(base, goal, from, to, arrived)
  if redis.call('EXISTS', base .. ':days') == 0 then
    return
  end
  local last = math.floor(math.min(tonumber(goal.ends), arrived + FUTURE) / DAY)
  for day = math.floor(tonumber(goal.starts) / DAY), last do
    rename_field(base .. ':days', from .. ':' .. text(day), to .. ':' .. text(day))
  end
end

local function rename_user(base, goal, from, to, arrived)
  local score = redis.call('ZSCORE', base .. ':board', from)
  if score then
    redis.call('ZADD', base .. ':board', score, to)
    redis.call('ZREM', base .. ':board', from)
  end
  rename_field(base .. ':held', from, to)
  rename_field(base .. ':shapes', from, to)
  rename_days(base, goal, from, to, arrived)
end

-- erase  ARGV: now, window (us), most entries waiting, most bytes waiting, cap, user, tombstone, id, digest, what the
-- ledger holds or '' -> {LOST}, {BEHIND}, or {OK, total, the tombstone's own, 1 if known, epoch, position}
local function erase(keys, args)
  local base, user, tombstone = keys[1], args[6], args[7]
  local goal = as_table(redis.call('HGETALL', base .. ':goal'))
  local not_now = unready(base, goal, tonumber(args[3]), tonumber(args[4]))
  if not_now then
    return not_now
  end
  local batch = picture(base, goal, now(args[1]), tonumber(args[5]))
  batch.hours = hours(base, batch.arrived, tonumber(args[2]))
  local item = {user = tombstone, id = args[8], digest = args[9], known = args[10], amount = 0, status = 'erased',
                name = '', instant = batch.arrived, position = text(batch.last + 1)}
  local amount, _, epoch, position = done(batch, item)
  if amount then
    return {'OK', text(number(base, 'total')), text(counted_by(base, tombstone)), '1', epoch, position}
  end
  batch.new[item.digest] = '0|erased|' .. batch.epoch .. '|' .. item.position
  table.insert(batch.entries, item)
  rename_user(base, goal, user, tombstone, batch.arrived)
  -- What the ledger has taken back until then is the tombstone's too.
  redis.call('HSET', base .. ':erased', user, tombstone .. '|' .. item.position)
  write(batch)
  return {'OK', text(number(base, 'total')), text(counted_by(base, tombstone)), '0', batch.epoch, item.position}
end

-- forget  ARGV: epoch, position, user, 1 if nobody bans that one now, after, how many
-- -> the last place that was looked at, or '' at the end: then nothing here names the user before that position.
local function forget_user(keys, args)
  local base, user, found = keys[1], args[3], {}
  -- The outbox of a later epoch is new, and what is in it came later too.
  if field(base, 'epoch') == args[1] then
    local from = text(tonumber(args[5]) + 1) .. '-0'
    found = redis.call('XRANGE', base .. ':outbox', from, args[2] .. '-0', 'COUNT', args[6])
  end
  for _, entry in ipairs(found) do
    if as_table(entry[2]).u == user then
      redis.call('XDEL', base .. ':outbox', entry[1])
    end
  end
  if #found == tonumber(args[6]) then
    return string.match(found[#found][1], '^%d+')
  end
  redis.call('HDEL', base .. ':erased', user)
  if args[4] == '1' then
    redis.call('HDEL', base .. ':banned', user)
  end
  return ''
end

writes('erase', erase)
writes('forget', forget_user)
