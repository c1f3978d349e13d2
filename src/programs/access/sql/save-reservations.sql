INSERT INTO access_reservation (id, user_id, entity_type, entity_id, account, amount, quota_per_day, created_at,
  reserved_until, status, ended_at)
SELECT id, user_id, entity_type, entity_id, account, amount, quota_per_day, created_at, reserved_until, status, ended_at
FROM jsonb_to_recordset($1::jsonb) AS r (id text, user_id text, entity_type integer, entity_id text, account uuid,
  amount numeric, quota_per_day integer, created_at bigint, reserved_until bigint, status text, ended_at bigint)
ON CONFLICT (id) DO UPDATE SET status = excluded.status, ended_at = excluded.ended_at
