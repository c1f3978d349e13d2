-- From the accounts themselves, all of them: a running total would only agree with itself.
SELECT s.code AS asset, s.scale, coalesce(sum(a.debits_posted), 0) AS debits,
  coalesce(sum(a.credits_posted), 0) AS credits
FROM asset s
LEFT JOIN account a ON a.asset = s.code
GROUP BY s.code, s.scale
ORDER BY s.code
