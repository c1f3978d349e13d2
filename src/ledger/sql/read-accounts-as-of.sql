-- Accounts as they stood before the journal line $2, at the time $3: as they are now, less what the lines from $2 on
-- did to them. A hold that was due at that time counts no more, swept or not.
SELECT a.id, a.asset, a.role, a.owner, a.reference, a.debit_allowance, a.credit_allowance, c.seq IS NOT NULL AS closed,
  a.debits_posted - since.debits_posted AS debits_posted,
  a.credits_posted - since.credits_posted AS credits_posted,
  a.debits_pending - since.debits_pending - due.debits AS debits_pending,
  a.credits_pending - since.credits_pending - due.credits AS credits_pending,
  a.metadata, a.created_at, s.scale, c.time AS closed_at
FROM account a
JOIN asset s ON s.code = a.asset
LEFT JOIN LATERAL (SELECT seq, time FROM account_closing WHERE account = a.id AND seq < $2 OFFSET 0) AS c ON true
CROSS JOIN LATERAL (
  SELECT coalesce(sum(line.posted) FILTER (WHERE line.is_debit), 0) AS debits_posted,
    coalesce(sum(line.posted) FILTER (WHERE NOT line.is_debit), 0) AS credits_posted,
    coalesce(sum(line.pending) FILTER (WHERE line.is_debit), 0) AS debits_pending,
    coalesce(sum(line.pending) FILTER (WHERE NOT line.is_debit), 0) AS credits_pending
  FROM (
    SELECT t.is_debit,
      CASE WHEN t.phase IN ('single', 'post') THEN t.amount ELSE 0 END AS posted,
      CASE WHEN t.phase = 'pending' THEN t.amount
        -- What was due by then held nothing any more, whatever ended it since.
        WHEN p.seq < $2 AND p.expires_at <= $3 THEN 0
        ELSE -coalesce(p.amount, 0) END AS pending
    FROM (
      SELECT true AS is_debit, phase, amount, pending_id FROM transfer WHERE debit_account = a.id AND seq >= $2
      UNION ALL
      SELECT false, phase, amount, pending_id FROM transfer WHERE credit_account = a.id AND seq >= $2
    ) AS t
    LEFT JOIN transfer p ON p.id = t.pending_id
  ) AS line
) AS since
CROSS JOIN LATERAL (
  SELECT coalesce(sum(h.amount) FILTER (WHERE h.debit_account = a.id), 0) AS debits,
    coalesce(sum(h.amount) FILTER (WHERE h.credit_account = a.id), 0) AS credits
  FROM hold h
  WHERE h.expires_at <= $3 AND h.seq < $2 AND a.id IN (h.debit_account, h.credit_account)
) AS due
WHERE a.id = ANY ($1::uuid[])
