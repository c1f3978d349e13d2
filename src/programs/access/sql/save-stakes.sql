-- Ended stakes first: a strategy that is staked for again in the same batch has one active stake at any moment. Else in
-- the order in which they were made, which is that of their places.
INSERT INTO access_stake (id, user_id, strategy_id, account, tier, amount, created_at, expires_at,
  status, ended_at, ended_by, end_reason)
SELECT id, user_id, strategy_id, account, tier, amount, created_at, expires_at, status, ended_at, ended_by, end_reason
FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::bigint[], $6::numeric[], $7::bigint[], $8::bigint[],
  $9::text[], $10::bigint[], $11::text[], $12::text[]) WITH ORDINALITY AS r (id, user_id, strategy_id, account, tier,
  amount, created_at, expires_at, status, ended_at, ended_by, end_reason, ordinality)
ORDER BY status = 'staked', ordinality
ON CONFLICT (id) DO UPDATE SET tier = excluded.tier, amount = excluded.amount, expires_at = excluded.expires_at,
  status = excluded.status, ended_at = excluded.ended_at, ended_by = excluded.ended_by, end_reason = excluded.end_reason
