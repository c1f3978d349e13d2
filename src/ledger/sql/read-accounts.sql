-- Balances as they are now: a hold that is due counts no more, swept or not.
SELECT a.id, a.asset, a.role, a.owner, a.reference, a.debit_allowance, a.credit_allowance, a.closed,
  a.debits_posted, a.credits_posted,
  a.debits_pending - coalesce(due.debits, 0) AS debits_pending,
  a.credits_pending - coalesce(due.credits, 0) AS credits_pending,
  a.metadata, a.created_at, s.scale, c.time AS closed_at
FROM account a
JOIN asset s ON s.code = a.asset
LEFT JOIN LATERAL (SELECT time FROM account_closing WHERE account = a.id OFFSET 0) AS c ON true
LEFT JOIN LATERAL (
  SELECT sum(h.amount) FILTER (WHERE h.debit_account = a.id) AS debits,
    sum(h.amount) FILTER (WHERE h.credit_account = a.id) AS credits
  FROM hold h
  WHERE h.expires_at <= (SELECT ledger_now()) AND a.id IN (h.debit_account, h.credit_account)
) AS due ON true
WHERE a.id = ANY ($1::uuid[])
