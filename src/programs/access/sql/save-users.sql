INSERT INTO access_user (user_id, locked, staked, reserved, active_locks, active_stakes, active_reservations,
  stakes_by_tier, quota_by_entity)
SELECT user_id, locked, staked, reserved, active_locks, active_stakes, active_reservations, stakes_by_tier, quota_by_entity
FROM unnest($1::text[], $2::numeric[], $3::numeric[], $4::numeric[], $5::bigint[], $6::bigint[], $7::bigint[],
  $8::jsonb[], $9::jsonb[]) AS r (user_id, locked, staked, reserved, active_locks, active_stakes, active_reservations,
  stakes_by_tier, quota_by_entity)
ON CONFLICT (user_id) DO UPDATE SET locked = excluded.locked, staked = excluded.staked, reserved = excluded.reserved,
  active_locks = excluded.active_locks, active_stakes = excluded.active_stakes,
  active_reservations = excluded.active_reservations, stakes_by_tier = excluded.stakes_by_tier,
  quota_by_entity = excluded.quota_by_entity
