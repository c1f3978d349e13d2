-- The allowance in force: the user's own, else the kind's
-- default with version 0. No row: there is no such entity type.
SELECT q.user_id, q.entity_type, coalesce(a.quota_per_day, k.default_per_day) AS quota_per_day,
  coalesce(a.version, 0) AS version, to_json(k.thresholds) AS thresholds
FROM unnest($1::text[], $2::bigint[]) AS q (user_id, entity_type)
JOIN quota_kind k ON k.id = q.entity_type
LEFT JOIN allowance a ON a.user_id = q.user_id AND a.entity_type = q.entity_type
