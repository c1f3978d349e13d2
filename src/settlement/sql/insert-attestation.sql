INSERT INTO attestation (book, epoch, header_hash, attester, signature, received_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (header_hash, attester) DO NOTHING
