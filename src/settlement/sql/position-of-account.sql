SELECT section, index, asset FROM position WHERE account = $1
