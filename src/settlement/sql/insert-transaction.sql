WITH signed AS (
  INSERT INTO settlement_tx
    (hash, book, epoch, kind, subject, sender, nonce, max_fee_per_gas, max_priority_fee_per_gas, raw)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
)
UPDATE epoch SET status = 'sent'
WHERE book = $2 AND number = $3 AND status = 'built' AND $4 = 'commit'
