INSERT INTO failed_transfer (id, code, time)
SELECT id, code, $3::bigint FROM unnest($1::uuid[], $2::text[]) AS failed (id, code)
