-- End-of-day balances (posted credits less posted debits, by effective day) of accounts, on each day that moved them: from
-- their days below the watermark and their lines behind it.
WITH effect AS (
  SELECT account, day, debits_posted, credits_posted
  FROM account_day
  WHERE account = ANY ($1::uuid[])
  UNION ALL
  SELECT wanted.id, e.at / 86400, e.debits_posted, e.credits_posted
  FROM unnest($1::uuid[]) AS wanted (id)
  CROSS JOIN account_day_watermark AS mark
  CROSS JOIN LATERAL account_effects(wanted.id, mark.seq, 9223372036854775807) AS e
)
SELECT account, day, sum(sum(credits_posted - debits_posted)) OVER (PARTITION BY account ORDER BY day) AS balance
FROM effect
GROUP BY account, day
HAVING sum(debits_posted) + sum(credits_posted) > 0
ORDER BY account, day
