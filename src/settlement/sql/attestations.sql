SELECT attester, signature, received_at FROM attestation WHERE header_hash = $1 ORDER BY attester
