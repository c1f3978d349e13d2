-- The place of the line in which a statement stands: $1 the account, $2 the time, $3 the statement.
SELECT min(seq) AS seq FROM position_change
WHERE account = $1 AND time = $2 AND signatures @> jsonb_build_array($3::text)
