-- $1: [{"user_id", "entity_type", "day", "used", "held", "version", "next_expiry", "told"}]
INSERT INTO usage (user_id, entity_type, day, used, held, version, next_expiry, told)
SELECT user_id, entity_type, day, used, held, version, next_expiry, told
FROM json_to_recordset($1)
  AS r (user_id text, entity_type smallint, day integer, used bigint, held bigint, version bigint, next_expiry bigint,
    told smallint)
ON CONFLICT (user_id, entity_type, day)
DO UPDATE SET used = excluded.used, held = excluded.held, version = excluded.version,
  next_expiry = excluded.next_expiry, told = excluded.told
