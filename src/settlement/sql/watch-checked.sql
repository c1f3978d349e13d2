-- All that counts up to block $2 has its line; all that was final by $3.
UPDATE chain_cursor SET checked_block = greatest(checked_block, $2), complete_time = greatest(complete_time, $3)
WHERE book = $1 AND final_block >= $2
