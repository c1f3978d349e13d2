INSERT INTO access_compute (user_id, entity_type, entity_id, active, quota_per_day, reserved_until)
SELECT user_id, entity_type, entity_id, active, quota_per_day, reserved_until
FROM jsonb_to_recordset($1::jsonb) AS r (user_id text, entity_type integer, entity_id text, active bigint,
  quota_per_day bigint, reserved_until bigint)
ON CONFLICT (user_id, entity_type, entity_id) DO UPDATE
  SET active = excluded.active, quota_per_day = excluded.quota_per_day, reserved_until = excluded.reserved_until
