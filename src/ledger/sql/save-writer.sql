INSERT INTO writer (id, last_batch) VALUES ($1, $2)
ON CONFLICT (id) DO UPDATE SET last_batch = excluded.last_batch
