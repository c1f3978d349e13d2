-- All that user $1 holds, at one moment, whatever the length of its history. $2 is its available
-- account, $3 how many locks and stakes to list.
SELECT
  coalesce(a.credits_posted - a.debits_posted - a.debits_pending, 0) AS available,
  coalesce(u.locked, 0)::numeric AS locked,
  coalesce(u.staked, 0)::numeric AS staked,
  coalesce(u.reserved, 0)::numeric AS reserved,
  coalesce(u.active_locks, 0) AS active_locks,
  coalesce(u.active_stakes, 0) AS active_stakes,
  coalesce(t.tier, 0) AS tier,
  t.expires_at AS tier_expires_at,
  (SELECT coalesce(jsonb_agg(jsonb_build_object('lock_id', l.id, 'agreement_id', l.agreement_id,
      'amount', l.amount::text, 'locked_until', l.locked_until) ORDER BY l.created_at DESC, l.id DESC), '[]')
   FROM (SELECT * FROM access_lock WHERE user_id = $1 AND status = 'locked'
         ORDER BY created_at DESC, id DESC LIMIT $3::integer) AS l) AS locks,
  (SELECT coalesce(jsonb_agg(jsonb_build_object('stake_id', s.id, 'strategy_id', s.strategy_id, 'tier', s.tier,
      'amount', s.amount::text, 'expires_at', s.expires_at) ORDER BY s.created_at DESC, s.id DESC), '[]')
   FROM (SELECT * FROM access_stake WHERE user_id = $1 AND status = 'staked'
         ORDER BY created_at DESC, id DESC LIMIT $3::integer) AS s) AS stakes
FROM (SELECT 1) AS one
LEFT JOIN access_user u ON u.user_id = $1
LEFT JOIN account a ON a.id = $2::uuid
LEFT JOIN LATERAL (
  SELECT s.tier, s.expires_at FROM access_stake s WHERE s.user_id = $1 AND s.status = 'staked'
  ORDER BY s.tier DESC, s.expires_at DESC LIMIT 1
) AS t ON true
