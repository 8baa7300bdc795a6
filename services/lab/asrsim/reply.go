package asrsim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"
)

// object is a JSON object.
type object = map[string]any

// reply is an answer before it is written.
type reply struct {
	status int
	header map[string]string
	body   any // nil: empty
}

func ok(body any) reply { return reply{status: http.StatusOK, body: body} }

func (r reply) with(key, value string) reply {
	header := map[string]string{key: value}
	for k, v := range r.header {
		header[k] = v
	}
	r.header = header
	return r
}

func (r reply) write(w http.ResponseWriter) {
	h := w.Header()
	for k, v := range r.header {
		h.Set(k, v)
	}
	h.Set("Cache-Control", "no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "-1")
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.body == nil {
		w.WriteHeader(r.status)
		return
	}
	body, err := json.Marshal(r.body)
	if err != nil { // only plain data is ever put here
		panic("asrsim: reply cannot be written: " + err.Error())
	}
	h.Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(r.status)
	_, _ = w.Write(body) // the caller is gone: nobody to tell
}

// armError is an error of Azure Resource Manager itself: code and message.
func armError(status int, code, message string) reply {
	return reply{status: status, body: object{"error": object{"code": code, "message": message}}}
}

// serviceError is an error of Site Recovery: the outer code is only the status in words, the real one stands in
// the details (seen in a recording).
func (rq *request) serviceError(status int, f fault) reply {
	outer := map[int]string{
		http.StatusBadRequest: "BadRequest", http.StatusNotFound: "NotFound", http.StatusConflict: "Conflict",
	}[status]
	return reply{status: status, body: object{"error": object{
		"code": outer, "message": f.message,
		"details": []any{object{
			"code": f.code, "message": f.message, "possibleCauses": f.causes, "recommendedAction": f.action,
			"clientRequestId": rq.clientRequestID, "activityId": rq.id,
		}},
	}}}
}

func (rq *request) notFound(name string) reply {
	return rq.serviceError(http.StatusNotFound, fault{
		code:    "ArmResourceDoesNotExist",
		message: "Specified resource with name '" + name + "' does not exist.",
		causes:  "Ensure correct resource name was specified.",
		action:  "Verify ARM resource name details.",
	})
}

func (rq *request) badRequest(message, action string) reply {
	return rq.serviceError(http.StatusBadRequest, fault{code: "506", message: message, causes: "The request is not valid.", action: action})
}

// accepted answers a request that became an operation, with the headers that were recorded. results is the
// path, in the vault, under which the operation's result lies.
func (s *Server) accepted(rq *request, op *operation, results string) reply {
	return reply{status: http.StatusAccepted, header: map[string]string{
		"Retry-After":          strconv.Itoa(retrySeconds),
		"x-ms-request-id":      s.jobID(op.job),
		"Azure-AsyncOperation": s.signed(rq, s.id("replicationOperationStatus", op.id)),
		"Location":             s.signed(rq, results+"/operationresults/"+op.id),
	}}
}

// retrySeconds is what the service asks for, whatever the lab's speed: an unhurried client should see the real
// value.
const retrySeconds = 30

// signed is an absolute address with the query of a signed one: t, c (a certificate, hence long), s and h. The
// service of the lab checks none of it.
func (s *Server) signed(rq *request, path string) string {
	token := func(of string, times int) string {
		sum := sha256.Sum256([]byte(of + path))
		return strings.Repeat(base64.RawURLEncoding.EncodeToString(sum[:]), times)
	}
	ticks := s.start.UnixNano()/100 + 621_355_968_000_000_000
	q := url.Values{"api-version": {rq.query.Get("api-version")}}.Encode()
	return fmt.Sprintf("%s%s?%s&t=%d&c=%s&s=%s&h=%s", rq.base, path, q, ticks, token("c", 40), token("s", 8), token("h", 1))
}

// list is a collection that can be shown from any place: n entries, each with a place of its own that never
// changes, the places in ascending order.
type list struct {
	n     int
	place func(i int) int
	view  func(i int) object
}

// views is a list of a few that do not come and go.
func views(all ...object) list {
	return list{n: len(all), place: func(i int) int { return i }, view: func(i int) object { return all[i] }}
}

// page shows the entries after the place that the skip token names. The token is a place and not a count, so a
// link keeps its meaning while entries come and go.
func (s *Server) page(rq *request, path string, l list) reply {
	after := math.MinInt
	if token := firstOf(rq.query, "skipToken", "$skipToken"); token != "" {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		place, convErr := strconv.Atoi(strings.TrimPrefix(string(raw), "after:"))
		if err != nil || convErr != nil {
			return rq.badRequest("The skip token is not valid.", "Follow nextLink as it was given.")
		}
		after = place
	}
	value := []object{}
	var next any
	first := sort.Search(l.n, func(i int) bool { return l.place(i) > after })
	for i := first; i < l.n; i++ {
		if len(value) == s.opt.PageSize {
			q := url.Values{
				"api-version": {rq.query.Get("api-version")},
				"skipToken":   {base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "after:%d", after))},
			}
			next = rq.base + path + "?" + q.Encode()
			break
		}
		value = append(value, l.view(i))
		after = l.place(i)
	}
	return ok(object{"value": value, "nextLink": next})
}

func firstOf(q url.Values, names ...string) string {
	for _, want := range names {
		for name, values := range q {
			if strings.EqualFold(name, want) && len(values) > 0 {
				return values[0]
			}
		}
	}
	return ""
}

func seconds(d time.Duration) string {
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}
