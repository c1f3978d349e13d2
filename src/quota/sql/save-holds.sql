INSERT INTO quota_hold (id, user_id, entity_type, day, units, reference, created_by, created_at, expires_at, status,
  committed, ended_at)
SELECT id, user_id, entity_type, day, units, reference, created_by, created_at, expires_at, status, committed, ended_at
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::bigint[],
  $9::bigint[], $10::text[], $11::bigint[], $12::bigint[]) AS r (id, user_id, entity_type, day, units, reference,
  created_by, created_at, expires_at, status, committed, ended_at)
ON CONFLICT (id)
DO UPDATE SET units = excluded.units, expires_at = excluded.expires_at, status = excluded.status,
  committed = excluded.committed, ended_at = excluded.ended_at
