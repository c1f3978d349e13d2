-- One line, what it resolves or what resolved it, and whose accounts it touches.
SELECT t.seq, t.id, t.debit_account, t.credit_account, t.asset, t.amount, t.code, t.phase, t.pending_id, t.expires_at,
  t.effective_at, t.time, t.reference, t.metadata, t.requested_members, t.requested_amount,
  p.amount AS pending_amount, s.scale, r.id AS resolution_id, r.phase AS resolution_phase,
  t.expires_at <= (SELECT ledger_now()) AS due,
  d.owner AS debit_owner, c.owner AS credit_owner
FROM transfer t
JOIN asset s ON s.code = t.asset
JOIN account d ON d.id = t.debit_account
JOIN account c ON c.id = t.credit_account
LEFT JOIN transfer p ON p.id = t.pending_id
LEFT JOIN transfer r ON r.pending_id = t.id
WHERE t.id = $1::uuid
