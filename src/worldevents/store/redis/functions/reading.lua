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

-- standing  ARGV: user, an amount or '' for what counts for that user, then amounts
-- -> {state, the amount, own held, how many have strictly more, as much, the next greater amount or '', how many have
--     that, and how many have at least each of the amounts}
local function standing(keys, args)
  local base, user, amount = keys[1], args[1], args[2]
  local board = base .. ':board'
  if amount == '' then
    amount = text(counted_by(base, user))
  end
  local score = text(-tonumber(amount))
  local above = redis.call('ZCOUNT', board, '-inf', '(' .. score)
  local more, as_many = '', 0
  if above > 0 then
    local nearest = tonumber(redis.call('ZRANGE', board, above - 1, above - 1, 'WITHSCORES')[2])
    more, as_many = text(-nearest), redis.call('ZCOUNT', board, text(nearest), text(nearest))
  end
  local told = {state(base), amount, redis.call('HGET', base .. ':held', user) or '0', text(above),
                text(redis.call('ZCOUNT', board, score, score)), more, text(as_many)}
  for place = 3, #args do
    table.insert(told, text(redis.call('ZCOUNT', board, '-inf', text(-tonumber(args[place])))))
  end
  return told
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

reads('progress', progress)
reads('standing', standing)
reads('rows', rows)
reads('place', place)
reads('above', above)
reads('sum', sum)
