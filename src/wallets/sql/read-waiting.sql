-- Announced changes for asset $1 that may be due at $2.
SELECT w.*, ledger_now() AS now FROM wallet_user w
WHERE w.announced_number IS NOT NULL AND w.asset = $1 AND w.announced_at <= $2 AND (w.announced_at, w.user_id) > ($3, $4)
ORDER BY w.announced_at, w.user_id LIMIT $5
