UPDATE chain_cursor SET checked_block = $2 WHERE book = $1 AND final_block >= $2
