-- Another book of the ledger may have closed an epoch over the same lines.
INSERT INTO log_checkpoint (size, root, note, verifier_key, signed_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (size) DO NOTHING
