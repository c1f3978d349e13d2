SELECT id, name, default_per_day, to_json(thresholds) AS thresholds FROM quota_kind ORDER BY id
