INSERT INTO outbox (book, epoch, kind, calldata)
VALUES ($1, $2, 'commit', $3), ($1, $2, 'finalize', NULL)
