-- A user's, the newest first, below the place $2 (all where it is null).
SELECT w.*, t.seq, s.scale, a.debits_posted AS claimed, a.credits_posted AS withdrawn
FROM (
  SELECT * FROM withdrawal WHERE user_id = $1 AND ($2::bigint IS NULL OR place < $2) ORDER BY place DESC LIMIT $3
) AS w
JOIN transfer t ON t.id = w.transfer
JOIN asset s ON s.code = w.asset
JOIN account a ON a.id = w.account
ORDER BY w.place DESC
