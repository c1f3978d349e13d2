#!lua
-- Stores a committed state of a quota where it is newer than the one known here: of two
-- states the later day, then the higher version wins. Run twice it does the same as once.
-- KEYS[1] the quota's counter
-- ARGV    day, version, used, held, limit, seconds until the day or the first hold ends,
--         and the day and version of a state that this one replaces even where it is not
--         newer (read from the database after that one was seen here), or "" and ""
local known = redis.call("HMGET", KEYS[1], "day", "version")
local day, version = tonumber(known[1]), tonumber(known[2])
local newDay, newVersion = tonumber(ARGV[1]), tonumber(ARGV[2])
local newer = not (day and version) or newDay > day or (newDay == day and newVersion > version)
local replaces = day == tonumber(ARGV[7]) and version == tonumber(ARGV[8])
if not (newer or replaces) then return 0 end
redis.call("HSET", KEYS[1], "left", tonumber(ARGV[5]) - tonumber(ARGV[3]) - tonumber(ARGV[4]),
  "day", ARGV[1], "version", ARGV[2], "used", ARGV[3], "held", ARGV[4], "limit", ARGV[5])
redis.call("EXPIRE", KEYS[1], ARGV[6])
return 1
