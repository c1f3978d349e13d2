-- Balances of account $1 at the time $2, by effective_at. A hold counts from its own time until its
-- resolution's, and never at or after its expiry.
WITH open_hold AS (
  SELECT p.debit_account, p.credit_account, p.amount
  FROM transfer p
  WHERE (p.debit_account = $1::uuid OR p.credit_account = $1::uuid)
    AND p.phase = 'pending' AND p.effective_at <= $2 AND (p.expires_at IS NULL OR p.expires_at > $2)
    AND NOT EXISTS (SELECT FROM transfer r WHERE r.pending_id = p.id AND r.effective_at <= $2)
)
SELECT
  (SELECT coalesce(sum(amount), 0) FROM transfer
    WHERE debit_account = $1::uuid AND effective_at <= $2 AND phase IN ('single', 'post')) AS debits_posted,
  (SELECT coalesce(sum(amount), 0) FROM transfer
    WHERE credit_account = $1::uuid AND effective_at <= $2 AND phase IN ('single', 'post')) AS credits_posted,
  (SELECT coalesce(sum(amount), 0) FROM open_hold WHERE debit_account = $1::uuid) AS debits_pending,
  (SELECT coalesce(sum(amount), 0) FROM open_hold WHERE credit_account = $1::uuid) AS credits_pending
