-- Ended locks first: an agreement that is locked again in the same batch has one active lock at any moment. Else in
-- the order in which they were made, which is that of their places.
INSERT INTO access_lock (id, agreement_id, user_id, counterparty_id, account, amount, level, created_at, locked_until,
  status, ended_at, locker_asks_end, counterparty_asks_end, ended_by)
SELECT id, agreement_id, user_id, counterparty_id, account, amount, level, created_at, locked_until,
  status, ended_at, locker_asks_end, counterparty_asks_end, ended_by
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::numeric[], $7::bigint[], $8::bigint[],
  $9::bigint[], $10::text[], $11::bigint[], $12::boolean[], $13::boolean[], $14::text[]) WITH ORDINALITY AS r (id,
  agreement_id, user_id, counterparty_id, account, amount, level, created_at, locked_until, status, ended_at,
  locker_asks_end, counterparty_asks_end, ended_by, ordinality)
ORDER BY status = 'locked', ordinality
ON CONFLICT (id) DO UPDATE SET status = excluded.status, ended_at = excluded.ended_at, ended_by = excluded.ended_by,
  locker_asks_end = excluded.locker_asks_end, counterparty_asks_end = excluded.counterparty_asks_end
