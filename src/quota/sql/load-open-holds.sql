-- All open holds of a quota's day, those that are due among
-- them; a row for each key. How many there may be is bounded where they are made.
SELECT q.user_id, q.entity_type, q.day, open.holds
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS q (user_id, entity_type, day)
CROSS JOIN LATERAL (
  SELECT coalesce(json_agg(h ORDER BY h.expires_at, h.id), '[]') AS holds FROM quota_hold h
  WHERE h.user_id = q.user_id AND h.entity_type = q.entity_type AND h.day = q.day AND h.status = 'open'
  OFFSET 0
) AS open
