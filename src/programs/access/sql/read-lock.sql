-- The lock of agreement $1 that a caller means: its active one, else its newest; of those that $2 is
-- a party of, where $2 is not null. With the key of its position. Two looks by index, so that locks
-- that ended long ago are not read and sorted.
SELECT l.*, p.key AS position_key
FROM (
  (SELECT a.*, 0 AS past FROM access_lock a
   WHERE a.agreement_id = $1 AND a.status = 'locked' AND ($2::text IS NULL OR $2 IN (a.user_id, a.counterparty_id)))
  UNION ALL
  (SELECT n.*, 1 FROM access_lock n
   WHERE n.agreement_id = $1 AND ($2::text IS NULL OR $2 IN (n.user_id, n.counterparty_id))
   ORDER BY n.place DESC LIMIT 1)
  ORDER BY past LIMIT 1
) AS l JOIN position p ON p.account = l.account
