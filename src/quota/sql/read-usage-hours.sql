-- $1: user · $2: entity type · $3, $4: from this hour, up to and without that one · $5: how many
SELECT hour, used FROM usage_hour
WHERE user_id = $1 AND entity_type = $2::smallint AND hour >= $3 AND hour < $4
ORDER BY hour
LIMIT $5
