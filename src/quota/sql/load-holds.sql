-- $1: [{"id"}]
SELECT h.id, h.user_id, h.entity_type, h.day, h.units, h.reference, h.created_by, h.created_at, h.expires_at, h.status,
  h.committed, h.ended_at
FROM json_to_recordset($1) AS q (id text)
JOIN quota_hold h ON h.id = q.id
