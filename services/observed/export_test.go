package observed

// Ground is what can stand against a datastore, for the test of the table.
type Ground struct{ Code, Reason, Remedy, Japanese string }

// Grounds lists the table.
func Grounds() (all []Ground) {
	for _, g := range grounds {
		all = append(all, Ground{g.code, g.reason, g.remedy, g.japanese})
	}
	return all
}
