-- End-of-day balances of accounts by a look at every line of theirs, on each day that moved them: what the answer from added-up days must equal.
WITH moved AS (
  SELECT wanted.id AS account, t.effective_at / 86400 AS day,
    CASE WHEN t.credit_account = wanted.id THEN t.amount ELSE -t.amount END AS delta
  FROM unnest($1::uuid[]) AS wanted (id)
  CROSS JOIN LATERAL (
    SELECT * FROM transfer d WHERE d.debit_account = wanted.id
    UNION ALL
    SELECT * FROM transfer c WHERE c.credit_account = wanted.id
  ) AS t
  WHERE t.phase IN ('single', 'post')
)
SELECT account, day, sum(sum(delta)) OVER (PARTITION BY account ORDER BY day) AS balance
FROM moved
GROUP BY account, day
ORDER BY account, day
