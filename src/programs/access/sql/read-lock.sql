-- The lock of agreement $1 that a caller means: its active one, else its newest; of those that $2 is
-- a party of, where $2 is not null. With the key of its position.
SELECT l.*, p.key AS position_key
FROM access_lock l JOIN position p ON p.account = l.account
WHERE l.agreement_id = $1 AND ($2::text IS NULL OR $2 IN (l.user_id, l.counterparty_id))
ORDER BY l.status = 'locked' DESC, l.created_at DESC, l.id DESC
LIMIT 1
