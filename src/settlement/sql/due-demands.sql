-- Open demands that are due and have something to take, in the order in which they fell due, with what is held from them.
SELECT d.section, d.index, d.account, d.seq,
  ARRAY (SELECT h.transfer_id FROM hold h WHERE h.debit_account = d.account ORDER BY h.seq) AS holds
FROM exit_demand d
JOIN account a ON a.id = d.account
WHERE d.book = $1 AND d.served_at IS NULL AND d.due <= ledger_now()
  AND (a.credits_posted > a.debits_posted OR a.debits_pending > 0)
ORDER BY d.due, d.seq
LIMIT $2
