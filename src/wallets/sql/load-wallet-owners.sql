-- Wallets and keys come as 0x-hex.
SELECT w.* FROM unnest($1::text[]) AS k (wallet)
JOIN wallet_owner w ON w.wallet = decode(substr(k.wallet, 3), 'hex')
