-- Ended stakes first: a strategy that is staked for again in the same batch has one active stake at any moment. Else in
-- the order in which they were made, which is that of their places.
INSERT INTO access_stake (id, user_id, strategy_id, account, tier, amount, created_at, expires_at,
  status, ended_at, ended_by, end_reason)
SELECT id, user_id, strategy_id, account, tier, amount, created_at, expires_at, status, ended_at, ended_by, end_reason
FROM ROWS FROM (jsonb_to_recordset($1::jsonb) AS (id text, user_id text, strategy_id text, account uuid, tier integer,
  amount numeric, created_at bigint, expires_at bigint, status text, ended_at bigint, ended_by text, end_reason text)) WITH ORDINALITY AS r
ORDER BY status = 'staked', ordinality
ON CONFLICT (id) DO UPDATE SET tier = excluded.tier, amount = excluded.amount, expires_at = excluded.expires_at,
  status = excluded.status, ended_at = excluded.ended_at, ended_by = excluded.ended_by, end_reason = excluded.end_reason
