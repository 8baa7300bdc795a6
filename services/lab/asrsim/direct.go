package asrsim

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
)

// Direct carries a client's requests to the vault without a network, which virtual time could not see.
func (s *Server) Direct() http.RoundTripper { return direct{s.Handler()} }

type direct struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	served := r.Clone(r.Context())
	if served.Body == nil { // a server never sees none
		served.Body = http.NoBody
	}
	if r.URL.Scheme == "https" { // the links in answers lead to where the request came from
		served.TLS = &tls.ConnectionState{}
	}
	recorder := httptest.NewRecorder()
	d.handler.ServeHTTP(recorder, served)
	response := recorder.Result()
	response.Request = r
	return response, nil
}
