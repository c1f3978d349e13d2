INSERT INTO access_compute (user_id, entity_type, entity_id, active, quota_per_day, reserved_until)
SELECT user_id, entity_type, entity_id, active, quota_per_day, reserved_until
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[]) AS r (user_id,
  entity_type, entity_id, active, quota_per_day, reserved_until)
ON CONFLICT (user_id, entity_type, entity_id) DO UPDATE
  SET active = excluded.active, quota_per_day = excluded.quota_per_day, reserved_until = excluded.reserved_until
