-- The lines at the places $1 that fit, with their state before the line $2, at the time $3. A condition that is null
-- is none: $4 account, $5 owner, $6 code, $7 asset, $8 phase, $9 state, $10 reference.
SELECT t.seq, t.id, t.debit_account, t.credit_account, t.asset, t.amount, t.code, t.phase, t.pending_id, t.expires_at,
  t.effective_at, t.time, t.reference, t.metadata, t.requested_members, t.requested_amount, s.scale,
  r.id AS resolution_id, now.state
FROM transfer t
JOIN asset s ON s.code = t.asset
LEFT JOIN transfer r ON t.phase = 'pending' AND r.pending_id = t.id AND r.seq < $2
CROSS JOIN LATERAL (
  SELECT CASE coalesce(r.phase, t.phase)
    WHEN 'void' THEN 'voided'
    WHEN 'expire' THEN 'expired'
    WHEN 'pending' THEN CASE WHEN t.expires_at <= $3 THEN 'expired' ELSE 'pending' END
    ELSE 'posted'
  END AS state
) AS now
WHERE t.seq = ANY ($1::bigint[])
  AND ($4::uuid IS NULL OR $4::uuid IN (t.debit_account, t.credit_account))
  AND ($5::text IS NULL
    OR EXISTS (SELECT FROM account a WHERE a.id IN (t.debit_account, t.credit_account) AND a.owner = $5::text))
  AND ($6::text IS NULL OR t.code = $6::text)
  AND ($7::text IS NULL OR t.asset = $7::text)
  AND ($8::text IS NULL OR t.phase = $8::text)
  AND ($9::text IS NULL OR now.state = $9::text)
  AND ($10::text IS NULL OR t.reference = $10::text)
