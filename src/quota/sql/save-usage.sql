-- $1: [{"user_id", "entity_type", "day", "used", "held", "version"}]
INSERT INTO usage (user_id, entity_type, day, used, held, version)
SELECT user_id, entity_type, day, used, held, version
FROM json_to_recordset($1)
  AS r (user_id text, entity_type smallint, day integer, used bigint, held bigint, version bigint)
ON CONFLICT (user_id, entity_type, day)
DO UPDATE SET used = excluded.used, held = excluded.held, version = excluded.version
