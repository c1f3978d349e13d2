-- Where a book that was never watched begins: before the block in which it was deployed. Answers the ledger's time.
WITH begun AS (
  INSERT INTO chain_cursor (book, seen_block, final_block, checked_block, latest_block, looked_at_ms)
  SELECT id, deployed_block - 1, deployed_block - 1, deployed_block - 1, deployed_block - 1, 0 FROM book WHERE id = $1
  ON CONFLICT (book) DO NOTHING
)
SELECT ledger_now() AS now
