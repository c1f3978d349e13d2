#!lua flags=no-writes
-- Would the quota, as it was last published, deny this? Changes nothing. The first
-- field alone answers for a request that would not be denied, which most are not.
-- KEYS[1] the quota's counter · ARGV[1] units asked for
-- Answers nil where it would not deny or nothing usable is known, else {day, version, used, held, limit}.
local left = tonumber(redis.call("HGET", KEYS[1], "left"))
if not left or left >= tonumber(ARGV[1]) then return false end
local state = redis.call("HMGET", KEYS[1], "day", "version", "used", "held", "limit")
local day, version = tonumber(state[1]), tonumber(state[2])
local used, held, limit = tonumber(state[3]), tonumber(state[4]), tonumber(state[5])
if not (day and version and used and held and limit) then return false end
return { day, version, used, held, limit }
