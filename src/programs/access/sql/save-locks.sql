-- Ended locks first: an agreement that is locked again in the same batch has one active lock at any moment. Else in
-- the order in which they were made, which is that of their places.
INSERT INTO access_lock (id, agreement_id, user_id, counterparty_id, account, amount, level, created_at, locked_until,
  status, ended_at, locker_asks_end, counterparty_asks_end, ended_by)
SELECT id, agreement_id, user_id, counterparty_id, account, amount, level, created_at, locked_until,
  status, ended_at, locker_asks_end, counterparty_asks_end, ended_by
FROM ROWS FROM (jsonb_to_recordset($1::jsonb) AS (id text, agreement_id text, user_id text, counterparty_id text, account uuid,
  amount numeric, level integer, created_at bigint, locked_until bigint, status text, ended_at bigint,
  locker_asks_end boolean, counterparty_asks_end boolean, ended_by text)) WITH ORDINALITY AS r
ORDER BY status = 'locked', ordinality
ON CONFLICT (id) DO UPDATE SET status = excluded.status, ended_at = excluded.ended_at, ended_by = excluded.ended_by,
  locker_asks_end = excluded.locker_asks_end, counterparty_asks_end = excluded.counterparty_asks_end
