SELECT seq, time, account
FROM account_closing
WHERE seq >= $1 AND seq < $2
ORDER BY seq
