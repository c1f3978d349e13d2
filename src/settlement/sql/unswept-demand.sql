-- A demand that has been due for a minute, with something left in its position although nobody swept it in that minute.
SELECT d.section, d.index
FROM exit_demand d
JOIN account a ON a.id = d.account
WHERE d.book = $1 AND d.served_at IS NULL AND greatest(d.due, d.swept_at) < ledger_now() - 60
  AND a.credits_posted > a.debits_posted
ORDER BY d.due, d.seq
LIMIT 1
