SELECT seq, time, id, phase, debit_account, credit_account, asset, amount, code, pending_id, effective_at
FROM transfer
WHERE seq >= $1 AND seq < $2
ORDER BY seq
