-- The open demand of a position.
SELECT d.* FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS k (book, section, index)
JOIN exit_demand d ON d.book = k.book AND d.section = k.section AND d.index = k.index AND d.served_at IS NULL
