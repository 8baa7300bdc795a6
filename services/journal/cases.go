package journal

import (
	"context"
	"encoding/json"

	"reprotect.example/services/cases"
)

// CaseFilter says which cases; what is empty does not restrict.
type CaseFilter struct {
	State   string // as in cases.Case
	Site    string
	Request string
}

// Cases returns where the cases stand, the oldest first, without their history, which Case has. As in cases.Log, a
// request that waited is none of them once it has become cases.
func (s *Store) Cases(ctx context.Context, f CaseFilter) ([]cases.Case, error) {
	rows, err := s.readers.QueryContext(ctx, `SELECT document,
			(id = request OR step = '') AND EXISTS (SELECT 1 FROM cases AS other WHERE other.request = cases.request AND other.id <> cases.id)
		FROM cases
		WHERE (?1 = '' OR state = ?1) AND (?2 = '' OR site = ?2) AND (?3 = '' OR request = ?3)
		ORDER BY since, id`, f.State, f.Site, f.Request)
	if err != nil {
		return nil, s.explain("read the cases", err)
	}
	defer func() { _ = rows.Close() }() // what fails shows in Err
	listed := []cases.Case{}
	for rows.Next() {
		var document []byte
		var others bool // of the same request
		var c cases.Case
		if err = rows.Scan(&document, &others); err == nil {
			err = json.Unmarshal(document, &c)
		}
		if err != nil {
			return nil, s.explain("read the cases", err)
		}
		if !others || !c.OfRequest() {
			listed = append(listed, c)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, s.explain("read the cases", err)
	}
	return listed, nil
}

// Case returns where a case stands, with its whole history.
func (s *Store) Case(ctx context.Context, id string) (c cases.Case, found bool, err error) {
	story, err := s.Story(ctx, id)
	if err != nil {
		return c, false, err
	}
	var l cases.Log
	for _, r := range story {
		_, _ = l.Add(cases.ReadEntry(r)) // what is no fact has no part in it
	}
	c, found = l.Case(id)
	return c, found, nil
}
