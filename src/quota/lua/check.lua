#!lua flags=no-writes
-- Would the quota, as it was last published, deny this? Changes nothing.
-- KEYS[1] the quota's counter · ARGV[1] units asked for
-- Answers nil where it would not deny or nothing usable is known, else {day, version, used, limit}.
local state = redis.call("HMGET", KEYS[1], "day", "version", "used", "limit")
local day, version = tonumber(state[1]), tonumber(state[2])
local used, limit = tonumber(state[3]), tonumber(state[4])
if not (day and version and used and limit) then return false end
if used + tonumber(ARGV[1]) <= limit then return false end
return { day, version, used, limit }
