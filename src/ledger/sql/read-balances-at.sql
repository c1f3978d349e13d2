-- Balances of account $1 at the end of the second $2, by time of effect: the days before it, the lines of its own day,
-- the lines behind the watermark, less what is due by then and was not ended yet.
WITH mark AS (SELECT seq FROM account_day_watermark),
effect AS (
  SELECT debits_posted, credits_posted, debits_pending, credits_pending
  FROM account_day
  WHERE account = $1::uuid AND day < ($2::bigint + 1) / 86400
  UNION ALL
  SELECT e.debits_posted, e.credits_posted, e.debits_pending, e.credits_pending
  FROM account_day d
  CROSS JOIN mark
  CROSS JOIN LATERAL account_effects($1::uuid, d.first_seq, least(d.last_seq + 1, mark.seq)) AS e
  -- Of a whole day the row itself is the sum.
  WHERE d.account = $1::uuid AND d.day = $2::bigint / 86400 AND ($2::bigint + 1) % 86400 <> 0
    AND e.at / 86400 = d.day AND e.at <= $2
  UNION ALL
  SELECT e.debits_posted, e.credits_posted, e.debits_pending, e.credits_pending
  FROM mark
  CROSS JOIN LATERAL account_effects($1::uuid, mark.seq, 9223372036854775807) AS e
  WHERE e.at <= $2
  UNION ALL
  SELECT 0, 0, CASE WHEN debit_account = $1::uuid THEN -amount ELSE 0 END,
    CASE WHEN credit_account = $1::uuid THEN -amount ELSE 0 END
  FROM hold
  WHERE expires_at <= $2 AND $1::uuid IN (debit_account, credit_account)
)
SELECT coalesce(sum(debits_posted), 0) AS debits_posted, coalesce(sum(credits_posted), 0) AS credits_posted,
  coalesce(sum(debits_pending), 0) AS debits_pending, coalesce(sum(credits_pending), 0) AS credits_pending
FROM effect
