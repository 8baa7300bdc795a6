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
	listed, err := s.documents(ctx, `SELECT document FROM cases
		WHERE (?1 = '' OR state = ?1) AND (?2 = '' OR site = ?2) AND (?3 = '' OR request = ?3)
		ORDER BY since, id`, f.State, f.Site, f.Request)
	if err != nil {
		return nil, err
	}
	waited := []string{}
	for _, c := range listed {
		if c.OfRequest() {
			waited = append(waited, c.Request)
		}
	}
	beside, err := s.ofRequests(ctx, waited)
	if err != nil {
		return nil, err
	}
	return cases.Listed(listed, beside...), nil
}

// ofRequests names the cases of some requests.
func (s *Store) ofRequests(ctx context.Context, requests []string) (named []cases.Case, err error) {
	if len(requests) == 0 {
		return nil, nil
	}
	raw, err := json.Marshal(requests)
	if err != nil {
		return nil, s.explain("read the cases of a request", err)
	}
	rows, err := s.readers.QueryContext(ctx, `SELECT id, request FROM cases WHERE request IN (SELECT value FROM json_each(?))`, string(raw))
	if err != nil {
		return nil, s.explain("read the cases of a request", err)
	}
	defer func() { _ = rows.Close() }() // what fails shows in Err
	for rows.Next() {
		var c cases.Case
		if err := rows.Scan(&c.ID, &c.Request); err != nil {
			return nil, s.explain("read the cases of a request", err)
		}
		named = append(named, c)
	}
	if err := rows.Err(); err != nil {
		return nil, s.explain("read the cases of a request", err)
	}
	return named, nil
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
