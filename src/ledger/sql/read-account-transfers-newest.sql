-- A page of account $1's lines, newest first: those before the place $2 (null: from the newest).
-- Each side has its index in this order, so a page costs a page, however long the history.
SELECT t.seq, t.id, t.debit_account, t.credit_account, t.asset, t.amount, t.code, t.phase, t.pending_id, t.expires_at,
  t.effective_at, t.time, t.reference, t.metadata, t.requested_members, t.requested_amount,
  p.amount AS pending_amount, s.scale
FROM (
  (SELECT * FROM transfer
    WHERE debit_account = $1::uuid AND seq < coalesce($2::bigint, 9223372036854775807) ORDER BY seq DESC LIMIT $3)
  UNION ALL
  (SELECT * FROM transfer
    WHERE credit_account = $1::uuid AND seq < coalesce($2::bigint, 9223372036854775807) ORDER BY seq DESC LIMIT $3)
) AS t
JOIN asset s ON s.code = t.asset
LEFT JOIN transfer p ON p.id = t.pending_id
ORDER BY t.seq DESC
LIMIT $3
