-- One look at the index for each ledger that something waits for, however much that is.
WITH RECURSIVE destination AS (
  (SELECT to_ledger_id FROM inter_ledger_transfer WHERE state = 'pending' ORDER BY to_ledger_id LIMIT 1)
  UNION ALL
  SELECT (SELECT t.to_ledger_id FROM inter_ledger_transfer t
          WHERE t.state = 'pending' AND t.to_ledger_id > d.to_ledger_id ORDER BY t.to_ledger_id LIMIT 1)
  FROM destination d WHERE d.to_ledger_id IS NOT NULL
)
SELECT to_ledger_id FROM destination WHERE to_ledger_id IS NOT NULL
