SELECT h.id, h.user_id, h.entity_type, h.day, h.units, h.reference, h.created_by, h.created_at, h.expires_at, h.status,
  h.committed, h.ended_at
FROM unnest($1::text[]) AS q (id)
JOIN quota_hold h ON h.id = q.id
