-- Balances of account $1 at the end of each day from $2 to $3, counted from 1970-01-01, by time of effect; of a day that
-- has not ended, by the time $4.
WITH mark AS (SELECT seq FROM account_day_watermark),
effect AS (
  SELECT day, debits_posted, credits_posted, debits_pending, credits_pending
  FROM account_day
  WHERE account = $1::uuid AND day <= $3
  UNION ALL
  SELECT e.at / 86400, e.debits_posted, e.credits_posted, e.debits_pending, e.credits_pending
  FROM mark
  CROSS JOIN LATERAL account_effects($1::uuid, mark.seq, 9223372036854775807) AS e
  WHERE e.at / 86400 <= $3
  UNION ALL
  SELECT expires_at / 86400, 0, 0, CASE WHEN debit_account = $1::uuid THEN -amount ELSE 0 END,
    CASE WHEN credit_account = $1::uuid THEN -amount ELSE 0 END
  FROM hold
  WHERE expires_at <= $4 AND expires_at / 86400 <= $3 AND $1::uuid IN (debit_account, credit_account)
),
-- Whatever was before the first day is part of it.
moved AS (
  SELECT greatest(day, $2::bigint) AS day, sum(debits_posted) AS debits_posted, sum(credits_posted) AS credits_posted,
    sum(debits_pending) AS debits_pending, sum(credits_pending) AS credits_pending
  FROM effect GROUP BY 1
)
SELECT day,
  coalesce(sum(debits_posted) OVER upto, 0) AS debits_posted, coalesce(sum(credits_posted) OVER upto, 0) AS credits_posted,
  coalesce(sum(debits_pending) OVER upto, 0) AS debits_pending, coalesce(sum(credits_pending) OVER upto, 0) AS credits_pending
FROM generate_series($2::bigint, $3::bigint) AS day
LEFT JOIN moved USING (day)
WINDOW upto AS (ORDER BY day)
ORDER BY day
