INSERT INTO log_tile (level, index, hashes)
SELECT level, index, hashes FROM unnest($1::smallint[], $2::bigint[], $3::bytea[]) AS tile (level, index, hashes)
ORDER BY level, index
ON CONFLICT (level, index) DO UPDATE SET hashes = EXCLUDED.hashes
