-- What action $1 asks for, and what is available on account $2 (null: nobody asks).
SELECT q.*, a.credits_posted - a.debits_posted - a.debits_pending AS available
FROM access_requirement q
LEFT JOIN account a ON a.id = $2::uuid
WHERE q.action = $1
