SELECT seq, id, debit_account, credit_account, asset, amount, code, phase, pending_id, expires_at,
  effective_at, time, reference, metadata, requested_members, requested_amount
FROM transfer
WHERE pending_id = ANY ($1::uuid[])
