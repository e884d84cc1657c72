"""What is done inside Redis, each as one script, which nothing else comes between.

The keys of a vm_id are `PREFIX:{VM_ID}:` and a word; in braces, for a cluster to keep them together:

    data     hash: key -> record: its change (8 bytes), when it expires in ms (8 bytes), value
    order    sorted set: key by change, the order in which entries go
    expiry   sorted set: key by the time when it expires
    meta     hash: change, the counter; size, bytes of all entries
    queues   hash: name -> bytes of the items that wait
    queue:…  list: items
    taken:…  what a consumer took last, so that it gets the same again when it has not seen the answer

Each change gets the next number of the counter and is published in `changes` as number, length of key, key, record
(none for a delete): whoever has missed none has the same data. An item is told in `items`: sender, name.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Final

from host.store.interface import ENTRY_COST


class Script:
    """A script and the digest that Redis knows it by."""

    def __init__(self, text: str) -> None:
        self.text = text.replace("ENTRY_COST", str(ENTRY_COST))
        self.digest = sha1(self.text.encode(), usedforsecurity=False).hexdigest()


_COMMON = """
local data, order, expiry, meta, channel = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function record_of(key)
  local record = redis.call('HGET', data, key)
  if not record then return nil end
  local change, expires = struct.unpack('>I8I8', record)
  return record, change, expires > 0 and expires <= now
end
local function publish(key, record)
  local change = redis.call('HINCRBY', meta, 'change', 1)
  redis.call('PUBLISH', channel, struct.pack('>I8I4', change, #key) .. key .. record)
  return change
end
local function cost(key, record) return #key + #record - 16 + ENTRY_COST end
local function remove(key, record)
  redis.call('HDEL', data, key)
  redis.call('ZREM', order, key)
  redis.call('ZREM', expiry, key)
  redis.call('HINCRBY', meta, 'size', -cost(key, record))
end
local function same(change, cas) return cas == 0 or (change - 1) % 4294967295 + 1 == cas end
local function counter() return tonumber(redis.call('HGET', meta, 'change') or 0) end
for _, key in ipairs(redis.call('ZRANGEBYSCORE', expiry, '-inf', now, 'LIMIT', 0, 8)) do
  remove(key, redis.call('HGET', data, key))
end
"""

SET: Final = Script(
    _COMMON
    + """
local key, value, cas, ttl, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local old, change, is_over = record_of(key)
if old and not is_over and not same(change, cas) then return {1, counter(), old, {}} end
if old then remove(key, old) end
change = counter() + 1
local expires = ttl > 0 and now + ttl or 0
local record = struct.pack('>I8I8', change, expires) .. value
redis.call('HSET', data, key, record)
redis.call('ZADD', order, change, key)
if expires > 0 then redis.call('ZADD', expiry, expires, key) end
local size = redis.call('HINCRBY', meta, 'size', cost(key, record))
publish(key, record)
local gone = {}
while size > most do
  local oldest = redis.call('ZRANGE', order, 0, 0)[1]
  remove(oldest, redis.call('HGET', data, oldest))
  publish(oldest, '')
  gone[#gone + 1] = oldest
  size = tonumber(redis.call('HGET', meta, 'size'))
end
return {0, change, struct.pack('>I8I8', change, expires), gone}
"""
)
"""0, change, head of the record, keys that had to go; or 1, counter, the record that is there, nothing."""

DELETE: Final = Script(
    _COMMON
    + """
local key, cas = ARGV[1], tonumber(ARGV[2])
local old, change, is_over = record_of(key)
if not old then return {0, counter(), ''} end
if not is_over and not same(change, cas) then return {1, counter(), old} end
remove(key, old)
return {0, publish(key, ''), ''}
"""
)
"""0, change, nothing; or 1 as SET."""

EXPIRE: Final = Script(
    _COMMON
    + """
local key, ttl = ARGV[1], tonumber(ARGV[2])
local old, change, is_over = record_of(key)
if not old or is_over then return {1, counter(), ''} end
local expires = ttl > 0 and now + ttl or 0
local record = struct.pack('>I8I8', change, expires) .. string.sub(old, 17)
redis.call('HSET', data, key, record)
redis.call('ZREM', expiry, key)
if expires > 0 then redis.call('ZADD', expiry, expires, key) end
return {0, publish(key, record), record}
"""
)
"""0, change, record; or 1 when there is none."""

SNAPSHOT: Final = Script(
    _COMMON
    + """
return {counter(), now, redis.call('HGETALL', data)}
"""
)
"""Counter, the server's time in ms, keys and records in turn."""

REGISTER: Final = Script(
    """
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 0 end
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[2]) then return 1 end
redis.call('HSET', KEYS[1], ARGV[1], 0)
return 0
"""
)
"""0, or 1 when there are too many."""

ENQUEUE: Final = Script(
    """
local size = redis.call('HGET', KEYS[1], ARGV[1])
if not size then return 2 end
local cost = #ARGV[2] + ENTRY_COST
if size + cost > tonumber(ARGV[3]) then return 1 end
redis.call('RPUSH', KEYS[2], ARGV[2])
redis.call('HINCRBY', KEYS[1], ARGV[1], cost)
redis.call('PUBLISH', KEYS[3], ARGV[4] .. ARGV[1])
return 0
"""
)
"""0; 1: full; 2: no such queue."""

DEQUEUE: Final = Script(
    """
local ticket = ARGV[2]
local last = redis.call('GET', KEYS[3])
if last and string.sub(last, 1, #ticket) == ticket then return {0, string.sub(last, #ticket + 1)} end
local item = redis.call('LPOP', KEYS[2])
if not item then return {redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 and 1 or 2, ''} end
redis.call('HINCRBY', KEYS[1], ARGV[1], -(#item + ENTRY_COST))
redis.call('SET', KEYS[3], ticket .. item, 'PX', 600000)
return {0, item}
"""
)
"""0, the item; 1: empty; 2: no such queue. The same ticket gets the same item: the first answer may have been lost."""

PUT_BACK: Final = Script(
    """
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 2 end
redis.call('LPUSH', KEYS[2], ARGV[2])
redis.call('HINCRBY', KEYS[1], ARGV[1], #ARGV[2] + ENTRY_COST)
return 0
"""
)

EXISTS: Final = Script("return redis.call('HEXISTS', KEYS[1], ARGV[1])")
NAMES: Final = Script("return redis.call('HKEYS', KEYS[1])")
LENGTH: Final = Script("return redis.call('LLEN', KEYS[1])")

ALL: Final = (SET, DELETE, EXPIRE, SNAPSHOT, REGISTER, ENQUEUE, DEQUEUE, PUT_BACK, EXISTS, NAMES, LENGTH)
