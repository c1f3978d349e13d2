-- $1: [{"user_id", "entity_type", "quota_per_day", "version"}]
INSERT INTO allowance (user_id, entity_type, quota_per_day, version)
SELECT user_id, entity_type, quota_per_day, version
FROM json_to_recordset($1) AS r (user_id text, entity_type smallint, quota_per_day bigint, version bigint)
ON CONFLICT (user_id, entity_type)
DO UPDATE SET quota_per_day = excluded.quota_per_day, version = excluded.version
