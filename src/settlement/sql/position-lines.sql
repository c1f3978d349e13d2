SELECT seq, time, account, asset, section, index, key, owner, valid_until, kind, quantity, signatures
FROM position_change
WHERE seq >= $1 AND seq < $2
ORDER BY seq
