SELECT t.level, t.index, t.hashes
FROM unnest($1::smallint[], $2::bigint[]) AS name (level, index)
JOIN log_tile t ON t.level = name.level AND t.index = name.index
