SELECT k.id, k.name, k.default_per_day, to_json(k.thresholds) AS thresholds
FROM unnest($1::bigint[]) AS q (id)
JOIN quota_kind k ON k.id = q.id
