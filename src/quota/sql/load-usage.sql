-- $1: [{"user_id", "entity_type", "day"}]
SELECT u.user_id, u.entity_type, u.day, u.used, u.held, u.version, u.next_expiry, u.told
FROM json_to_recordset($1) AS q (user_id text, entity_type smallint, day integer)
JOIN usage u ON u.user_id = q.user_id AND u.entity_type = q.entity_type AND u.day = q.day
