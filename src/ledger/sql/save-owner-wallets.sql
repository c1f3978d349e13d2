INSERT INTO owner_wallet (owner, asset, wallet, proof)
SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[])
ON CONFLICT (owner, asset) DO UPDATE SET wallet = excluded.wallet, proof = excluded.proof
