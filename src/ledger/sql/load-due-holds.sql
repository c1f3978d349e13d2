-- In the order in which they expire. The head was taken before, so its time is the batch's.
SELECT transfer_id, seq, debit_account, credit_account, asset, amount, expires_at
FROM hold
WHERE expires_at <= (SELECT time FROM journal_head)
ORDER BY expires_at, seq
LIMIT $1
