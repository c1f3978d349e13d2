-- $1: [{"id"}]
SELECT k.id, k.name, k.default_per_day, to_json(k.thresholds) AS thresholds
FROM json_to_recordset($1) AS q (id smallint)
JOIN quota_kind k ON k.id = q.id
