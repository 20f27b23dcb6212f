package authhttp

// Row is a row of the table of endpoints.
type Row struct {
	Name         Endpoint
	Method, Path string
}

// RefreshID returns the digest of a refresh token that a browser keeps beside it.
func RefreshID(token string) string { return refreshID(token) }

// Table returns the rows of the table of endpoints.
func Table() []Row {
	var rows []Row
	for _, e := range table {
		rows = append(rows, Row{e.name, e.method, e.path})
	}
	return rows
}
