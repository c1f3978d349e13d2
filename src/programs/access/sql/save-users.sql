INSERT INTO access_user (user_id, locked, staked, reserved, active_locks, active_stakes, active_reservations,
  stakes_by_tier, quota_by_entity)
SELECT user_id, locked, staked, reserved, active_locks, active_stakes, active_reservations, stakes_by_tier, quota_by_entity
FROM jsonb_to_recordset($1::jsonb) AS r (user_id text, locked numeric, staked numeric, reserved numeric,
  active_locks bigint, active_stakes bigint, active_reservations bigint, stakes_by_tier jsonb, quota_by_entity jsonb)
ON CONFLICT (user_id) DO UPDATE SET locked = excluded.locked, staked = excluded.staked, reserved = excluded.reserved,
  active_locks = excluded.active_locks, active_stakes = excluded.active_stakes,
  active_reservations = excluded.active_reservations, stakes_by_tier = excluded.stakes_by_tier,
  quota_by_entity = excluded.quota_by_entity
