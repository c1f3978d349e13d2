-- A user's of asset $2, the newest first, below the place $3 (all where it is null).
SELECT w.*, t.seq, s.scale, a.debits_posted AS claimed, a.credits_posted AS withdrawn
FROM (
  SELECT * FROM withdrawal WHERE user_id = $1 AND asset = $2 AND ($3::bigint IS NULL OR place < $3)
  ORDER BY place DESC LIMIT $4
) AS w
JOIN transfer t ON t.id = w.transfer
JOIN asset s ON s.code = w.asset
JOIN account a ON a.id = w.account
ORDER BY w.place DESC
