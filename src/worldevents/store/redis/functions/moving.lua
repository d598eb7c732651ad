-- Moving: what operators change, word for word what `movements` decides.

-- What is there under a movement's id: amount, status, epoch, position. What was taken back may be done again.
local function done(batch, item)
  local stored = item.known ~= '' and item.known or known(batch.base, batch.hours, item.digest)
  if not stored then
    return nil
  end
  local amount, status, epoch, position = string.match(stored, '^(-?%d+)|(%a+)|([^|]*)|(%d+)$')
  if epoch == batch.epoch and redis.call('HEXISTS', batch.base .. ':undone', position) == 1 then
    return nil
  end
  return amount, status, epoch, position
end

-- One movement -> its answer; the batch takes note of what is to be written.
local function note_movement(batch, item)
  local amount, status, epoch, position = done(batch, item)
  if amount then
    if not item.is_all and (amount ~= text(item.amount) or status ~= item.status) then
      return nil
    end
    return {status, '1', epoch, position, amount}
  end
  if item.amount == 0 then
    return {'none'}
  end
  position = text(batch.last + #batch.entries + 1)
  batch.new[item.digest] = text(item.amount) .. '|' .. item.status .. '|' .. batch.epoch .. '|' .. position
  batch.counts = batch.counts + EFFECTS[item.status][1] * item.amount
  batch.holds = batch.holds + EFFECTS[item.status][2] * item.amount
  item.instant, item.position, item.name = batch.arrived, position, ''
  table.insert(batch.entries, item)
  return {item.status, '0', batch.epoch, position, text(item.amount)}
end

-- Why the movements cannot be done, or nil.
local function refused(batch, user, by_ban)
  local counted = counted_by(batch.base, user)
  local held = tonumber(redis.call('HGET', batch.base .. ':held', user) or '0')
  if not by_ban and redis.call('HEXISTS', batch.base .. ':banned', user) == 1 then
    return '!user_banned'
  elseif batch.arrived >= tonumber(batch.goal.closes) then
    return '!goal_not_open'
  elseif counted + batch.counts < 0 or held + batch.holds < 0 then
    return '!below_zero'
  elseif batch.counts + batch.holds > 0 and batch.counts + batch.holds >= batch.cap - batch.sum then
    return '!limit_exceeded|the goal cannot hold so much'
  end
end

-- An amount of '*' is all that the user has: what counts is taken away, what is held is rejected. After the grace it
-- is nothing. Where that is less than nothing, a repair is on its way: nobody knows how much it will be.
local function movements(base, user, is_over, args, first)
  local counted, held = counted_by(base, user), tonumber(redis.call('HGET', base .. ':held', user) or '0')
  local found = {}
  for place = first, #args, 5 do
    local item = {user = user, id = args[place], digest = args[place + 1], status = args[place + 3],
                  known = args[place + 4], is_all = args[place + 2] == '*'}
    if item.is_all and (counted < 0 or held < 0) then
      return nil
    elseif item.is_all and is_over then
      item.amount = 0
    elseif item.is_all then
      item.amount = item.status == 'corrected' and -counted or held
    else
      item.amount = tonumber(args[place + 2])
    end
    table.insert(found, item)
  end
  return found
end

-- What is answered where nothing can be changed now, or nil.
local function unready(base, goal, most, most_bytes)
  if not sound(base) then
    return redis.error_reply('WRONGTYPE a key of ' .. base .. ' is not of its type')
  elseif not is_open(base) or not goal.closes then
    return {'LOST'}
  elseif is_behind(base, number(base, 'last'), most, most_bytes) then
    return {'BEHIND'}
  end
end

-- move  ARGV: now, window (us), most entries waiting, most bytes waiting, cap, user, '' or the number of the ban that
-- begins or 'lift', then for each: id, digest, amount or '*', status, what the ledger holds or ''
-- -> {LOST}, {BEHIND}, {!code|why}, or {OK, total, own, answers}; an answer is {status, 1 if known, epoch, position,
-- amount}, or {none} where there was nothing to move
local function move(keys, args)
  local base, user, ban = keys[1], args[6], args[7]
  local goal = as_table(redis.call('HGETALL', base .. ':goal'))
  local not_now = unready(base, goal, tonumber(args[3]), tonumber(args[4]))
  if not_now then
    return not_now
  end
  local batch = picture(base, goal, now(args[1]), tonumber(args[5]))
  batch.hours, batch.counts, batch.holds = hours(base, batch.arrived, tonumber(args[2])), 0, 0
  local told, answers = movements(base, user, batch.arrived >= tonumber(goal.closes), args, 8), {}
  if not told then
    return {'BEHIND'}
  end
  for place, item in ipairs(told) do
    answers[place] = note_movement(batch, item)
    if not answers[place] then
      return {'!contribution_conflict'}
    end
  end
  local why = #batch.entries > 0 and refused(batch, user, ban ~= '')
  if why then
    return {why}
  end
  if ban == 'lift' then
    redis.call('HDEL', base .. ':banned', user)
  elseif ban ~= '' then
    redis.call('HSET', base .. ':banned', user, ban)
  end
  if #batch.entries > 0 then
    batch.counted[user] = batch.counts ~= 0 and batch.counts or nil
    batch.held[user] = batch.holds ~= 0 and batch.holds or nil
    write(batch)
  end
  return {'OK', text(number(base, 'total')), text(counted_by(base, user)), answers}
end

-- closed  ARGV: now, version -> '1' where by this version of the goal nothing moves its sums any more, else '0'
local function closed(keys, args)
  local goal = as_table(redis.call('HGETALL', keys[1] .. ':goal'))
  local is_this = is_open(keys[1]) and goal.version == args[2] and not limit(goal, 'cancelled')
  return is_this and now(args[1]) >= tonumber(goal.closes) and '1' or '0'
end

writes('move', move)
reads('closed', closed)
