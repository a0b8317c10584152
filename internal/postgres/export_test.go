package postgres

// IssueTables names the tables of what belongs to issues that jobs know.
func IssueTables() (names []string) {
	for _, t := range issueTables {
		names = append(names, t.name)
	}
	return names
}
