SELECT w.*, t.seq, s.scale, a.debits_posted AS claimed, a.credits_posted AS withdrawn
FROM withdrawal w
JOIN transfer t ON t.id = w.transfer
JOIN asset s ON s.code = w.asset
JOIN account a ON a.id = w.account
WHERE w.id = $1
