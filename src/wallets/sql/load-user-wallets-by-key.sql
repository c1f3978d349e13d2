SELECT w.* FROM unnest($1::text[], $2::text[]) AS k (asset, key)
JOIN wallet_user w ON w.asset = k.asset AND w.key = decode(substr(k.key, 3), 'hex')
