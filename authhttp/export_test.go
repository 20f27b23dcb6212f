package authhttp

// Row is a row of the table of endpoints.
type Row struct {
	Name         Endpoint
	Method, Path string
}

// Table returns the rows of the table of endpoints.
func Table() []Row {
	var rows []Row
	for _, e := range table {
		rows = append(rows, Row{e.name, e.method, e.path})
	}
	return rows
}
