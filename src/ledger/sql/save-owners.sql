INSERT INTO owner (id, salt, created_at)
SELECT id, salt, $3::bigint FROM unnest($1::text[], $2::bytea[]) AS new (id, salt)
