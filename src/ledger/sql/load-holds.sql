SELECT transfer_id, seq, debit_account, credit_account, asset, amount, expires_at
FROM hold
WHERE transfer_id = ANY ($1::uuid[])
