-- Announced changes that may be due at $1.
SELECT w.*, ledger_now() AS now FROM wallet_user w
WHERE w.announced_number IS NOT NULL AND w.announced_at <= $1 AND (w.announced_at, w.user_id, w.asset) > ($2, $3, $4)
ORDER BY w.announced_at, w.user_id, w.asset LIMIT $5
