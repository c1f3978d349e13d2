-- How far the log's leaf level goes.
SELECT index, length(hashes) / 32 AS width FROM log_tile WHERE level = 0 ORDER BY index DESC LIMIT 1
