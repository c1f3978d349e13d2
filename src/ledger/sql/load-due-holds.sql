-- In the order in which they expire; the batch takes those that are due at its own time.
SELECT transfer_id, seq, debit_account, credit_account, asset, amount, expires_at
FROM hold
WHERE expires_at <= (SELECT ledger_now())
ORDER BY expires_at, seq
LIMIT $1
