SELECT calldata FROM outbox WHERE book = $1 AND epoch = $2 AND kind = $3
