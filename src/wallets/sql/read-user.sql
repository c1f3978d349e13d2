-- What a message to sign is made of: $1 the user, $2 the asset. No row where the user was never seen.
SELECT o.salt, w.number, w.wallet, ledger_now() AS now
FROM owner o
LEFT JOIN wallet_user w ON w.user_id = o.id AND w.asset = $2
WHERE o.id = $1
