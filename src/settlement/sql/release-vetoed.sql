SELECT release_vetoed($1, $2, $3) AS released
