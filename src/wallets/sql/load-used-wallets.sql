SELECT w.* FROM unnest($1::text[], $2::text[]) AS k (asset, wallet)
JOIN wallet_used w ON w.asset = k.asset AND w.wallet = decode(substr(k.wallet, 3), 'hex')
