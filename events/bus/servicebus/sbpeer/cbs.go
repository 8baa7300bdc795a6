package sbpeer

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// grant is what a token allows on a connection.
type grant struct {
	path    string // in lower case; everything at and below it
	rights  Rights
	expires time.Time // zero: never
}

const (
	tokenSAS = "servicebus.windows.net:sastoken"
	tokenJWT = "jwt"
)

// putToken answers a request of the $cbs node.
func putToken(c *conn, _ node, request *content) []byte {
	application := request.application
	if op := text(application.get("operation")); op != "put-token" {
		return reply(request.id(), 400, "the operation "+strconv.Quote(op)+" is unknown", errNotSupported, nil)
	}
	token, _ := request.value.(string)
	g, reason := c.peer.verify(text(application.get("type")), token, audiencePath(text(application.get("name"))))
	if reason != "" {
		return reply(request.id(), 401, reason, errUnauthorized, nil)
	}
	for i, old := range c.grants {
		if old.path == g.path {
			c.grants[i] = g
			return reply(request.id(), 202, "Accepted", "", nil)
		}
	}
	c.grants = append(c.grants, g)
	return reply(request.id(), 202, "Accepted", "", nil)
}

// verify says what a token allows on an audience, or why it does not. Tokens go by the real clock: their makers know no other.
func (p *Peer) verify(kind, token, audience string) (g grant, reason string) {
	g.path = audience
	if strings.HasSuffix(kind, tokenJWT) {
		if !p.allowJWT || token == "" {
			return g, "tokens of the JWT type are not accepted"
		}
		g.rights = Manage
		return g, ""
	}
	raw, ok := strings.CutPrefix(token, "SharedAccessSignature ")
	if !ok || kind != tokenSAS {
		return g, "no token of a type that is accepted"
	}
	fields := map[string]string{}
	for field := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(field, "=")
		fields[name] = value
	}
	signature, err := url.QueryUnescape(fields["sig"])
	if err != nil {
		return g, "the signature is malformed"
	}
	resource, err := url.QueryUnescape(fields["sr"])
	if err != nil {
		return g, "the resource is malformed"
	}
	seconds, err := strconv.ParseInt(fields["se"], 10, 64)
	if err != nil {
		return g, "the expiry is malformed"
	}
	key, ok := p.key(fields["skn"])
	if !ok || !hmac.Equal([]byte(signature), []byte(sign(key.Secret, fields["sr"], fields["se"]))) {
		return g, "the token has an invalid signature"
	}
	if g.expires = time.Unix(seconds, 0); !time.Now().Before(g.expires) {
		return g, "the token has expired"
	}
	if !below(audience, audiencePath(resource)) || !below(audience, strings.ToLower(key.Entity)) {
		return g, "the token is not for this audience"
	}
	if g.rights = key.Rights; g.rights == 0 {
		g.rights = Manage
	}
	return g, ""
}

// sign makes the signature of a SAS token.
func sign(secret, resource, expiry string) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(resource + "\n" + expiry))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// plain is what the response of SASL PLAIN gives: the name of a key and its secret, each behind a zero.
func (p *Peer) plain(response []byte) (g grant, ok bool) {
	parts := strings.Split(string(response), "\x00")
	if len(parts) != 3 {
		return g, false
	}
	key, ok := p.key(parts[1])
	if !ok || !hmac.Equal([]byte(key.Secret), []byte(parts[2])) {
		return g, false
	}
	g = grant{path: strings.ToLower(key.Entity), rights: key.Rights}
	if g.rights == 0 {
		g.rights = Manage
	}
	return g, true
}

func (p *Peer) key(name string) (Key, bool) {
	for _, k := range p.keys {
		if k.Name == name {
			return k, true
		}
	}
	return Key{}, false
}

// audiencePath takes scheme and host off an audience.
func audiencePath(audience string) string {
	audience = strings.ToLower(audience)
	if _, rest, ok := strings.Cut(audience, "://"); ok {
		_, audience, _ = strings.Cut(rest, "/")
	}
	return strings.Trim(audience, "/")
}

// below says whether a path is another one or under it.
func below(path, root string) bool {
	rest, ok := strings.CutPrefix(path, root)
	return ok && (root == "" || rest == "" || rest[0] == '/')
}

// rights gives what the connection may do with an entity.
func (c *conn) rights(entity string) (r Rights) {
	now := time.Now()
	for _, g := range c.grants {
		if below(strings.ToLower(entity), strings.TrimSuffix(g.path, managementSuffix)) && (g.expires.IsZero() || now.Before(g.expires)) {
			r |= g.rights
		}
	}
	if r&Manage != 0 {
		r |= Send | Listen
	}
	return r
}

// authorize says whether the connection may attach to a node.
func (c *conn) authorize(n node, receives bool) *amqpError {
	need := Send
	switch {
	case n.name == cbsNode:
		return nil
	case n.handle != nil:
		need = Send | Listen // either; the operations look closer
	case receives:
		need = Listen
	}
	if c.rights(n.name)&need == 0 {
		return refuse(errUnauthorized, "Unauthorized access. No token of this connection allows it on %s", n.name)
	}
	return nil
}
