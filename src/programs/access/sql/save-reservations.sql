INSERT INTO access_reservation (id, user_id, entity_type, entity_id, account, amount, quota_per_day, created_at,
  reserved_until, status, ended_at, ended_by)
SELECT id, user_id, entity_type, entity_id, account, amount, quota_per_day, created_at, reserved_until, status, ended_at,
  ended_by
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::uuid[], $6::numeric[], $7::bigint[], $8::bigint[],
  $9::bigint[], $10::text[], $11::bigint[], $12::text[]) AS r (id, user_id, entity_type, entity_id, account, amount,
  quota_per_day, created_at, reserved_until, status, ended_at, ended_by)
ON CONFLICT (id) DO UPDATE SET status = excluded.status, ended_at = excluded.ended_at, ended_by = excluded.ended_by
