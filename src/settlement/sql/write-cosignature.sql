INSERT INTO log_cosignature AS s (size, name, key_id, time, line)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (size, name, key_id) DO UPDATE SET time = EXCLUDED.time, line = EXCLUDED.line
WHERE s.time < EXCLUDED.time
