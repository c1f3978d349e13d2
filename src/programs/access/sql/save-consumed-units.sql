INSERT INTO access_consumed_unit (id, user_id, entity_type, entity_id, created_at)
SELECT id, user_id, entity_type, entity_id, created_at
FROM jsonb_to_recordset($1::jsonb) AS r (id text, user_id text, entity_type integer, entity_id text, created_at bigint)
