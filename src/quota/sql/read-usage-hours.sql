-- $1: user · $2: entity type · $3, $4: from this hour (null: of the last day), up to and without that one
-- (null: the newest) · $5: how many
SELECT hour, used FROM usage_hour
WHERE user_id = $1 AND entity_type = $2::smallint AND hour >= coalesce($3::bigint, (SELECT ledger_now()) / 3600 - 23) AND hour < coalesce($4::bigint, 2147483647)
ORDER BY hour
LIMIT $5
