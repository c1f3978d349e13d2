DELETE FROM chain_block WHERE book = $1 AND number < $2
