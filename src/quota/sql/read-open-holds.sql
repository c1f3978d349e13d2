-- $1: user · $2: entity type · $3: how many · $4: the id after which to go on, or null. By id, which is
-- nearly the order in which they were made; the partial index holds the open ones alone.
SELECT h.id, h.user_id, h.entity_type, h.day, h.units, h.reference, h.created_by, h.created_at, h.expires_at, h.status,
  h.committed, h.ended_at, clock.now
FROM (SELECT ledger_now() AS now OFFSET 0) AS clock
JOIN quota_hold h ON h.user_id = $1 AND h.entity_type = $2::smallint AND h.status = 'open' AND h.expires_at > clock.now
WHERE $4::text IS NULL OR h.id > $4
ORDER BY h.id
LIMIT $3
