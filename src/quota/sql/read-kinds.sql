SELECT id, name, default_per_day FROM quota_kind ORDER BY id
