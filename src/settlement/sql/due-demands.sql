-- Open demands that are due and have something to take, behind ($2 due, $3 line), in the order in which they fell due, at
-- most $4, with what is held from them.
SELECT d.section, d.index, d.account, d.due, d.seq,
  ARRAY (SELECT h.transfer_id FROM hold h WHERE h.debit_account = d.account ORDER BY h.seq) AS holds
FROM exit_demand d
JOIN account a ON a.id = d.account
WHERE d.book = $1 AND d.served_at IS NULL AND d.due <= ledger_now() AND (d.due, d.seq) > ($2, $3)
  AND (a.credits_posted > a.debits_posted OR a.debits_pending > 0)
ORDER BY d.due, d.seq
LIMIT $4
